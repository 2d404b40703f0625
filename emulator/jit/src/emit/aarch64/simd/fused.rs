//! FMA: a product and a sum, rounded once.

use super::Operands;
use super::float::Format;
use crate::emit::aarch64::Emitter;
use iced_x86::Mnemonic;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fused {
    order: Order,
    minus_product: bool,
    minus_addend: bool,
    format: Format,
}

/// Which operands are multiplied, the third is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    FirstThird,
    SecondFirst,
    SecondThird,
}

impl Fused {
    /// By the instruction's name: VF, N for a product with its sign changed, MADD or MSUB,
    /// the order of the operands, and the format.
    pub fn of(mnemonic: Mnemonic) -> Option<Self> {
        let name = format!("{mnemonic:?}");
        let name = name.strip_prefix("Vf")?;
        let (minus_product, name) = name.strip_prefix('n').map_or((false, name), |rest| (true, rest));
        let (minus_addend, name) = match (name.strip_prefix("madd"), name.strip_prefix("msub")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return None,
        };
        let (order, format) = name.split_at_checked(3)?;
        let order = match order {
            "132" => Order::FirstThird,
            "213" => Order::SecondFirst,
            "231" => Order::SecondThird,
            _ => return None,
        };
        let (packed, double) = match format {
            "ss" => (false, false),
            "sd" => (false, true),
            "ps" => (true, false),
            "pd" => (true, true),
            _ => return None,
        };
        Some(Self { order, minus_product, minus_addend, format: Format { double, packed } })
    }

    /// Both factors and the addend.
    fn choose(self, to: u8, a: u8, b: u8) -> (u8, u8, u8) {
        match self.order {
            Order::FirstThird => (to, b, a),
            Order::SecondFirst => (a, to, b),
            Order::SecondThird => (a, b, to),
        }
    }
}

impl Emitter<'_> {
    /// One of them, on one half or on two.
    pub fn fused(&mut self, kind: Fused, o: &Operands) {
        let format = kind.format;
        let b = self.source(o.b, 1, format.bytes());
        let a = self.xmm(o.a.n);
        let to = self.xmm(o.to.n);
        self.check_field(o.b, b, format);
        self.check_field(o.a, a, format);
        self.check_field(o.to, to, format);
        self.multiply_add(kind, 0, kind.choose(to, a, b));
        if o.long {
            let b = self.high_half(o.b, 5);
            let a = self.high_half(o.a, 4);
            let to = self.high_half(o.to, 1);
            for v in [a, b, to] {
                self.check_operand(v, format);
            }
            self.multiply_add(kind, 6, kind.choose(to, a, b));
            self.put_both(o, 0, 6);
        } else {
            // What is above a number is the first operand's.
            self.put_number(&Operands { a: o.to, ..*o }, format);
        }
        self.set_plain(o.to.n, format);
    }

    fn multiply_add(&mut self, kind: Fused, to: u8, (n, m, addend): (u8, u8, u8)) {
        let format = kind.format;
        // A NaN here would hide that zero times infinity is invalid, on x86 only.
        self.check_exact(addend, format);
        if format.packed {
            let negate = 0x6EA0_F800 | format.precision();
            match kind.minus_addend {
                true => self.vv(negate, to, addend),
                false => self.copy_vector(to, addend),
            }
            let opcode = if kind.minus_product { 0x4EA0_CC00 } else { 0x4E20_CC00 };
            self.vvv(opcode | format.precision(), to, n, m);
        } else {
            let all = u32::from(kind.minus_addend) << 21;
            let product = u32::from(kind.minus_product != kind.minus_addend) << 15;
            let opcode = 0x1F00_0000 | format.precision() | all | product;
            self.vvv(opcode | u32::from(addend) << 10, to, n, m);
        }
        self.check_product(to, format, (n, m));
    }
}
