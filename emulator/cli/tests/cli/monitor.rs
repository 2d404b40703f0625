//! The monitor, over standard input, a socket and a terminal.

use crate::common::{Bench, FOREVER, glassbox_with_input, parts, print};

/// Runs a guest that goes on for ever, with `commands` for the monitor; what it answered.
fn monitored(bench: &Bench, flags: &[&str], commands: &str) -> (i32, String, String) {
    let guest = bench.guest(&[FOREVER]);
    let fixed = ["-m", "16M", "--timeout", "60s", "--display", "vga", "--monitor", "stdio", &guest];
    parts(&glassbox_with_input(&[&fixed, flags].concat(), commands.as_bytes()))
}

#[test]
fn commands_reach_the_machine_and_quit_ends_it() {
    let bench = Bench::new();
    let (code, output, errors) =
        monitored(&bench, &[], "pause\ninfo status\ninfo registers\ninfo pci\nquit\n");
    assert_eq!((code, errors.as_str()), (0, ""));
    for part in ["(glassbox) paused, guest time", "  cr0 ", "00:02.0 1234:1111"] {
        assert!(output.contains(part), "{part} in:\n{output}");
    }
}

#[test]
fn pictures_and_media_are_changed_while_the_guest_runs() {
    let bench = Bench::new();
    let first = bench.file("first.img", &[0; 1440 << 10]);
    let second = bench.file("second.img", &[0; 720 << 10]);
    let shot = bench.path("shot.png");
    let commands = format!(
        "info block\neject floppy0\ninfo block\ninsert floppy0 {second}\ninfo block\neject disk0\n\
         screenshot {}\nreset\nquit\n",
        shot.display()
    );
    let (code, output, _) = monitored(&bench, &["--floppy", &first], &commands);
    assert_eq!(code, 0);
    let answers: Vec<&str> = output.split("(glassbox) ").collect();
    assert!(answers[1].starts_with("floppy0: floppy drive A: ") && answers[1].contains("1474560 bytes"));
    assert_eq!((answers[2], answers[3]), ("", "floppy0: floppy drive A: empty\n"));
    assert!(answers[5].contains("second.img, 737280 bytes"), "{output}");
    assert!(answers[6].contains("no drive `disk0`"));
    assert_eq!(std::fs::read(shot).unwrap()[1..4], *b"PNG");
}

#[test]
fn standard_input_has_one_owner() {
    let bench = Bench::new();
    let (code, _, errors) = monitored(&bench, &["--serial", "stdio"], "");
    assert_eq!(code, 1);
    assert!(errors.contains("share one terminal"), "{errors}");
}

#[cfg(unix)]
#[test]
fn on_a_terminal_ctrl_a_c_leads_to_the_monitor_and_back() {
    use std::fs::File;
    use std::io::{Read, Write};
    use std::process::{Command, Stdio};
    use std::sync::mpsc;
    use std::time::Duration;

    let bench = Bench::new();
    // Echoes what comes in: mov dx, 3FDh; in al, dx; test al, 1; jz back; mov dx, 3F8h; in al, dx;
    // out dx, al; jmp to the first
    let echo: &[u8] = &[
        0x66, 0xBA, 0xFD, 0x03, 0xEC, 0xA8, 0x01, 0x74, 0xFB, 0x66, 0xBA, 0xF8, 0x03, 0xEC, 0xEE, 0xEB, 0xEF,
    ];
    let guest = bench.guest(&[&print("ready."), echo]);
    let pty = nix::pty::openpty(None, None).unwrap();
    let end = || Stdio::from(pty.slave.try_clone().unwrap());
    let mut child = Command::new(env!("CARGO_BIN_EXE_glassbox"))
        .args(["-m", "16M", "--timeout", "60s", &guest])
        .env("TERM", "xterm")
        .stdin(end())
        .stdout(end())
        .stderr(end())
        .spawn()
        .unwrap();
    drop(pty.slave);
    let mut keyboard = File::from(pty.master.try_clone().unwrap());
    let mut screen = File::from(pty.master);
    let (sender, shown) = mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 1024];
        while let Ok(len @ 1..) = screen.read(&mut buffer) {
            let _ = sender.send(buffer[..len].to_vec());
        }
    });
    // What was shown since what was waited for last.
    let mut rest = String::new();
    let mut wait = |text: &str| {
        while !rest.contains(text) {
            let more = shown.recv_timeout(Duration::from_secs(30));
            let more = more.unwrap_or_else(|_| panic!("no {text:?} in {rest:?}"));
            rest.push_str(&String::from_utf8_lossy(&more));
        }
        rest = rest.split_once(text).map(|(_, rest)| rest.to_owned()).unwrap_or_default();
    };
    wait("ready.");
    keyboard.write_all(b"guest").unwrap();
    wait("guest");
    keyboard.write_all(b"\x01c").unwrap();
    wait("(glassbox) ");
    // The tabulator completes, Ctrl-W takes a word away.
    keyboard.write_all(b"info wrong\x17statu\t\r").unwrap();
    wait("running, guest time");
    wait("(glassbox) ");
    keyboard.write_all(b"\x01c").unwrap();
    wait("back to the guest");
    keyboard.write_all(b"again").unwrap();
    wait("again");
    keyboard.write_all(b"\x01x").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
