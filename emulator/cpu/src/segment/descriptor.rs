//! Descriptors and gates as the tables hold them (Intel SDM Vol. 3A 3.4.5, 7.11).

use crate::state::Segment;
use crate::{Cpu, Exception};
use glassbox_x86_spec::segment as attr;

/// Requested privilege level of a selector.
pub(crate) const fn rpl(selector: u16) -> u8 {
    (selector & 3) as u8
}

/// Whether a selector is null: index 0 of the GDT, whatever its RPL.
pub(crate) const fn is_null(selector: u16) -> bool {
    selector & !3 == 0
}

/// The selector index part of an error code (Intel SDM Vol. 3A 7.13).
pub(crate) const fn index_error(selector: u16) -> u32 {
    (selector & !3) as u32
}

/// Eight bytes of the GDT or an LDT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Descriptor {
    /// The bytes, little-endian.
    pub raw: u64,
    /// Linear address of the first byte.
    pub at: u64,
}

impl Descriptor {
    /// Attributes, see [`glassbox_x86_spec::segment`].
    pub fn attr(self) -> u16 {
        (self.raw >> 40) as u16 & 0xF0FF
    }

    /// Whether all of `bits` are set.
    pub fn has(self, bits: u16) -> bool {
        self.attr() & bits == bits
    }

    /// Present.
    pub fn present(self) -> bool {
        self.has(attr::P)
    }

    /// Descriptor privilege level.
    pub fn dpl(self) -> u8 {
        (self.attr() >> 5 & 3) as u8
    }

    /// Code or data, not a system descriptor.
    pub fn is_application(self) -> bool {
        self.has(attr::S)
    }

    /// Code segment.
    pub fn is_code(self) -> bool {
        self.has(attr::S | attr::CODE)
    }

    /// Conforming code segment.
    pub fn is_conforming(self) -> bool {
        self.has(attr::S | attr::CODE | attr::DC)
    }

    /// Data segment that may be written: what a stack needs.
    pub fn is_writable_data(self) -> bool {
        self.attr() & (attr::S | attr::CODE | attr::RW) == attr::S | attr::RW
    }

    /// Data, or code that may be read.
    pub fn is_readable(self) -> bool {
        self.is_application() && self.attr() & (attr::CODE | attr::RW) != attr::CODE
    }

    /// The type of a system descriptor, `None` for code and data.
    pub fn system_kind(self) -> Option<u8> {
        (!self.is_application()).then_some((self.attr() & 0xF) as u8)
    }

    /// Bits 0 to 31 of the base.
    pub fn base(self) -> u64 {
        self.raw >> 16 & 0xFF_FFFF | (self.raw >> 56) << 24
    }

    /// The last valid offset, granularity applied.
    pub fn limit(self) -> u32 {
        let limit = (self.raw & 0xFFFF | self.raw >> 32 & 0xF_0000) as u32;
        if self.has(attr::G) { limit << 12 | 0xFFF } else { limit }
    }

    /// The segment register that this gives with `selector`.
    pub fn segment(self, selector: u16) -> Segment {
        Segment { base: self.base(), limit: self.limit(), attr: self.attr(), selector }
    }
}

/// A call, interrupt, trap or task gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gate {
    /// Type field with S as bit 4: values above 15 are no gates.
    pub kind: u8,
    /// Descriptor privilege level.
    pub dpl: u8,
    /// Present.
    pub present: bool,
    /// Code segment or TSS.
    pub selector: u16,
    /// Entry point; 16 significant bits in 16-bit gates.
    pub offset: u64,
    /// Call gates: words or doublewords of parameters.
    pub parameters: u8,
    /// 64-bit interrupt gates: index of the interrupt stack, 0 for none.
    pub ist: u8,
}

impl Gate {
    /// A gate from its first eight bytes and, in long mode, the eight after them.
    pub fn new(low: u64, high: u64) -> Self {
        Self {
            kind: (low >> 40 & 0x1F) as u8,
            dpl: (low >> 45 & 3) as u8,
            present: low >> 47 & 1 != 0,
            selector: (low >> 16) as u16,
            offset: low & 0xFFFF | low >> 32 & 0xFFFF_0000 | high << 32,
            parameters: (low >> 32 & 0x1F) as u8,
            ist: (low >> 32 & 7) as u8,
        }
    }

    /// 32-bit (or 64-bit) rather than 16-bit.
    pub fn is_wide(self) -> bool {
        self.kind & 8 != 0
    }

    /// The entry point in the gate's width.
    pub fn entry(self) -> u64 {
        if self.is_wide() { self.offset } else { self.offset & 0xFFFF }
    }
}

impl Cpu {
    /// Linear address of the descriptor that `selector` names, when `size`
    /// bytes from there are inside its table.
    pub(crate) fn descriptor_address(&self, selector: u16, size: u64) -> Option<u64> {
        let offset = u64::from(selector & !7);
        let (base, limit) = if selector & 4 == 0 {
            (self.state.gdtr.base, u64::from(self.state.gdtr.limit))
        } else {
            let ldtr = &self.state.ldtr;
            if !ldtr.present() || is_null(ldtr.selector) {
                return None;
            }
            (ldtr.base, u64::from(ldtr.limit))
        };
        let inside = offset + size - 1 <= limit;
        let address = base.wrapping_add(offset);
        inside.then_some(if self.state.long_mode() { address } else { address & 0xFFFF_FFFF })
    }

    /// Reads the descriptor that `selector` names.
    ///
    /// # Errors
    /// `fault` with the selector's index if that is outside its table; #PF.
    pub(crate) fn descriptor(
        &mut self,
        selector: u16,
        fault: fn(u32) -> Exception,
    ) -> Result<Descriptor, Exception> {
        let at = self.descriptor_address(selector, 8).ok_or(fault(index_error(selector)))?;
        Ok(Descriptor { raw: self.load_system(at)?, at })
    }

    /// Bits 32 to 63 of the base of a 16-byte system descriptor (long mode).
    ///
    /// # Errors
    /// `fault` with the selector's index where the upper half is outside the
    /// table or not marked as such by a zero type; #PF.
    pub(crate) fn descriptor_high(
        &mut self,
        selector: u16,
        fault: fn(u32) -> Exception,
    ) -> Result<u64, Exception> {
        let error = fault(index_error(selector));
        let at = self.descriptor_address(selector, 16).ok_or(error)?;
        let high: u64 = self.load_system(at.wrapping_add(8))?;
        if high >> 40 & 0x1F != 0 { Err(error) } else { Ok(high) }
    }

    /// Sets the accessed bit of a code or data descriptor in its table and
    /// gives back what it has become.
    ///
    /// # Errors
    /// #PF where the table cannot be written.
    pub(crate) fn mark_accessed(&mut self, descriptor: Descriptor) -> Result<Descriptor, Exception> {
        if descriptor.has(attr::ACCESSED) {
            return Ok(descriptor);
        }
        let raw = descriptor.raw | u64::from(attr::ACCESSED) << 40;
        // Only the type byte is written, as on silicon: the rest may be in use.
        self.store_system(descriptor.at.wrapping_add(5), (raw >> 40) as u8)?;
        Ok(Descriptor { raw, ..descriptor })
    }
}
