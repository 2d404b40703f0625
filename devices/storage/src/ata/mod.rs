//! Fixed disks: the ATA command set (ACS-3), shared by both controllers.
