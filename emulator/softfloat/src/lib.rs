//! IEEE 754 arithmetic with the flags and rounding of x87 and SSE, in integers.
//!
//! Numbers are raw bits: [`F32`], [`F64`], [`F80`], [`F16`]. An operation decodes
//! its operands, computes the exact value (or enough of it, with a sticky
//! bit), and rounds it once; [`Env`] says how and collects the exceptions.
//!
//! ```
//! use glassbox_softfloat::{Env, F64, SseFloat, flag};
//! let mut env = Env::from_mxcsr(0x1f80);
//! let third = F64(1.0f64.to_bits()).div(F64(3.0f64.to_bits()), &mut env);
//! assert_eq!(f64::from_bits(third.0), 1.0 / 3.0);
//! assert_eq!(env.raised(), flag::PRECISION);
//! ```

mod arith;
mod env;
mod number;
mod round;
pub mod sse;
pub mod x87;

pub use env::{Env, Precision, Rounding, flag};
pub use number::{Class, Unpacked};
pub use round::Format;
pub use sse::{F16, F32, F64, Relation, SseFloat};
pub use x87::{Constant, F80};
