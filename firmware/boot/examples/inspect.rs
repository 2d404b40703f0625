//! Says what a kernel file is, loads it into a guest of 512 MiB and prints the
//! state in which it would be entered.
//!
//! ```text
//! cargo run -p glassbox-boot --example inspect -- vmlinuz [initrd [command line]]
//! ```

use glassbox_boot::{BootRequest, detect, load};
use glassbox_memory::GuestMemory;
use glassbox_tables::pc_memory_map;
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let kernel = std::fs::read(args.next().ok_or("usage: inspect KERNEL [INITRD [CMDLINE]]")?)?;
    let initrd = args.next().filter(|path| !path.is_empty()).map(std::fs::read).transpose()?;
    let cmdline = args.next().unwrap_or_default();
    println!("{:?}", detect(&kernel));

    let memory = GuestMemory::new(512 << 20)?;
    let e820 = pc_memory_map(memory.low_ram_size(), memory.high_ram_size(), &[]);
    let request = BootRequest {
        name: "",
        modules: &[],
        kernel: &kernel,
        initrd: initrd.as_deref(),
        cmdline: &cmdline,
        rsdp: None,
        e820: &e820,
        text_screen: false,
    };
    println!("{:#x?}", load(&memory, &request)?);
    Ok(())
}
