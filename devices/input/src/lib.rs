//! Keys by physical position: their scan codes, the layouts by which text is
//! typed, and the language of key scripts.
//!
//! | module | what |
//! | --- | --- |
//! | `key` | [`Key`], with codes in the three scan code sets |
//! | `encode` | the bytes that a keyboard sends |
//! | `event` | keys and pointer as events |
//! | `layout` | which keys type a character |
//! | `script` | `--keys`: wait for text, then type |

mod encode;
mod event;
mod key;
mod layout;
mod script;

pub use encode::{Held, ScanSet, encode};
pub use event::{Buttons, InputEvent, place};
pub use key::Key;
pub use layout::{Layout, PLACES, Stroke};
pub use script::{KeyScript, ScriptError, Step, keys};
