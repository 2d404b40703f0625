//! CD-ROM drives: packet commands (MMC-3) over ATA (ATA/ATAPI-7).
