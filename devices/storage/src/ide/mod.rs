//! IDE function of the Intel 82371SB ("PIIX3") with bus mastering.
