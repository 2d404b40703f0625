//! Boot without firmware: bzImage, PVH, multiboot.
