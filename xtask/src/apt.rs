//! Debian packages through a private apt configuration: other architectures and
//! releases are reached without touching the system's own.

use crate::shell;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A private apt root.
pub struct Apt {
    dir: PathBuf,
    config: PathBuf,
}

/// The keyring of Debian's archive, where Debian's own systems have it.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// What a private apt root reaches.
pub struct Archive {
    /// Labels of the archives that the system knows, and the suites of each.
    pub suites: &'static [(&'static str, &'static str)],
    /// The architecture besides amd64.
    pub foreign: &'static str,
}

/// Where guests are from: Debian bookworm and its backports, amd64 and i386.
pub const GUESTS: Archive =
    Archive { suites: &[("Debian", "bookworm"), ("Debian", "bookworm-backports")], foreign: "i386" };

impl Apt {
    /// Sets up `dir` for packages of `archive`, from the mirrors that the system uses.
    ///
    /// # Errors
    /// Where the system has no apt or no Debian source.
    pub fn new(dir: &Path, archive: &Archive) -> Result<Self> {
        if !shell::has("apt-get") {
            bail!(
                "there is no apt here: guests and cross compilers come from Debian packages, so tests that need them need a Debian system"
            );
        }
        let dir = dir.join("apt");
        for sub in ["state/lists/partial", "cache/archives/partial", "debs"] {
            fs::create_dir_all(dir.join(sub))?;
        }
        fs::write(dir.join("state/status"), "")?;
        let trust =
            if Path::new(KEYRING).exists() { format!("[signed-by={KEYRING}] ") } else { String::new() };
        let mut sources = String::new();
        for (label, suite) in archive.suites {
            sources += &format!("deb {trust}{} {suite} main\n", mirror(label)?);
        }
        fs::write(dir.join("sources.list"), sources)?;
        let config = dir.join("apt.conf");
        let (at, foreign) = (dir.display(), archive.foreign);
        fs::write(
            &config,
            format!(
                "Dir::State \"{at}/state\";\nDir::State::status \"{at}/state/status\";\nDir::Cache \"{at}/cache\";\n\
                 Dir::Etc::SourceList \"{at}/sources.list\";\nDir::Etc::SourceParts \"-\";\nDir::Etc::Preferences \"-\";\n\
                 Dir::Etc::PreferencesParts \"-\";\nAPT::Architecture \"amd64\";\nAPT::Architectures {{\"amd64\";\"{foreign}\";}};\n\
                 APT::Sandbox::User \"root\";\nAcquire::Languages \"none\";\n"
            ),
        )?;
        let apt = Self { dir, config };
        shell::output(apt.command("apt-get").arg("update"))
            .context("apt-get update of the private package lists")?;
        Ok(apt)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.arg("-c").arg(&self.config).current_dir(self.dir.join("debs"));
        command
    }

    /// The package that a metapackage depends on in `suite`, by prefix of its name.
    pub fn resolve(&self, meta: &str, suite: &str, prefix: &str) -> Result<String> {
        let listing = shell::output(self.command("apt-cache").args([
            "-o",
            &format!("APT::Default-Release={suite}"),
            "depends",
            meta,
        ]))?;
        listing
            .lines()
            .filter_map(|line| line.trim().strip_prefix("Depends: "))
            .find(|name| name.starts_with(prefix))
            .map(String::from)
            .with_context(|| format!("{meta} in {suite} depends on no {prefix}*"))
    }

    /// Downloads `package` (with `:arch` where it is not amd64) and unpacks it
    /// into `to`. Does nothing when that was done before.
    pub fn unpack(&self, package: &str, to: &Path) -> Result<()> {
        let stamp = to.join(".package");
        if fs::read_to_string(&stamp).is_ok_and(|have| have == package) {
            return Ok(());
        }
        if to.exists() {
            fs::remove_dir_all(to)?;
        }
        self.add(package, to)?;
        fs::write(stamp, package)?;
        Ok(())
    }

    /// Downloads `package` and unpacks it into `to`, beside what is there.
    pub fn add(&self, package: &str, to: &Path) -> Result<()> {
        eprintln!("fetching {package}");
        let debs = self.dir.join("debs");
        fs::remove_dir_all(&debs)?;
        fs::create_dir_all(&debs)?;
        shell::output(self.command("apt-get").args(["download", "-q", package]))?;
        let deb = fs::read_dir(&debs)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| path.extension().is_some_and(|e| e == "deb"))
            .with_context(|| format!("apt-get downloaded no file for {package}"))?;
        fs::create_dir_all(to)?;
        shell::output(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(to))?;
        fs::remove_file(deb)?;
        Ok(())
    }

    /// All packages that installing `packages` on an empty system would install.
    pub fn closure(&self, packages: &[&str]) -> Result<Vec<String>> {
        let plan = shell::output(
            self.command("apt-get").args(["-s", "install", "--no-install-recommends"]).args(packages),
        )?;
        let names = plan.lines().filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next());
        Ok(names.map(String::from).collect())
    }
}

/// The mirror of one of Debian's archives that the system is set up for.
fn mirror(label: &str) -> Result<String> {
    let targets = shell::output(Command::new("apt-get").args([
        "indextargets",
        "--format",
        "$(REPO_URI)",
        "Origin: Debian",
        &format!("Label: {label}"),
        "Component: main",
    ]))?;
    targets
        .lines()
        .next()
        .map(String::from)
        .context("apt knows no Debian archive: run apt-get update first, on a Debian system")
}
