//! The value of `--display`.

use super::VncArgs;
#[cfg(feature = "window")]
use super::window;
#[cfg(feature = "window")]
use glassbox_screen::WindowOptions;

/// The display adapter, and who sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Display {
    /// No adapter.
    None,
    /// A VGA with the Bochs extension that nobody is shown.
    Vga,
    /// For VNC clients.
    Vnc(VncArgs),
    /// In a window of the desktop.
    #[cfg(feature = "window")]
    Window(WindowOptions),
    /// Its text, in the terminal.
    Text,
}

impl Display {
    /// Parses `none`, `vga`, `text`, `window[,fullscreen][,scale=fit|whole|N]`, or `vnc=ADDRESS:PORT[,password-file=F]`.
    ///
    /// # Errors
    /// What there is instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            "vga" => Ok(Self::Vga),
            "text" => Ok(Self::Text),
            _ if text.split(',').next() == Some("window") => Self::window(text),
            _ => match text.strip_prefix("vnc=") {
                Some(rest) => VncArgs::parse(rest).map(Self::Vnc),
                None => Err("give none, vga, text, window[,fullscreen][,scale=fit|whole|N] or \
                             vnc=ADDRESS:PORT[,password-file=F]"
                    .into()),
            },
        }
    }

    #[cfg(feature = "window")]
    fn window(text: &str) -> Result<Self, String> {
        window::parse_options(text).map(Self::Window)
    }

    #[cfg(not(feature = "window"))]
    fn window(_: &str) -> Result<Self, String> {
        Err("this glassbox was built without windows: take vnc=127.0.0.1:5900".into())
    }

    /// Whether people are shown pictures.
    pub fn has_viewers(&self) -> bool {
        match self {
            Self::None | Self::Vga | Self::Text => false,
            Self::Vnc(_) => true,
            #[cfg(feature = "window")]
            Self::Window(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displays_are_parsed() {
        assert_eq!(Display::parse("none"), Ok(Display::None));
        let Ok(Display::Vnc(vnc)) = Display::parse("vnc=127.0.0.1:5901,password-file=p") else { panic!() };
        assert_eq!((vnc.address.port(), vnc.password_file), (5901, Some("p".into())));
        assert!(Display::parse("vnc=5900").is_err());
        assert!(Display::parse("vnc=127.0.0.1:5900,colour=blue").is_err());
        assert!(Display::parse("sdl").is_err());
    }
}
