//! The BIOS data area (segment 40h) and the extended one: offsets of what
//! several services share. IBM PS/2 and PC BIOS Interface Technical Reference,
//! section 3.

#![allow(missing_docs)]

/// I/O ports of COM1 to COM4, words.
pub const COM_PORTS: u16 = 0x00;
/// I/O ports of LPT1 to LPT3, words.
pub const LPT_PORTS: u16 = 0x08;
/// Segment of the extended BIOS data area.
pub const EBDA_POINTER: u16 = 0x0E;
pub const EQUIPMENT: u16 = 0x10;
/// KiB below the EBDA.
pub const BASE_MEMORY: u16 = 0x13;
pub const SHIFT_FLAGS: u16 = 0x17;
pub const SHIFT_FLAGS_2: u16 = 0x18;
/// What Alt and the keypad have composed so far.
pub const ALT_NUMBER: u16 = 0x19;
pub const KEY_HEAD: u16 = 0x1A;
pub const KEY_TAIL: u16 = 0x1C;
pub const KEY_BUFFER: u16 = 0x1E;
/// Which floppy drives are calibrated; bit 7: the controller's interrupt came.
pub const FLOPPY_CALIBRATED: u16 = 0x3E;
pub const FLOPPY_MOTORS: u16 = 0x3F;
/// Ticks until motors are switched off.
pub const FLOPPY_MOTOR_COUNT: u16 = 0x40;
pub const FLOPPY_STATUS: u16 = 0x41;
pub const LAST_UNUSED_IRQ: u16 = 0x6B;
pub const TICKS: u16 = 0x6C;
/// A midnight passed since the time was read last.
pub const MIDNIGHT: u16 = 0x70;
/// Bit 7: Ctrl-Break was pressed.
pub const BREAK: u16 = 0x71;
/// 1234h: restart without a memory test.
pub const RESET_FLAG: u16 = 0x72;
pub const DISK_STATUS: u16 = 0x74;
pub const DISK_COUNT: u16 = 0x75;
pub const LPT_TIMEOUTS: u16 = 0x78;
pub const COM_TIMEOUTS: u16 = 0x7C;
pub const KEY_BUFFER_START: u16 = 0x80;
pub const KEY_BUFFER_END: u16 = 0x82;
/// FFh: the disk controller's interrupt came.
pub const DISK_INTERRUPT: u16 = 0x8E;
pub const FLOPPY_CONTROLLER: u16 = 0x8F;
/// State of the medium in floppy drives 0 and 1.
pub const FLOPPY_MEDIA: u16 = 0x90;
pub const KEYBOARD_STATE: u16 = 0x96;
pub const KEYBOARD_LEDS: u16 = 0x97;
/// Far pointer to the flag that a wait sets.
pub const WAIT_FLAG: u16 = 0x98;
/// Microseconds that are left to wait.
pub const WAIT_COUNT: u16 = 0x9C;
/// Bit 0: a wait is under way; bit 7: it is over.
pub const WAIT_ACTIVE: u16 = 0xA0;
/// 1: Print Screen is busy, FFh: it failed.
pub const PRINT_SCREEN: u16 = 0x100;

/// Segment of the extended BIOS data area.
pub const EBDA_SEGMENT: u16 = 0x9FC0;
/// Its linear address.
pub const EBDA: u32 = 0x9_FC00;
/// Bytes in it.
pub const EBDA_SIZE: usize = 1024;
/// Mouse: far pointer to the handler.
pub const MOUSE_HANDLER: u32 = EBDA + 0x22;
/// Mouse: flags; bits 0 to 2 count the bytes of a packet.
pub const MOUSE_FLAGS_1: u32 = EBDA + 0x26;
/// Mouse: flags; bits 0 to 2 are the size of a packet less 1, bit 7: there is a handler.
pub const MOUSE_FLAGS_2: u32 = EBDA + 0x27;
/// Mouse: the bytes of a packet so far.
pub const MOUSE_DATA: u32 = EBDA + 0x28;
/// Parameter tables of the first two disks.
pub const DISK_TABLES: u32 = EBDA + 0x3D;
