//! What of the ROMs' manifest concerns another emulator.

/// A ROM of the manifest that follows our conventions.
#[derive(Debug, PartialEq, Eq)]
pub struct Rom {
    /// The test's name.
    pub name: String,
    /// The image, relative to the manifest.
    pub file: String,
    /// Its command line.
    pub arguments: String,
    /// It takes the place of the BIOS.
    pub is_bios: bool,
    /// Why the peer does not run it.
    pub not_run: Option<String>,
    /// Whether it resets the machine on purpose.
    pub reboots: bool,
    /// The picture that it leaves.
    pub picture: Option<Picture>,
}

/// A picture as the manifest describes it.
#[derive(Debug, PartialEq, Eq)]
pub struct Picture {
    /// SHA-256 of the picture as binary PPM, in hexadecimal.
    pub hash: String,
    /// Why the peer shows something else.
    pub not_compared: Option<String>,
}

/// The manifest's ROMs that are kernels, which is the default, or take the place of the BIOS.
///
/// In an entry the comment `# qemu: not run: REASON` says why the peer has to leave it
/// out, `# qemu: with reboots` that a reset does not end the run, and `# qemu: no picture:
/// REASON` why it does not show the same.
pub fn roms(manifest: &str) -> Vec<Rom> {
    manifest.split("[[test]]").skip(1).filter_map(rom).collect()
}

fn rom(entry: &str) -> Option<Rom> {
    let value = |key: &str| {
        let line = entry.lines().find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix('='))?;
        Some(line.trim().trim_matches('"').to_owned())
    };
    let comment = |start: &str| entry.lines().find_map(|line| line.strip_prefix(start)).map(str::to_owned);
    let kind = value("kind");
    if kind.as_deref().is_some_and(|kind| kind != "bios") {
        return None;
    }
    let not_compared = comment("# qemu: no picture: ");
    Some(Rom {
        name: value("name")?,
        file: value("rom")?,
        arguments: value("arguments").unwrap_or_default(),
        is_bios: kind.is_some(),
        not_run: comment("# qemu: not run: "),
        reboots: comment("# qemu: with reboots").is_some(),
        picture: value("expect.picture").map(|hash| Picture { hash, not_compared }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_says_what_the_peer_runs() {
        let text = "[[test]]\nname = \"a\"\nrom = \"a.bin\"\nkind = \"flat\"\n\
                    [[test]]\nname = \"b\"\nrom = \"b.bin\"\n# qemu: not run: it has none\n\
                    [[test]]\nname = \"c\"\nrom = \"c.bin\"\nkind = \"bios\"\n";
        let names: Vec<_> = roms(text).into_iter().map(|r| (r.name, r.not_run, r.is_bios)).collect();
        assert_eq!(names, [("b".into(), Some("it has none".into()), false), ("c".into(), None, true)]);
    }

    #[test]
    fn pictures_are_compared_unless_there_is_a_reason() {
        let text = "[[test]]\nname = \"a\"\nrom = \"a.bin\"\narguments = \"b c\"\nexpect.picture = \"12\"\n\
                    # qemu: no picture: it is upside down\n";
        let rom = &roms(text)[0];
        let picture = Picture { hash: "12".into(), not_compared: Some("it is upside down".into()) };
        assert_eq!((rom.arguments.as_str(), &rom.picture), ("b c", &Some(picture)));
    }
}
