//! MOV to and from control registers, LMSW, SMSW, CLTS, and what changing CR0,
//! CR3 and CR4 does (Intel SDM Vol. 3A 2.5, 5.1, 5.10; AMD APM Vol. 2 3.1).

use crate::cpuid::Feature;
use crate::state::SegReg;
use crate::{Cpu, Exception, Handler, Op};
use glassbox_x86_spec::control::{Cr0, Cr4, Efer};
use glassbox_x86_spec::segment as attr;
use iced_x86::{Code, Instruction, Mnemonic, OpKind};

/// CR3 bit 63, written with PCIDs on: keep the translations of the new PCID.
const CR3_NO_FLUSH: u64 = 1 << 63;
const PCID: u64 = 0xFFF;

impl Cpu {
    /// #GP(0) above privilege level 0.
    #[inline]
    pub(crate) fn require_cpl0(&self) -> Result<(), Exception> {
        if self.state.cpl == 0 { Ok(()) } else { Err(Exception::GP0) }
    }

    /// #GP(0) for SGDT, SIDT, SLDT, STR and SMSW above privilege level 0 with
    /// CR4.UMIP set.
    #[inline]
    pub(crate) fn check_umip(&self) -> Result<(), Exception> {
        if self.state.cpl != 0 && self.state.cr4.contains(Cr4::UMIP) {
            return Err(Exception::GP0);
        }
        Ok(())
    }

    /// Writes CR0, entering or leaving paging and long mode.
    ///
    /// # Errors
    /// #GP(0) for combinations that the architecture forbids.
    pub(crate) fn write_cr0(&mut self, value: u64) -> Result<(), Exception> {
        if value >> 32 != 0 {
            return Err(Exception::GP0);
        }
        let old = self.state.cr0;
        let new = Cr0::from_bits_truncate(value) | Cr0::ET;
        if new.contains(Cr0::PG) && !new.contains(Cr0::PE) || new.contains(Cr0::NW) && !new.contains(Cr0::CD)
        {
            return Err(Exception::GP0);
        }
        let (was_paging, pages) = (old.contains(Cr0::PG), new.contains(Cr0::PG));
        let code_is_long = self.state.seg(SegReg::Cs).attr & attr::L != 0;
        let mut efer = self.state.efer;
        if pages && !was_paging && efer.contains(Efer::LME) {
            if !self.state.cr4.contains(Cr4::PAE) || code_is_long {
                return Err(Exception::GP0);
            }
            efer |= Efer::LMA;
        }
        if was_paging && !pages {
            if self.state.is_64bit() || self.state.cr4.contains(Cr4::PCIDE) {
                return Err(Exception::GP0);
            }
            efer -= Efer::LMA;
        }
        let controls_walks = Cr0::PG | Cr0::CD | Cr0::NW;
        if pages && !efer.contains(Efer::LMA) && !((old ^ new) & controls_walks).is_empty() {
            self.check_pdptes(self.state.cr3, self.state.cr4)?;
        }
        self.state.cr0 = new;
        self.state.efer = efer;
        // Without paging an address is the same in real and in protected mode: loaders
        // that go to and fro for each call of the BIOS keep their translations.
        if (old | new).contains(Cr0::PG) && (old ^ new).intersects(Cr0::PG | Cr0::WP | Cr0::PE) {
            self.tlb.flush_all();
        }
        self.sync();
        Ok(())
    }

    /// Writes CR3 and drops the translations that this has to drop.
    ///
    /// # Errors
    /// #GP(0) for reserved bits, also those of PAE's page-directory pointers.
    pub(crate) fn write_cr3(&mut self, value: u64) -> Result<(), Exception> {
        let pcids = self.state.cr4.contains(Cr4::PCIDE);
        let keep = pcids && value & CR3_NO_FLUSH != 0;
        let value = if keep { value & !CR3_NO_FLUSH } else { value };
        if self.state.long_mode() {
            if value >> Self::PHYSICAL_BITS != 0 {
                return Err(Exception::GP0);
            }
        } else if self.state.cr0.contains(Cr0::PG) {
            self.check_pdptes(value, self.state.cr4)?;
        }
        self.state.cr3 = value;
        let pcid = if pcids { (value & PCID) as u16 } else { 0 };
        self.tlb.switch_pcid(pcid);
        if !keep {
            self.tlb.flush_pcid(pcid);
        }
        self.sync();
        Ok(())
    }

    /// The CR4 bits that the processor model has.
    pub(crate) fn cr4_supported(&self) -> Cr4 {
        use Feature::*;
        const BITS: &[(Feature, Cr4)] = &[
            (Vme, Cr4::VME),
            (Vme, Cr4::PVI),
            (Tsc, Cr4::TSD),
            (De, Cr4::DE),
            (Pse, Cr4::PSE),
            (Pae, Cr4::PAE),
            (Mce, Cr4::MCE),
            (Pge, Cr4::PGE),
            (Mmx, Cr4::PCE),
            (Fxsr, Cr4::OSFXSR),
            (Sse, Cr4::OSXMMEXCPT),
            (Umip, Cr4::UMIP),
            (La57, Cr4::LA57),
            (Fsgsbase, Cr4::FSGSBASE),
            (Pcid, Cr4::PCIDE),
            (Xsave, Cr4::OSXSAVE),
            (Smep, Cr4::SMEP),
            (Smap, Cr4::SMAP),
        ];
        let has = |&&(feature, _): &&(Feature, Cr4)| self.model.has(feature);
        BITS.iter().filter(has).fold(Cr4::empty(), |all, &(_, bit)| all | bit)
    }

    /// Writes CR4.
    ///
    /// # Errors
    /// #GP(0) for bits the model lacks and for changes that long mode forbids.
    pub(crate) fn write_cr4(&mut self, value: u64) -> Result<(), Exception> {
        let old = self.state.cr4;
        let new = Cr4::from_bits(value).ok_or(Exception::GP0)?;
        if !self.cr4_supported().contains(new) {
            return Err(Exception::GP0);
        }
        let changed = old ^ new;
        if self.state.long_mode() {
            if !new.contains(Cr4::PAE) || changed.contains(Cr4::LA57) {
                return Err(Exception::GP0);
            }
        } else if new.contains(Cr4::PCIDE) {
            return Err(Exception::GP0);
        }
        let starts_pcids = new.contains(Cr4::PCIDE) && !old.contains(Cr4::PCIDE);
        if starts_pcids && self.state.cr3 & PCID != 0 {
            return Err(Exception::GP0);
        }
        let walks = Cr4::PAE | Cr4::PSE | Cr4::PGE | Cr4::SMEP;
        if self.state.cr0.contains(Cr0::PG) && !self.state.long_mode() && changed.intersects(walks) {
            self.check_pdptes(self.state.cr3, new)?;
        }
        self.state.cr4 = new;
        if changed.intersects(walks | Cr4::SMAP | Cr4::PCIDE | Cr4::LA57) {
            self.tlb.flush_all();
            if !new.contains(Cr4::PCIDE) {
                self.tlb.switch_pcid(0);
            }
        }
        self.sync();
        Ok(())
    }

    /// #GP(0) if PAE paging finds reserved bits in a present
    /// page-directory-pointer entry (Intel SDM Vol. 3A 5.4.1).
    fn check_pdptes(&mut self, cr3: u64, cr4: Cr4) -> Result<(), Exception> {
        const RESERVED_LOW: u64 = 0x1E6;
        if !cr4.contains(Cr4::PAE) {
            return Ok(());
        }
        let table = cr3 & 0xFFFF_FFE0;
        for n in 0..4 {
            let mut bytes = [0; 8];
            let at = self.a20(table + 8 * n);
            self.read_physical(at, &mut bytes);
            let entry = u64::from_le_bytes(bytes);
            if entry & 1 != 0 && (entry & RESERVED_LOW != 0 || entry >> Self::PHYSICAL_BITS != 0) {
                return Err(Exception::GP0);
            }
        }
        Ok(())
    }
}

fn mov_from_cr(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.require_cpl0()?;
    let value = match op.src {
        0 => cpu.state.cr0.bits(),
        2 => cpu.state.cr2,
        3 => cpu.state.cr3,
        4 => cpu.state.cr4.bits(),
        8 => {
            cpu.publish_time();
            u64::from(cpu.bus.cr8_read())
        }
        _ => return Err(Exception::UD),
    };
    if op.code == Code::Mov_r64_cr {
        cpu.set_reg(op.dst, value)
    } else {
        cpu.set_reg(op.dst, value as u32)
    }
    Ok(())
}

fn mov_to_cr(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    if !matches!(op.dst, 0 | 2 | 3 | 4 | 8) {
        return Err(Exception::UD);
    }
    cpu.require_cpl0()?;
    let value = if op.code == Code::Mov_cr_r64 { cpu.reg(op.src) } else { u64::from(cpu.reg::<u32>(op.src)) };
    match op.dst {
        0 => cpu.write_cr0(value),
        2 => {
            cpu.state.cr2 = value;
            Ok(())
        }
        3 => cpu.write_cr3(value),
        4 => cpu.write_cr4(value),
        _ => {
            if value > 15 {
                return Err(Exception::GP0);
            }
            cpu.publish_time();
            cpu.bus.cr8_write(value as u8);
            cpu.interrupts_may_be_open();
            Ok(())
        }
    }
}

/// LMSW can set PE but not clear it.
fn lmsw(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.require_cpl0()?;
    let value = u64::from(cpu.read_rm::<u16>(op, op.dst)?);
    cpu.write_cr0(cpu.state.cr0.bits() & !0xE | value & 0xF)
}

/// SMSW to memory stores 16 bits whatever the operand size.
fn smsw(cpu: &mut Cpu, op: &Op) -> Result<(), Exception> {
    cpu.check_umip()?;
    let value = cpu.state.cr0.bits();
    if op.is_mem() {
        return cpu.store_operand(op, value as u16);
    }
    match op.code {
        Code::Smsw_rm16 => cpu.set_reg(op.dst, value as u16),
        Code::Smsw_r32m16 => cpu.set_reg(op.dst, value as u32),
        _ => cpu.set_reg(op.dst, value),
    }
    Ok(())
}

fn clts(cpu: &mut Cpu, _: &Op) -> Result<(), Exception> {
    cpu.require_cpl0()?;
    cpu.state.cr0 -= Cr0::TS;
    cpu.sync();
    Ok(())
}

pub(crate) fn select(i: &Instruction) -> Option<Handler> {
    Some(match i.mnemonic() {
        Mnemonic::Mov if i.op0_kind() == OpKind::Register && i.op0_register().is_cr() => mov_to_cr,
        Mnemonic::Mov if i.op1_kind() == OpKind::Register && i.op1_register().is_cr() => mov_from_cr,
        Mnemonic::Lmsw => lmsw,
        Mnemonic::Smsw => smsw,
        Mnemonic::Clts => clts,
        _ => return None,
    })
}
