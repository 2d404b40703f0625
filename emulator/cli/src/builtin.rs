//! The guest that boots when none is named: `test-roms/tour`.

use crate::args::RunArgs;
use crate::serial::SerialTarget;
use glassbox_machine::FlatImage;
use std::io::IsTerminal;

const IMAGE: &[u8] = include_bytes!("../../../test-roms/tour/tour.bin");

/// The guest. It ends in a prompt where somebody can type at COM1, and switches
/// the machine off where nobody can.
pub fn guest(args: &RunArgs) -> FlatImage {
    let interactive = match args.serial.first() {
        None | Some(SerialTarget::Stdio) => std::io::stdin().is_terminal(),
        Some(SerialTarget::Tcp(_) | SerialTarget::Unix(_)) => true,
        Some(SerialTarget::None | SerialTarget::File(_)) => false,
    };
    let ebx = if interactive { FlatImage::INTERACTIVE } else { 0 };
    FlatImage { image: IMAGE.to_vec(), ebx, ..FlatImage::default() }
}
