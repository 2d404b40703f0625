//! Instructions executed as they are, with their operands in the host's places.

use super::encode::Rm;
use super::map::{self, RAX, RDX};
use super::{Emitter, slot};
use crate::ir::{NONE, Size};
use crate::lift::native::{Field, File, Native};

impl Emitter<'_> {
    /// One [`Native`].
    pub fn native(&mut self, native: &Native) {
        for field in native.fields() {
            match field.file {
                File::Xmm if field.reads => self.vector_for_read(field.n, false),
                File::Ymm if field.reads => self.vector_for_read(field.n, true),
                _ => {}
            }
        }
        if native.fourth != NONE {
            self.vector_for_read(native.fourth, native.fourth_long);
        }
        // A destination that is only written may share the scratch register.
        let third = self.native_register(native.third, RDX);
        let reg = match native.reg.file {
            File::None => native.extension,
            _ => self.native_register(native.reg, RDX),
        };
        let rm = match native.rm.file {
            File::Cell => self.cell,
            _ => Rm::Reg(self.native_register(native.rm, RAX)),
        };
        self.native_bytes(native, reg, third, rm);
        for (field, host) in [(native.reg, reg), (native.third, third)] {
            self.native_written(native, field, host);
        }
        if let Rm::Reg(host) = rm {
            self.native_written(native, native.rm, host);
        }
    }

    fn native_register(&mut self, field: Field, scratch: u8) -> u8 {
        match field.file {
            File::General => match map::pinned(field.n) {
                Some(host) => host,
                None => {
                    if field.reads {
                        self.op_exact(Size::B64, 0x8B, scratch, Rm::field(slot(field.n)));
                    }
                    scratch
                }
            },
            File::Xmm | File::Ymm => field.n,
            File::None | File::Cell => 0,
        }
    }

    fn native_written(&mut self, native: &Native, field: Field, host: u8) {
        if !field.writes {
            return;
        }
        match field.file {
            File::Xmm | File::Ymm => self.vector_written(field.n, native.vex),
            File::General if map::pinned(field.n).is_none() => {
                let size = if field.bits == 16 { Size::B16 } else { Size::B64 };
                self.op(size, 0x88, host, Rm::field(slot(field.n)));
            }
            _ => {}
        }
    }
}
