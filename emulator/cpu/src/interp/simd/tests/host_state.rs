//! FXSAVE and FXRSTOR against the host, by random images.
#![allow(unsafe_code)]

use super::host::Lanes;
use super::*;
use std::arch::asm;

#[repr(align(64))]
struct Image([u8; 512]);

/// What the host has after it loaded an image, with 64-bit or with short pointers.
fn on_host(image: &Image, wide: bool) -> Image {
    let (mut own, mut result) = (Image([0; 512]), Image([0; 512]));
    macro_rules! through {
        ($save:literal, $restore:literal) => {
            // SAFETY: the image has a valid MXCSR, and the state is put back as it was.
            unsafe {
                asm!(
                    "fxsave64 [{own}]",
                    concat!($restore, " [{image}]"),
                    concat!($save, " [{result}]"),
                    "fxrstor64 [{own}]",
                    own = in(reg) &mut own,
                    image = in(reg) image,
                    result = in(reg) &mut result,
                )
            }
        };
    }
    if wide {
        through!("fxsave64", "fxrstor64");
    } else {
        through!("fxsave", "fxrstor");
    }
    result
}

#[test]
fn images_survive_as_on_an_amd_host() {
    if std::arch::x86_64::__cpuid(0).ebx != u32::from_le_bytes(*b"Auth") {
        return;
    }
    let mut random = Lanes(6);
    for round in 0..2000 {
        let mut image = Image([0; 512]);
        for piece in image.0[..416].chunks_exact_mut(8) {
            piece.copy_from_slice(&random.word().to_le_bytes());
        }
        // MXCSR has no reserved bits; half of the images have no x87 exception pending.
        (image.0[26], image.0[27]) = (0, 0);
        if round % 2 == 0 {
            image.0[2] &= 0xC0;
        }
        let wide = round % 3 != 0;
        let mut cpu = bench(0, 0);
        cpu.memory.write_bytes(Gpa(DATA), &image.0).unwrap();
        let prefix: &[u8] = if wide { &[0x48] } else { &[] };
        one(&mut cpu, &[prefix, &[0x0F, 0xAE, 0x0B]].concat());
        cpu.memory.write_bytes(Gpa(DATA), &[0; 512]).unwrap();
        one(&mut cpu, &[prefix, &[0x0F, 0xAE, 0x03]].concat());
        let mut ours = [0; 512];
        cpu.memory.read_bytes(Gpa(DATA), &mut ours).unwrap();
        let mut theirs = on_host(&image, wide).0;
        // MXCSR_MASK: the host may have misaligned mode.
        theirs[28..32].copy_from_slice(&ours[28..32]);
        for at in 0..512 {
            assert_eq!(ours[at], theirs[at], "byte {at}, wide {wide}, image {:02x?}", &image.0[..32]);
        }
    }
}
