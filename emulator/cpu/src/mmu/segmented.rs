//! Segment checks outside 64-bit mode, and the stack.

use super::walk::Access;
use crate::state::{SEG_FLAT_STACK, SegReg, gpr};
use crate::{Cpu, Exception};
use glassbox_memory::Pod;
use glassbox_x86_spec::segment as attr;

impl Cpu {
    /// The linear address of `size` bytes at `offset` in segment `seg` (0 to 7),
    /// after type and limit checks (Intel SDM Vol. 3A 6.3 to 6.5).
    ///
    /// # Errors
    /// #SS(0) for the stack segment, #GP(0) for the others.
    #[inline]
    pub(crate) fn segmented(
        &mut self,
        seg: u8,
        offset: u64,
        size: u64,
        access: Access,
    ) -> Result<u64, Exception> {
        let s = &self.state.segs[(seg & 7) as usize];
        if self.mode.is_64bit() {
            let flat = seg < SegReg::Fs as u8;
            return Ok(if flat { offset } else { offset.wrapping_add(s.base) });
        }
        let linear = offset.wrapping_add(s.base) & 0xFFFF_FFFF;
        if seg > SegReg::Gs as u8 {
            return Ok(linear);
        }
        let last = offset.wrapping_add(size - 1);
        let expand_down = s.attr & (attr::CODE | attr::DC) == attr::DC;
        let in_limit = if expand_down {
            let top = if s.attr & attr::DB != 0 { u64::from(u32::MAX) } else { 0xFFFF };
            offset > u64::from(s.limit) && last <= top && offset <= last
        } else {
            last <= u64::from(s.limit) && offset <= last
        };
        let code = s.attr & attr::CODE != 0;
        let allowed = match access {
            Access::Read => !code || s.attr & attr::RW != 0,
            Access::Write => !code && s.attr & attr::RW != 0,
            Access::Fetch => true,
        };
        // Real and virtual-8086 mode know limits but no types.
        let typed = self.state.protected();
        if in_limit && s.present() && (allowed || !typed) {
            Ok(linear)
        } else if seg == SegReg::Ss as u8 {
            Err(Exception::SS0)
        } else {
            Err(Exception::GP0)
        }
    }

    /// Pushes one value. RSP changes only when the store succeeded.
    #[inline(always)]
    pub(crate) fn push<T: Pod>(&mut self, value: T) -> Result<(), Exception> {
        let size = size_of::<T>() as u64;
        let rsp = self.state.regs[gpr::RSP];
        if self.mode.is_64bit() {
            let to = rsp.wrapping_sub(size);
            self.store(SEG_FLAT_STACK, to, value)?;
            self.state.regs[gpr::RSP] = to;
            return Ok(());
        }
        let to = rsp.wrapping_sub(size) & self.mode.stack_mask();
        let gva =
            if self.mode.is_flat() { to } else { self.segmented(SegReg::Ss as u8, to, size, Access::Write)? };
        self.store(SegReg::Ss as u8, gva, value)?;
        self.set_stack_pointer(to);
        Ok(())
    }

    /// Pops one value. RSP changes only when the load succeeded.
    #[inline(always)]
    pub(crate) fn pop<T: Pod>(&mut self) -> Result<T, Exception> {
        let value = self.peek(0)?;
        self.release_stack(size_of::<T>() as u64);
        Ok(value)
    }

    /// Loads the value `depth` bytes above the top of the stack.
    #[inline(always)]
    pub(crate) fn peek<T: Pod>(&mut self, depth: u64) -> Result<T, Exception> {
        let from = self.state.regs[gpr::RSP].wrapping_add(depth);
        if self.mode.is_64bit() {
            return self.load(SEG_FLAT_STACK, from);
        }
        let from = from & self.mode.stack_mask();
        let size = size_of::<T>() as u64;
        let gva = if self.mode.is_flat() {
            from
        } else {
            self.segmented(SegReg::Ss as u8, from, size, Access::Read)?
        };
        self.load(SegReg::Ss as u8, gva)
    }

    /// Adds `bytes` to the stack pointer.
    #[inline(always)]
    pub(crate) fn release_stack(&mut self, bytes: u64) {
        self.set_stack_pointer(self.state.regs[gpr::RSP].wrapping_add(bytes));
    }

    /// Writes the stack pointer in the width of the stack.
    #[inline(always)]
    pub(crate) fn set_stack_pointer(&mut self, to: u64) {
        let mask = self.mode.stack_mask();
        let rsp = &mut self.state.regs[gpr::RSP];
        // A 32-bit stack outside 64-bit mode never has high bits to keep.
        *rsp = *rsp & !mask & 0xFFFF_FFFF | to & mask;
    }
}
