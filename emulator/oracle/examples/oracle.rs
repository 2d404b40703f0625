//! Compares our processor with the host's:
//! `cargo run -p glassbox-oracle --example oracle -- [--cases N] [--seed S] [--form TEXT] [--bits 64|32|16] [--undefined] [--emit FOLDER]`.

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use glassbox_oracle::report::{Report, describe};
    use glassbox_oracle::{Session, forms};
    let (mut cases, mut seed, mut filter, mut undefined) = (200, 1, String::new(), false);
    let mut sizes = vec![64, 32, 16];
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--cases" => cases = value()?.parse()?,
            "--seed" => seed = value()?.parse()?,
            "--form" => filter = value()?.to_lowercase(),
            "--bits" => sizes = vec![value()?.parse()?],
            "--emit" => return emit(&value()?, seed),
            "--undefined" => undefined = true,
            _ => return Err(format!("unknown argument {argument}").into()),
        }
    }
    let mut session = Session::new()?;
    let mut report = Report::default();
    let start = std::time::Instant::now();
    for bits in sizes {
        for code in forms::forms(bits) {
            if format!("{code:?}").to_lowercase().contains(&filter) {
                session.run_form(code, bits, cases, seed, &mut report);
            }
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    print!("{}", report.text());
    if undefined {
        for (name, form) in &report.forms {
            if let Some(example) = &form.undefined_example {
                print!("\n{name}, undefined flags:\n{}", describe(example));
            }
        }
    }
    let legacy: Vec<_> = report
        .unimplemented
        .iter()
        .filter(|c| c.op_code().encoding() == iced_x86::EncodingKind::Legacy)
        .collect();
    println!("not implemented: {} forms, legacy ones: {legacy:?}", report.unimplemented.len());
    println!("no encoding found: {:?}", report.not_generated);
    let bad = report.forms.values().filter(|f| f.mismatches != 0).count();
    println!(
        "{} forms, {} cases in {seconds:.1} s ({:.0} a second), {} mismatches in {bad} forms, {} with other undefined flags",
        report.forms.len(),
        report.cases(),
        report.cases() as f64 / seconds,
        report.mismatches(),
        report.undefined(),
    );
    Ok(())
}

/// Writes data files of confirmed cases: of every 64-bit form one that ends well and
/// one that faults, of the forms that 64-bit code does not have more.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn emit(folder: &str, seed: u64) -> Result<(), Box<dyn std::error::Error>> {
    use glassbox_oracle::{Session, data, emit, forms, generate, rng::Rng};
    let mut session = Session::new()?;
    let mut files = std::collections::BTreeMap::<&str, String>::new();
    for bits in [64, 32, 16] {
        for code in forms::forms(bits) {
            if bits != 64 && code.op_code().mode64() {
                continue;
            }
            let mut rng = Rng::new(seed ^ code as u64);
            let mut wanted = if bits == 64 { [1, 1] } else { [3, 1] };
            for _ in 0..60 {
                let Some(case) = generate::case(code, bits, &mut rng) else { break };
                if !glassbox_cpu::is_implemented(&case.instruction()) {
                    break;
                }
                let Some(case) = emit::shorten(&case) else { continue };
                let (outcome, differences) = session.run(&case);
                let slot = &mut wanted[usize::from(outcome.fault.is_some())];
                if *slot == 0 || !differences.is_empty() {
                    continue;
                }
                *slot -= 1;
                let file = files.entry(emit::family(code)).or_default();
                file.push_str(&data::write(&case, &outcome, session.host_data()));
                file.push('\n');
            }
        }
    }
    for (family, text) in files {
        let head =
            format!("# {family}: confirmed by an AMD Zen 5 processor; made by the oracle, seed {seed}.\n\n");
        std::fs::write(format!("{folder}/{family}.ins"), head + &text)?;
    }
    Ok(())
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
fn main() {
    eprintln!("the oracle needs an x86-64 Linux host");
}
