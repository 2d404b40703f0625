//! The screen for VNC clients: a server of the RFB protocol 3.8 (RFC 6143).
//!
//! Each client is sent what differs from what it has, when it asks. Nobody waits
//! for a client.
//!
//! | module | what |
//! | --- | --- |
//! | `server` | listens, and a thread for each client |
//! | `client` | one client: its wishes, its picture, its answers |
//! | `handshake` | versions, passwords, the first exchange |
//! | `message` | what a client says |
//! | `pixel` | the pixel formats that clients ask for |
//! | `encoding` | rectangles as raw pixels and as ZRLE |
//! | `keysym` | X11's names of keys |

mod client;
mod encoding;
mod handshake;
mod keysym;
mod message;
mod pixel;
mod server;

pub use server::{VncError, VncServer};
