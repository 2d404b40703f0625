//! Bit layouts, MSR numbers, vectors and CPUID leaves of the x86-64 architecture: no logic.
