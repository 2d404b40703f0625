//! The PC: board, bus, virtual time and run loop.
