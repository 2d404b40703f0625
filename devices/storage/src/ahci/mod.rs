//! Serial ATA host bus adapter of the Intel ICH9 (AHCI 1.3.1).
