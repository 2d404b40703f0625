//! One call of a service: the caller's registers and memory, and the board.

use crate::registers::{Registers, SegmentRegister};
use crate::rom::Point;
use glassbox_device_api::VmTime;
use glassbox_tables::E820Entry;

/// A memory access of a service raised a page fault in the caller's address
/// space. The host delivers it and enters the service again, from its
/// beginning, when the guest has dealt with it: a service changes nothing that
/// a second run would not repeat before its last access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuestFault;

/// What a service asks for when it is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Go on behind the stub's trap.
    Done,
    /// Enable interrupts, halt until one comes, and call the service again.
    Wait,
    /// Enable interrupts for a moment and call the service again.
    Spin,
    /// Go on at a named place of the ROM.
    Point(Point),
    /// Go on anywhere; real or virtual-8086 mode only.
    Far {
        /// Segment.
        cs: u16,
        /// Offset.
        ip: u16,
    },
    /// The host boots its own program: the processor is the host's to set up.
    HandOver,
}

/// What a service returns.
pub type ServiceResult = Result<Flow, GuestFault>;

/// The machine, as far as the services need it.
pub trait BiosHost {
    /// Loads from a linear address with the caller's rights.
    ///
    /// # Errors
    /// [`GuestFault`], which the host keeps the particulars of.
    fn read(&mut self, linear: u32, to: &mut [u8]) -> Result<(), GuestFault>;

    /// Stores to a linear address with the caller's rights. ROM stays as it is.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn write(&mut self, linear: u32, from: &[u8]) -> Result<(), GuestFault>;

    /// Copies from physical memory. False, with nothing read, where some of it is not RAM or ROM.
    fn read_physical(&mut self, at: u64, to: &mut [u8]) -> bool;

    /// Copies to physical memory. False, with nothing written, where some of it is not RAM or ROM.
    fn write_physical(&mut self, at: u64, from: &[u8]) -> bool;

    /// Reads 1, 2 or 4 bytes from an I/O port.
    fn port_read(&mut self, port: u16, size: u8) -> u32;

    /// Writes 1, 2 or 4 bytes to an I/O port.
    fn port_write(&mut self, port: u16, size: u8, value: u32);

    /// Guest time.
    fn now(&self) -> VmTime;

    /// POST: the machine prepares what is not on the board (caches, ranges of
    /// memory types), puts ACPI tables into memory, and says which memory there is.
    fn prepare(&mut self) -> Vec<E820Entry>;
}

/// Where the flags are that the caller will see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// On the stack, behind IP and CS: the stub ends with IRET.
    Interrupt,
    /// In the flags register: the stub ends with RETF, or it looks at them itself.
    Live,
}

/// Linear address of the BIOS data area.
pub const BDA: u32 = 0x400;

/// One call of a service.
pub struct Call<'a> {
    /// The caller's registers; changes reach the caller when the service is left.
    pub regs: Registers,
    /// The board.
    pub host: &'a mut dyn BiosHost,
    /// Where the caller's flags are.
    pub frame: Frame,
}

impl Call<'_> {
    /// The linear address of an offset in a segment.
    pub fn linear(&self, segment: SegmentRegister, offset: u16) -> u32 {
        segment.base.wrapping_add(offset.into())
    }

    /// Whether the caller runs in virtual-8086 mode.
    pub fn is_v86(&self) -> bool {
        self.regs.flags & Registers::VM != 0
    }

    // --- the caller's flags ---

    fn change_flags(&mut self, mask: u32, set: bool) -> Result<(), GuestFault> {
        match self.frame {
            Frame::Live => self.regs.flags = self.regs.flags & !mask | if set { mask } else { 0 },
            Frame::Interrupt => {
                let at = self.stack(4);
                let flags = self.read_u16(at)?;
                let new = flags & !(mask as u16) | if set { mask as u16 } else { 0 };
                self.write_u16(at, new)?;
            }
        }
        Ok(())
    }

    /// Sets or clears the caller's CF.
    ///
    /// # Errors
    /// [`GuestFault`] of the stack.
    pub fn set_carry(&mut self, set: bool) -> Result<(), GuestFault> {
        self.change_flags(Registers::CF, set)
    }

    /// Sets or clears the caller's ZF.
    ///
    /// # Errors
    /// [`GuestFault`] of the stack.
    pub fn set_zero(&mut self, set: bool) -> Result<(), GuestFault> {
        self.change_flags(Registers::ZF, set)
    }

    // --- the stack, 16 bits wide ---

    /// The linear address of the word `offset` bytes above SP.
    pub fn stack(&self, offset: u16) -> u32 {
        self.linear(self.regs.ss, self.regs.sp.word().wrapping_add(offset))
    }

    /// Pushes a word.
    ///
    /// # Errors
    /// [`GuestFault`] of the stack; SP is as it was then.
    pub fn push(&mut self, value: u16) -> Result<(), GuestFault> {
        let sp = self.regs.sp.word().wrapping_sub(2);
        self.write_u16(self.linear(self.regs.ss, sp), value)?;
        self.regs.sp.set_word(sp);
        Ok(())
    }

    // --- memory at linear addresses ---

    /// Loads bytes.
    ///
    /// # Errors
    /// [`GuestFault`].
    pub fn read(&mut self, linear: u32, to: &mut [u8]) -> Result<(), GuestFault> {
        self.host.read(linear, to)
    }

    /// Stores bytes.
    ///
    /// # Errors
    /// [`GuestFault`].
    pub fn write(&mut self, linear: u32, from: &[u8]) -> Result<(), GuestFault> {
        self.host.write(linear, from)
    }

    fn load<const N: usize>(&mut self, linear: u32) -> Result<[u8; N], GuestFault> {
        let mut bytes = [0; N];
        self.host.read(linear, &mut bytes)?;
        Ok(bytes)
    }

    /// Loads a byte.
    ///
    /// # Errors
    /// [`GuestFault`].
    pub fn read_u8(&mut self, linear: u32) -> Result<u8, GuestFault> {
        self.load::<1>(linear).map(u8::from_le_bytes)
    }

    /// Loads a word.
    ///
    /// # Errors
    /// [`GuestFault`].
    pub fn read_u16(&mut self, linear: u32) -> Result<u16, GuestFault> {
        self.load(linear).map(u16::from_le_bytes)
    }

    /// Loads a dword.
    ///
    /// # Errors
    /// [`GuestFault`].
    pub fn read_u32(&mut self, linear: u32) -> Result<u32, GuestFault> {
        self.load(linear).map(u32::from_le_bytes)
    }

    /// Loads a qword.
    ///
    /// # Errors
    /// [`GuestFault`].
    pub fn read_u64(&mut self, linear: u32) -> Result<u64, GuestFault> {
        self.load(linear).map(u64::from_le_bytes)
    }

    /// Stores a byte.
    ///
    /// # Errors
    /// [`GuestFault`].
    pub fn write_u8(&mut self, linear: u32, value: u8) -> Result<(), GuestFault> {
        self.host.write(linear, &[value])
    }

    /// Stores a word.
    ///
    /// # Errors
    /// [`GuestFault`].
    pub fn write_u16(&mut self, linear: u32, value: u16) -> Result<(), GuestFault> {
        self.host.write(linear, &value.to_le_bytes())
    }

    /// Stores a dword.
    ///
    /// # Errors
    /// [`GuestFault`].
    pub fn write_u32(&mut self, linear: u32, value: u32) -> Result<(), GuestFault> {
        self.host.write(linear, &value.to_le_bytes())
    }

    // --- the BIOS data area, by its offset in segment 40h ---

    /// Loads a byte of the BIOS data area.
    ///
    /// # Errors
    /// [`GuestFault`].
    pub fn bda_u8(&mut self, offset: u16) -> Result<u8, GuestFault> {
        self.read_u8(BDA + u32::from(offset))
    }

    /// Loads a word of the BIOS data area.
    ///
    /// # Errors
    /// [`GuestFault`].
    pub fn bda_u16(&mut self, offset: u16) -> Result<u16, GuestFault> {
        self.read_u16(BDA + u32::from(offset))
    }

    /// Loads a dword of the BIOS data area.
    ///
    /// # Errors
    /// [`GuestFault`].
    pub fn bda_u32(&mut self, offset: u16) -> Result<u32, GuestFault> {
        self.read_u32(BDA + u32::from(offset))
    }

    /// Stores a byte of the BIOS data area.
    ///
    /// # Errors
    /// [`GuestFault`].
    pub fn set_bda_u8(&mut self, offset: u16, value: u8) -> Result<(), GuestFault> {
        self.write_u8(BDA + u32::from(offset), value)
    }

    /// Stores a word of the BIOS data area.
    ///
    /// # Errors
    /// [`GuestFault`].
    pub fn set_bda_u16(&mut self, offset: u16, value: u16) -> Result<(), GuestFault> {
        self.write_u16(BDA + u32::from(offset), value)
    }

    /// Stores a dword of the BIOS data area.
    ///
    /// # Errors
    /// [`GuestFault`].
    pub fn set_bda_u32(&mut self, offset: u16, value: u32) -> Result<(), GuestFault> {
        self.write_u32(BDA + u32::from(offset), value)
    }

    // --- ports ---

    /// `IN AL, port`
    pub fn in8(&mut self, port: u16) -> u8 {
        self.host.port_read(port, 1) as u8
    }

    /// `OUT port, AL`
    pub fn out8(&mut self, port: u16, value: u8) {
        self.host.port_write(port, 1, value.into());
    }

    /// `IN AX, port`
    pub fn in16(&mut self, port: u16) -> u16 {
        self.host.port_read(port, 2) as u16
    }

    /// `OUT port, AX`
    pub fn out16(&mut self, port: u16, value: u16) {
        self.host.port_write(port, 2, value.into());
    }

    /// `IN EAX, port`
    pub fn in32(&mut self, port: u16) -> u32 {
        self.host.port_read(port, 4)
    }

    /// `OUT port, EAX`
    pub fn out32(&mut self, port: u16, value: u32) {
        self.host.port_write(port, 4, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    #[test]
    fn flags_go_onto_the_stack_or_into_the_register_as_the_stub_returns() {
        for frame in [Frame::Interrupt, Frame::Live] {
            let mut bench = Bench::new();
            bench.frame = frame;
            let set = bench.run(|call| {
                call.set_carry(true)?;
                call.set_zero(true)?;
                Ok(Flow::Done)
            });
            assert_eq!(set, Ok(Flow::Done));
            assert!(bench.carry() && bench.zero());
            assert_eq!(bench.flags(), Registers::CF | Registers::ZF);
            bench.run(|call| call.set_carry(false).map(|()| Flow::Done)).unwrap();
            assert!(!bench.carry() && bench.zero());
        }
    }

    #[test]
    fn a_push_grows_the_stack_down() {
        let mut bench = Bench::new();
        bench.run(|call| call.push(0x1234).map(|()| Flow::Done)).unwrap();
        assert_eq!(bench.regs.sp.word(), 0xFE);
        assert_eq!(bench.host.memory[0x3_00FE..0x3_0100], [0x34, 0x12]);
    }

    #[test]
    fn the_data_area_is_segment_40h() {
        let mut bench = Bench::new();
        bench.run(|call| call.set_bda_u16(0x13, 0x0280).map(|()| Flow::Done)).unwrap();
        assert_eq!((bench.host.bda_u16(0x13), bench.host.bda_u8(0x14)), (0x0280, 0x02));
        assert_eq!(bench.host.memory[0x413..0x415], [0x80, 0x02]);
    }
}
