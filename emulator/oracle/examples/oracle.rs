//! Compares our processor with the host's:
//! `cargo run -p glassbox-oracle --example oracle -- [--cases N] [--seed S] [--form TEXT] [--bits 64|32|16] [--undefined]`.

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

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
fn main() {
    eprintln!("the oracle needs an x86-64 Linux host");
}
