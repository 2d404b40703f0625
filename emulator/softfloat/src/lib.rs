//! IEEE 754 arithmetic with the flags and rounding of x87 and SSE, in integers.
