//! Host I/O as a device sees it.

/// The host's end of a character device: a terminal, a file, a socket, a test.
///
/// Neither call waits: a device is called with the bus borrowed.
pub trait CharBackend: Send {
    /// Takes over all of `bytes`; what the host cannot take at once it keeps or drops itself.
    fn write(&mut self, bytes: &[u8]);

    /// Fills `buffer` with what came from the host; returns how many bytes, 0 when there are none now.
    fn read(&mut self, buffer: &mut [u8]) -> usize {
        let _ = buffer;
        0
    }

    /// Whether somebody is at the other end (carrier).
    fn is_connected(&self) -> bool {
        true
    }
}
