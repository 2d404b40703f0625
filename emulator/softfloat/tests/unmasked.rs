//! Flags of SSE operations with unmasked exceptions, as an AMD Zen 5 leaves
//! them in MXCSR when it delivers `#XM`.

use glassbox_softfloat::{Env, F32, SseFloat, flag};

const DEFAULT: u32 = 0x1f80;
const UNDERFLOW_UNMASKED: u32 = DEFAULT & !0x800;
const OVERFLOW_UNMASKED: u32 = DEFAULT & !0x400;
const DENORMAL_UNMASKED: u32 = DEFAULT & !0x100;

fn product(a: f32, b: f32, mxcsr: u32) -> Env {
    let mut env = Env::from_mxcsr(mxcsr);
    F32(a.to_bits()).mul(F32(b.to_bits()), &mut env);
    env
}

/// `significand * 2^exponent`.
fn number(significand: f32, exponent: i32) -> f32 {
    significand * 2f32.powi(exponent)
}

#[test]
fn exact_tiny_result_raises_underflow_when_unmasked() {
    let env = product(number(1.0, -100), number(1.0, -30), UNDERFLOW_UNMASKED);
    assert_eq!(env.unmasked(), flag::UNDERFLOW);
    assert_eq!(env.raised(), flag::UNDERFLOW);
    assert_eq!(product(number(1.0, -100), number(1.0, -30), DEFAULT).raised(), 0);
}

#[test]
fn precision_beside_unmasked_underflow_is_that_of_an_unbounded_exponent() {
    let odd = f32::from_bits(1.5f32.to_bits() + 1);
    let env = product(number(odd, -100), number(1.0, -47), UNDERFLOW_UNMASKED);
    assert_eq!(env.raised(), flag::UNDERFLOW);
    let env = product(number(odd, -100), number(odd, -47), UNDERFLOW_UNMASKED);
    assert_eq!(env.raised(), flag::UNDERFLOW | flag::PRECISION);
}

#[test]
fn exact_unmasked_overflow_is_not_inexact() {
    let env = product(number(1.0, 100), number(1.0, 30), OVERFLOW_UNMASKED);
    assert_eq!(env.raised(), flag::OVERFLOW);
    let env = product(number(1.0, 100), number(1.0, 30), DEFAULT);
    assert_eq!(env.raised(), flag::OVERFLOW | flag::PRECISION);
}

#[test]
fn unmasked_denormal_operand_hides_post_computation_flags_of_all_elements() {
    let mut env = Env::from_mxcsr(DENORMAL_UNMASKED);
    for (a, b) in [(1.1, 1.1), (f32::from_bits(1), 1.0)] {
        F32(f32::to_bits(a)).mul(F32(f32::to_bits(b)), &mut env);
    }
    assert_eq!(env.raised(), flag::DENORMAL);
    assert_eq!(env.unmasked(), flag::DENORMAL);
}
