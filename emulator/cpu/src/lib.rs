//! The logical processor: state, decoding, MMU, exceptions and the interpreter.
