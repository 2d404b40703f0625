//! The built-in guest on the built program: what a user sees first.

use std::process::{Command, Stdio};

/// A run that hangs fails instead.
const LIMIT: &str = "120s";

fn glassbox(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_glassbox"));
    command.args(["--memory", "64M", "--timeout", LIMIT]).args(args).stdin(Stdio::null());
    command
}

/// The console of a run without a terminal, which has to end well.
fn tour(args: &[&str]) -> String {
    let out = glassbox(args).output().unwrap();
    let console = String::from_utf8(out.stdout).unwrap();
    assert_eq!(out.status.code(), Some(0), "{console}\n{}", String::from_utf8_lossy(&out.stderr));
    console
}

#[test]
fn without_a_terminal_the_tour_goes_all_the_way_up_and_powers_off() {
    let console = tour(&[]);
    let steps = [
        "1 Real mode",
        "open: 0000:0500 and FFFF:0510 are different bytes",
        "2 Protected mode",
        "CR0.PE = 1, CR0 is now 00000011",
        "3 PAE paging",
        "CR0 = 80010011",
        "4 Long mode",
        "EFER = 00000D00",
        "FA, is at FFFFFFFF80008000 too",
        "5 Interrupts",
        "10 interrupts at 100 Hz took",
        "6 The way of an address",
        "FFFFFFFF80008000 = 511 : 510 : 0 : 8 : 000",
        "PML4E [511] at 020FF8  0000000000022023  P RW A",
        "physical address      0000000000008000  in a page of 4 KiB",
        "7 A page fault",
        "error code 2",
        "CR2 = 00007FFFDEADBEE0  page not present, write, by the supervisor",
        "the guest lives on",
        "8 The processor",
        "9 Its speed",
        "million instructions a second",
        "switching off",
    ];
    let mut rest = console.as_str();
    for step in steps {
        let Some((_, after)) = rest.split_once(step) else {
            panic!("{step:?} is missing or late:\n{console}")
        };
        rest = after;
    }
    assert!(!console.contains("glass>"), "nobody is there to be asked:\n{console}");
}

#[test]
fn on_the_instruction_clock_two_tours_are_the_same_and_measure_that_clock() {
    let console = tour(&["--clock", "instructions=100"]);
    assert!(console.contains("\n    100 million instructions a second"), "{console}");
    assert_eq!(console, tour(&["--clock", "instructions=100"]));
}

#[test]
fn what_the_tour_says_is_drawn_on_the_screen_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("screen.txt");
    let screen = ["--display", "vga", "--screen-text", file.to_str().unwrap()];
    let console = tour(&[&["--clock", "instructions=100"], &screen[..]].concat());
    let said: Vec<&str> = console.lines().map(str::trim_end).collect();
    let shown = std::fs::read_to_string(&file).unwrap();
    let shown: Vec<&str> = shown.lines().collect();
    assert!(shown.len() > 40, "{shown:?}");
    assert_eq!(shown, said[said.len().saturating_sub(shown.len())..]);
}

#[cfg(unix)]
mod prompt {
    use super::glassbox;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use std::process::Child;
    use std::time::{Duration, Instant};

    const PATIENCE: Duration = Duration::from_secs(60);

    /// The guest and a line to its console.
    struct Console {
        machine: Child,
        line: UnixStream,
        seen: String,
    }

    impl Console {
        fn open(folder: &std::path::Path) -> Self {
            let path = folder.join("com1");
            let mut machine = glassbox(&["--serial", &format!("unix={}", path.display())]).spawn().unwrap();
            let start = Instant::now();
            let line = loop {
                if let Ok(line) = UnixStream::connect(&path) {
                    break line;
                }
                if start.elapsed() > PATIENCE {
                    machine.kill().unwrap();
                    panic!("nobody listens at {}", path.display());
                }
                std::thread::sleep(Duration::from_millis(10));
            };
            line.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
            Self { machine, line, seen: String::new() }
        }

        fn send(&mut self, keys: &str) {
            self.line.write_all(keys.as_bytes()).unwrap();
        }

        /// Takes what comes now; whether `text` is in what has not been waited for yet.
        fn comes(&mut self, text: &str) -> bool {
            let mut bytes = [0; 4096];
            if let Ok(count) = self.line.read(&mut bytes) {
                self.seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
            let Some(at) = self.seen.find(text) else { return false };
            self.seen.drain(..at + text.len());
            true
        }

        fn expect(&mut self, text: &str) {
            let start = Instant::now();
            while !self.comes(text) {
                assert!(start.elapsed() < PATIENCE, "{text:?} did not come; there is:\n{}", self.seen);
            }
        }

        fn command(&mut self, typed: &str, answers: &[&str]) {
            self.send(typed);
            for answer in answers {
                self.expect(answer);
            }
            self.expect("glass> ");
        }
    }

    impl Drop for Console {
        fn drop(&mut self) {
            let _ = self.machine.kill();
            let _ = self.machine.wait();
        }
    }

    #[test]
    fn at_the_prompt_memory_is_shown_faults_are_survived_and_off_is_exit_code_0() {
        let folder = tempfile::tempdir().unwrap();
        let mut console = Console::open(folder.path());
        // What the guest said before the line was open is lost: ask until it answers, but not
        // so often that hundreds of prompts follow.
        let start = Instant::now();
        let mut asked = None;
        while !console.comes("glass> ") {
            assert!(start.elapsed() < PATIENCE, "no prompt; there is:\n{}", console.seen);
            if asked.is_none_or(|at: Instant| at.elapsed() > Duration::from_secs(1)) {
                console.send("\r");
                asked = Some(Instant::now());
            }
        }
        console.command("nonsense\r", &["No such command"]);
        console.command("help\r", &["walk", "ADDRESS", "off"]);
        console.command("memx\x7f 8000 10\r", &["0000000000008000  FA FC 31 C0"]);
        console.command("mem dead00000000\r", &["#GP", "no memory"]);
        console.command("walk 200abc\r", &["P RW PS NX", "0000000000200ABC  in a page of 2 MiB"]);
        console.command("walk 0\r", &["not present"]);
        console.command("regs\r", &["PE ET WP PG", "LME LMA NXE"]);
        for (name, mnemonic) in
            [("de", "#DE"), ("bp", "#BP"), ("ud", "#UD"), ("gp", "#GP"), ("wp", "error code 3")]
        {
            console.command(&format!("fault {name}\r"), &[mnemonic, "Survived."]);
        }
        console.command("fault nx\r\n", &["error code 11", "to execute it", "Survived."]);
        console.command("time\r", &["up ", "10 interrupts so far"]);
        console.send("off\r");
        assert_eq!(console.machine.wait().unwrap().code(), Some(0));
    }
}
