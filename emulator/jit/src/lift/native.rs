//! Instructions that a host of the same architecture executes as they are: SSE,
//! AVX, bit manipulation. Only their operands are placed anew. Other hosts
//! translate them by [`Native::code`], or have them interpreted.

use crate::ir::{FlagSet, NONE, Reg, flags};
use glassbox_cpu::Op;
use glassbox_memory::AddressMap;
use iced_x86::{Code, CpuidFeature, Instruction, InstructionInfoFactory, Mnemonic, OpAccess};
use iced_x86::{OpCodeOperandKind as Kind, OpKind, RflagsBits};

/// What an operand's field of the encoding names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum File {
    /// Nothing.
    #[default]
    None,
    /// A general-purpose register.
    General,
    /// An XMM register.
    Xmm,
    /// A YMM register.
    Ymm,
    /// The memory that was probed.
    Cell,
}

/// One field of the encoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Field {
    /// What it names.
    pub file: File,
    /// Register number.
    pub n: u8,
    /// Width of a general-purpose register: 8 to 64.
    pub bits: u8,
    /// Read.
    pub reads: bool,
    /// Written.
    pub writes: bool,
}

/// One such instruction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Native {
    /// Its form.
    pub code: Code,
    /// Mandatory prefix: 0, 66h, F3h or F2h.
    pub prefix: u8,
    /// Opcode map: 1 is 0Fh, 2 is 0F38h, 3 is 0F3Ah.
    pub map: u8,
    /// Opcode byte.
    pub opcode: u8,
    /// REX.W or VEX.W.
    pub wide: bool,
    /// VEX-encoded.
    pub vex: bool,
    /// VEX.L.
    pub long: bool,
    /// ModRM.reg.
    pub reg: Field,
    /// VEX.vvvv.
    pub third: Field,
    /// ModRM.rm.
    pub rm: Field,
    /// ModRM.reg where that is part of the opcode.
    pub extension: u8,
    /// An XMM register that is read besides, or [`NONE`]: XMM0, or the fourth operand.
    pub fourth: u8,
    /// The fourth operand is a YMM register.
    pub fourth_long: bool,
    /// The immediate byte.
    pub imm: Option<u8>,
    /// Status flags read.
    pub reads: FlagSet,
    /// Status flags replaced.
    pub writes: FlagSet,
    /// Works by MXCSR.
    pub float: bool,
}

impl Native {
    /// The three fields.
    pub fn fields(&self) -> [Field; 3] {
        [self.reg, self.third, self.rm]
    }

    /// Whether it touches XMM or YMM registers.
    pub fn is_vector(&self) -> bool {
        self.float
            || self.vex && !self.is_general()
            || self.fields().iter().any(|f| matches!(f.file, File::Xmm | File::Ymm))
    }

    /// Only general-purpose registers and memory.
    fn is_general(&self) -> bool {
        let vectors = |f: &Field| matches!(f.file, File::Xmm | File::Ymm);
        !self.fields().iter().any(vectors) && self.fields().iter().any(|f| f.file == File::General)
    }

    /// The general-purpose registers that it writes, as a set.
    pub fn writes_registers(&self) -> u32 {
        let written = self.fields().into_iter().filter(|f| f.file == File::General && f.writes);
        written.fold(0, |set, field| set | 1 << (field.n & 31))
    }

    /// Calls `each` with the general-purpose registers it names.
    pub fn for_registers(&self, mut each: impl FnMut(Reg)) {
        for field in self.fields() {
            if field.file == File::General {
                each(field.n);
            }
        }
    }
}

/// What is the same for all instructions of a form.
#[derive(Clone, Copy, Debug)]
struct Form {
    /// For each of up to five operands: which field and file.
    operands: [(Slot, File, u8); 5],
    reads: FlagSet,
    writes: FlagSet,
    float: bool,
    aligned: bool,
    /// Access to operand 0.
    first_reads: bool,
    first_writes: bool,
    implied_xmm0: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    None,
    Reg,
    Third,
    Rm,
    Fourth,
    Imm,
}

/// Finds out about forms, and remembers.
pub struct Forms {
    /// By form, and whether an operand is memory: MOVSD is another instruction then.
    known: AddressMap<(Code, bool), Option<Form>>,
    factory: InstructionInfoFactory,
    /// What the host executes.
    supports: fn(CpuidFeature) -> bool,
    /// What its back end translates, if it is of another architecture.
    translates: Option<fn(Code) -> bool>,
}

/// An instruction with its memory operand's demands.
pub struct Lifted {
    /// The step.
    pub native: Native,
    /// Bytes of the memory operand, 0 for none.
    pub bytes: u8,
    /// It has to be aligned.
    pub aligned: bool,
    /// It is written.
    pub store: bool,
}

impl Forms {
    /// For a host with the features that `supports` names.
    pub fn new(supports: fn(CpuidFeature) -> bool) -> Self {
        Self {
            known: AddressMap::default(),
            factory: InstructionInfoFactory::new(),
            supports,
            translates: None,
        }
    }

    /// Whether the host has a feature.
    pub fn supports(&self, feature: CpuidFeature) -> bool {
        (self.supports)(feature)
    }

    /// For a host of another architecture, whose back end translates what
    /// `translates` names.
    pub fn translated(translates: fn(Code) -> bool) -> Self {
        Self { translates: Some(translates), ..Self::new(|_| true) }
    }

    /// Whether x87 instructions are executed as they are.
    pub fn has_x87(&self) -> bool {
        self.translates.is_none()
    }

    /// The step for an instruction, if the host executes it as it is.
    pub fn lift(&mut self, i: &Instruction, op: &Op, bytes: &[u8]) -> Option<Lifted> {
        let key = (i.code(), op.is_mem());
        let form = match self.known.get(&key) {
            Some(form) => (*form)?,
            None => {
                let form = self.examine(i);
                self.known.insert(key, form);
                form?
            }
        };
        let mut native = encoding(bytes, i.code())?;
        (native.reads, native.writes, native.float) = (form.reads, form.writes, form.float);
        let zeroes = clears(i);
        let mut lifted_bytes = 0;
        let mut store = false;
        for (n, &(slot, file, bits)) in form.operands.iter().enumerate().take(i.op_count() as usize) {
            let first = n == 0;
            let (reads, writes) =
                if first { (form.first_reads && !zeroes, form.first_writes) } else { (!zeroes, false) };
            let memory = i.op_kind(n as u32) == OpKind::Memory;
            let number = if i.op_kind(n as u32) == OpKind::Register {
                let register = i.op_register(n as u32);
                if bits == 8 && !memory {
                    return None;
                }
                register.number() as u8
            } else {
                0
            };
            let file = if memory { File::Cell } else { file };
            if memory {
                lifted_bytes = u8::try_from(i.memory_size().size()).ok().filter(|&n| n != 0 && n <= 32)?;
                store = writes;
            }
            let field = Field { file, n: number, bits, reads, writes };
            match slot {
                Slot::Reg => native.reg = field,
                Slot::Third => native.third = field,
                Slot::Rm => native.rm = field,
                Slot::Fourth => {
                    native.fourth = number;
                    native.fourth_long = file == File::Ymm;
                }
                Slot::Imm => native.imm = Some(op.imm as u8),
                Slot::None => return None,
            }
        }
        if native.fourth != NONE {
            native.imm = Some(native.fourth << 4);
        }
        if form.implied_xmm0 {
            native.fourth = 0;
        }
        Some(Lifted { native, bytes: lifted_bytes, aligned: form.aligned && lifted_bytes >= 16, store })
    }

    fn examine(&mut self, i: &Instruction) -> Option<Form> {
        use CpuidFeature as F;
        let wanted = |f: &CpuidFeature| {
            matches!(
                f,
                F::SSE
                    | F::SSE2
                    | F::SSE3
                    | F::SSSE3
                    | F::SSE4_1
                    | F::SSE4_2
                    | F::AVX
                    | F::AVX2
                    | F::FMA
                    | F::F16C
                    | F::AES
                    | F::PCLMULQDQ
                    | F::SHA
                    | F::GFNI
                    | F::VAES
                    | F::VPCLMULQDQ
                    | F::BMI1
                    | F::BMI2
                    | F::LZCNT
                    | F::POPCNT
                    | F::ADX
                    | F::MOVBE
            )
        };
        let features = i.cpuid_features();
        let scan = matches!(i.mnemonic(), Mnemonic::Bsf | Mnemonic::Bsr);
        let executes = self.translates.is_none_or(|translates| translates(i.code()))
            && (scan || features.iter().all(|f| wanted(f) && (self.supports)(*f)));
        let excluded = match i.mnemonic() {
            // It clears what a host of another architecture keeps in memory.
            Mnemonic::Vzeroupper => self.translates.is_none(),
            mnemonic => excluded(mnemonic),
        };
        if !executes || excluded {
            return None;
        }
        let mut operands = [(Slot::None, File::None, 0); 5];
        let info = i.code().op_code();
        for (n, operand) in operands.iter_mut().enumerate().take(i.op_count() as usize) {
            *operand = place(info.op_kind(n as u32))?;
        }
        let info = self.factory.info(i);
        let access = info.op_access(0);
        let vex = i.encoding() == iced_x86::EncodingKind::VEX;
        let vector = matches!(operands[0].1, File::Xmm | File::Ymm);
        let writes = !matches!(access, OpAccess::Read | OpAccess::CondRead | OpAccess::None);
        let whole = vex || !vector || replaces(i);
        let status = |bits: u32| {
            let mut set = 0;
            for (bit, flag) in [
                (RflagsBits::CF, flags::C),
                (RflagsBits::PF, flags::P),
                (RflagsBits::AF, flags::A),
                (RflagsBits::ZF, flags::Z),
                (RflagsBits::SF, flags::S),
                (RflagsBits::OF, flags::O),
            ] {
                if bits & bit != 0 {
                    set |= flag;
                }
            }
            set
        };
        let read = !writes
            || !whole
            || matches!(access, OpAccess::ReadWrite | OpAccess::ReadCondWrite | OpAccess::CondWrite);
        let mut written = status(i.rflags_modified());
        match i.mnemonic() {
            Mnemonic::Lzcnt | Mnemonic::Tzcnt => written = flags::ALL & !flags::O,
            Mnemonic::Adcx => written = flags::C,
            Mnemonic::Adox => written = flags::O,
            _ if written != 0 => written = flags::ALL,
            _ => {}
        }
        Some(Form {
            operands,
            reads: status(i.rflags_read()),
            writes: written,
            float: is_float(i),
            aligned: is_aligned(i, vex),
            first_reads: read,
            first_writes: writes,
            implied_xmm0: !vex
                && matches!(
                    i.mnemonic(),
                    Mnemonic::Blendvps | Mnemonic::Blendvpd | Mnemonic::Pblendvb | Mnemonic::Sha256rnds2
                ),
        })
    }
}

/// The field that an operand of this kind is in.
fn place(kind: Kind) -> Option<(Slot, File, u8)> {
    Some(match kind {
        Kind::mem => (Slot::Rm, File::Cell, 0),
        Kind::r8_or_mem => (Slot::Rm, File::General, 8),
        Kind::r16_or_mem | Kind::r16_rm => (Slot::Rm, File::General, 16),
        Kind::r32_or_mem | Kind::r32_rm => (Slot::Rm, File::General, 32),
        Kind::r64_or_mem | Kind::r64_rm => (Slot::Rm, File::General, 64),
        Kind::r16_reg => (Slot::Reg, File::General, 16),
        Kind::r32_reg => (Slot::Reg, File::General, 32),
        Kind::r64_reg => (Slot::Reg, File::General, 64),
        Kind::r32_vvvv => (Slot::Third, File::General, 32),
        Kind::r64_vvvv => (Slot::Third, File::General, 64),
        Kind::xmm_or_mem | Kind::xmm_rm => (Slot::Rm, File::Xmm, 0),
        Kind::ymm_or_mem | Kind::ymm_rm => (Slot::Rm, File::Ymm, 0),
        Kind::xmm_reg => (Slot::Reg, File::Xmm, 0),
        Kind::ymm_reg => (Slot::Reg, File::Ymm, 0),
        Kind::xmm_vvvv => (Slot::Third, File::Xmm, 0),
        Kind::ymm_vvvv => (Slot::Third, File::Ymm, 0),
        Kind::xmm_is4 => (Slot::Fourth, File::Xmm, 0),
        Kind::ymm_is4 => (Slot::Fourth, File::Ymm, 0),
        Kind::imm8 => (Slot::Imm, File::None, 0),
        _ => return None,
    })
}

/// Reads prefixes, opcode and the part of ModRM that belongs to it.
fn encoding(bytes: &[u8], code: Code) -> Option<Native> {
    let mut native = Native {
        code,
        prefix: 0,
        map: 1,
        opcode: 0,
        wide: false,
        vex: false,
        long: false,
        reg: Field::default(),
        third: Field::default(),
        rm: Field::default(),
        extension: 0,
        fourth: NONE,
        fourth_long: false,
        imm: None,
        reads: 0,
        writes: 0,
        float: false,
    };
    let mut at = 0;
    loop {
        match *bytes.get(at)? {
            0x66 if native.prefix == 0 => native.prefix = 0x66,
            0x66 => {}
            byte @ (0xF2 | 0xF3) => native.prefix = byte,
            0x26 | 0x2E | 0x36 | 0x3E | 0x64 | 0x65 | 0x67 => {}
            _ => break,
        }
        at += 1;
    }
    let pp = |byte: u8| [0, 0x66, 0xF3, 0xF2][(byte & 3) as usize];
    let operand_size = bytes[..at].contains(&0x66) && matches!(native.prefix, 0xF2 | 0xF3);
    match *bytes.get(at)? {
        0xC5 => {
            let b = *bytes.get(at + 1)?;
            (native.vex, native.long, native.prefix) = (true, b & 4 != 0, pp(b));
            at += 2;
        }
        0xC4 => {
            let (a, b) = (*bytes.get(at + 1)?, *bytes.get(at + 2)?);
            (native.vex, native.long, native.prefix) = (true, b & 4 != 0, pp(b));
            (native.map, native.wide) = (a & 31, b & 0x80 != 0);
            at += 3;
        }
        first => {
            if first & 0xF0 == 0x40 {
                native.wide = first & 8 != 0;
                at += 1;
            }
            if *bytes.get(at)? != 0x0F {
                return None;
            }
            at += 1;
            match *bytes.get(at)? {
                0x38 => {
                    native.map = 2;
                    at += 1;
                }
                0x3A => {
                    native.map = 3;
                    at += 1;
                }
                _ => {}
            }
            // F3 66 0F B8: a 16-bit operand and a mandatory prefix at once.
            if operand_size && !native.wide {
                return None;
            }
        }
    }
    native.opcode = *bytes.get(at)?;
    native.extension = *bytes.get(at + 1).unwrap_or(&0) >> 3 & 7;
    Some(native)
}

/// XOR and kin of a register with itself: what it held does not matter.
fn clears(i: &Instruction) -> bool {
    use Mnemonic::*;
    let same = match i.op_count() {
        2 => i.op0_kind() == i.op1_kind() && i.op0_register() == i.op1_register(),
        3 => i.op1_kind() == i.op2_kind() && i.op1_register() == i.op2_register(),
        _ => false,
    };
    same && i.op0_kind() == OpKind::Register
        && matches!(
            i.mnemonic(),
            Pxor | Xorps | Xorpd | Vpxor | Vxorps | Vxorpd | Psubb | Psubw | Psubd | Psubq
        )
}

/// What memory they touch, or which registers, the encoding does not tell; or
/// they are the processor maker's own affair.
fn excluded(mnemonic: Mnemonic) -> bool {
    use Mnemonic::*;
    matches!(
        mnemonic,
        Maskmovdqu
            | Vmaskmovdqu
            | Maskmovq
            | Pcmpestri
            | Pcmpestrm
            | Pcmpestri64
            | Pcmpestrm64
            | Vpcmpestri64
            | Vpcmpestrm64
            | Mulx
            | Pcmpistri
            | Pcmpistrm
            | Vpcmpestri
            | Vpcmpestrm
            | Vpcmpistri
            | Vpcmpistrm
            | Rcpps
            | Rcpss
            | Rsqrtps
            | Rsqrtss
            | Vrcpps
            | Vrcpss
            | Vrsqrtps
            | Vrsqrtss
            | Vmaskmovps
            | Vmaskmovpd
            | Vpmaskmovd
            | Vpmaskmovq
            | Ldmxcsr
            | Stmxcsr
            | Vldmxcsr
            | Vstmxcsr
            | Vzeroall
            | Vzeroupper
            | Prefetchnta
            | Prefetcht0
            | Prefetcht1
            | Prefetcht2
            | Clflush
            | Lfence
            | Mfence
            | Sfence
            | Pause
            | Movnti
    )
}

/// Legacy SSE instructions that replace all 128 bits of their destination.
fn replaces(i: &Instruction) -> bool {
    use Mnemonic::*;
    let from_memory = i.op1_kind() == OpKind::Memory;
    match i.mnemonic() {
        Movss | Movsd => from_memory,
        Movaps | Movapd | Movups | Movupd | Movdqa | Movdqu | Lddqu | Movd | Movq | Movddup | Movshdup
        | Movsldup | Pshufd | Pshuflw | Pshufhw | Pabsb | Pabsw | Pabsd | Pmovsxbw | Pmovsxbd | Pmovsxbq
        | Pmovsxwd | Pmovsxwq | Pmovsxdq | Pmovzxbw | Pmovzxbd | Pmovzxbq | Pmovzxwd | Pmovzxwq
        | Pmovzxdq | Cvtdq2ps | Cvtps2dq | Cvttps2dq | Cvtdq2pd | Cvtps2pd | Cvtpd2ps | Cvtpd2dq
        | Cvttpd2dq | Sqrtps | Sqrtpd | Roundps | Roundpd | Phminposuw | Aesimc | Aeskeygenassist
        | Movntdqa => true,
        _ => false,
    }
}

fn is_aligned(i: &Instruction, vex: bool) -> bool {
    use Mnemonic::*;
    if vex {
        return matches!(
            i.mnemonic(),
            Vmovaps | Vmovapd | Vmovdqa | Vmovntps | Vmovntpd | Vmovntdq | Vmovntdqa
        );
    }
    !matches!(
        i.mnemonic(),
        Movups
            | Movupd
            | Movdqu
            | Lddqu
            | Sha1msg1
            | Sha1msg2
            | Sha1nexte
            | Sha1rnds4
            | Sha256msg1
            | Sha256msg2
            | Sha256rnds2
    )
}

/// Whether MXCSR plays a part. Wrong on the side of saying yes costs time only.
fn is_float(i: &Instruction) -> bool {
    use Mnemonic::*;
    let integer = |name: &str| {
        let name = name.strip_prefix('V').unwrap_or(name);
        ["P", "Mov", "And", "Or", "Xor", "Unpck", "Shuf", "Blend", "Insert", "Extract", "Broadcast"]
            .iter()
            .chain(&["Perm", "Aes", "Sha", "Lddqu", "Gf2", "Test", "Zero"])
            .any(|prefix| name.starts_with(prefix))
    };
    let general = matches!(
        i.mnemonic(),
        Andn | Bextr
            | Blsi
            | Blsmsk
            | Blsr
            | Bzhi
            | Mulx
            | Pdep
            | Pext
            | Rorx
            | Sarx
            | Shlx
            | Shrx
            | Lzcnt
            | Tzcnt
            | Popcnt
            | Crc32
            | Adcx
            | Adox
            | Movbe
            | Bsf
            | Bsr
    );
    !general && !integer(&format!("{:?}", i.mnemonic()))
}
