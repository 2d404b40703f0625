//! The window as the server and its window manager know it (ICCCM; EWMH 1.5).

use x11rb::connection::Connection;
use x11rb::errors::ReplyOrIdError;
use x11rb::properties::{WmHints, WmSizeHints};
use x11rb::protocol::xproto::{
    AtomEnum, ClientMessageEvent, ConfigureWindowAux, ConnectionExt, CreateWindowAux, Cursor, EventMask,
    GrabMode, GrabStatus, PropMode, Window, WindowClass,
};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;
use x11rb::{COPY_FROM_PARENT, CURRENT_TIME, NONE};

use super::super::WindowOptions;

x11rb::atom_manager! {
    Atoms: AtomsCookie {
        UTF8_STRING,
        WM_DELETE_WINDOW,
        WM_PROTOCOLS,
        _NET_SUPPORTING_WM_CHECK,
        _NET_WM_NAME,
        _NET_WM_STATE,
        _NET_WM_STATE_FULLSCREEN,
    }
}

/// Of `_NET_WM_STATE`: takes a property away, and adds it.
const REMOVE: u32 = 0;
const ADD: u32 = 1;
/// Where a request comes from: an application.
const APPLICATION: u32 = 1;

const SMALLEST: (i32, i32) = (160, 100);

pub struct Desktop {
    pub window: Window,
    /// The size that the window was opened with.
    pub size: (u16, u16),
    /// The screen's size.
    pub screen: (u16, u16),
    pub full_screen: bool,
    root: Window,
    atoms: Atoms,
    /// Place and size before full screen, where no window manager remembers them.
    before: Option<ConfigureWindowAux>,
    /// A cursor that is not seen.
    nothing: Cursor,
}

impl Desktop {
    /// Opens a window of that size, or as large as the screen.
    pub fn open(
        connection: &RustConnection,
        number: usize,
        (width, height): (usize, usize),
        options: &WindowOptions,
    ) -> Result<Self, ReplyOrIdError> {
        let root = &connection.setup().roots[number];
        let screen = (root.width_in_pixels, root.height_in_pixels);
        let at_most = |length: usize, most: u16| u16::try_from(length).unwrap_or(most).clamp(1, most.max(1));
        let size = (at_most(width, screen.0), at_most(height, screen.1));
        let atoms = Atoms::new(connection)?.reply()?;
        let window = connection.generate_id()?;
        let events = EventMask::KEY_PRESS
            | EventMask::KEY_RELEASE
            | EventMask::BUTTON_PRESS
            | EventMask::BUTTON_RELEASE
            | EventMask::POINTER_MOTION
            | EventMask::LEAVE_WINDOW
            | EventMask::STRUCTURE_NOTIFY
            | EventMask::EXPOSURE
            | EventMask::FOCUS_CHANGE;
        let class = WindowClass::INPUT_OUTPUT;
        // No background: nothing flickers before the picture is drawn.
        let aux = CreateWindowAux::new().event_mask(events);
        let (x, y) = ((screen.0 - size.0) / 2, (screen.1 - size.1) / 2);
        connection.create_window(
            COPY_FROM_PARENT as u8,
            window,
            root.root,
            x as i16,
            y as i16,
            size.0,
            size.1,
            0,
            class,
            COPY_FROM_PARENT,
            &aux,
        )?;
        WmHints { input: Some(true), ..WmHints::new() }.set(connection, window)?;
        WmSizeHints { min_size: Some(SMALLEST), ..WmSizeHints::new() }
            .set_normal_hints(connection, window)?;
        let replace = PropMode::REPLACE;
        let class = b"glassbox\0Glassbox\0";
        connection.change_property8(replace, window, AtomEnum::WM_CLASS, AtomEnum::STRING, class)?;
        let close = [atoms.WM_DELETE_WINDOW];
        connection.change_property32(replace, window, atoms.WM_PROTOCOLS, AtomEnum::ATOM, &close)?;
        let nothing = connection.generate_id()?;
        let empty = connection.generate_id()?;
        connection.create_pixmap(1, empty, window, 1, 1)?;
        connection.create_cursor(nothing, empty, empty, 0, 0, 0, 0, 0, 0, 0, 0)?;
        connection.free_pixmap(empty)?;
        let root = root.root;
        let mut desktop =
            Self { window, size, screen, full_screen: false, root, atoms, before: None, nothing };
        desktop.set_title(connection, "Glassbox")?;
        if options.full_screen {
            // A window manager looks at this when the window appears.
            let (name, state) = (atoms._NET_WM_STATE, [atoms._NET_WM_STATE_FULLSCREEN]);
            connection.change_property32(replace, window, name, AtomEnum::ATOM, &state)?;
        }
        connection.map_window(window)?;
        desktop.full_screen = options.full_screen;
        if options.full_screen && !desktop.is_managed(connection)? {
            desktop.cover(connection)?;
        }
        connection.flush()?;
        Ok(desktop)
    }

    /// Whether there is a window manager that knows of EWMH.
    fn is_managed(&self, connection: &RustConnection) -> Result<bool, ReplyOrIdError> {
        let check = self.atoms._NET_SUPPORTING_WM_CHECK;
        let manager = connection.get_property(false, self.root, check, AtomEnum::WINDOW, 0, 1)?.reply()?;
        Ok(manager.value_len != 0)
    }

    /// Covers the screen without a window manager's help.
    fn cover(&mut self, connection: &RustConnection) -> Result<(), ReplyOrIdError> {
        let now = connection.get_geometry(self.window)?.reply()?;
        let place = ConfigureWindowAux::new().x(i32::from(now.x)).y(i32::from(now.y));
        self.before = Some(place.width(u32::from(now.width)).height(u32::from(now.height)));
        let all = ConfigureWindowAux::new().x(0).y(0);
        let all = all.width(u32::from(self.screen.0)).height(u32::from(self.screen.1));
        connection.configure_window(self.window, &all)?;
        Ok(())
    }

    pub fn set_title(&self, connection: &RustConnection, title: &str) -> Result<(), ReplyOrIdError> {
        let (name, utf8) = (self.atoms._NET_WM_NAME, self.atoms.UTF8_STRING);
        let title = title.as_bytes();
        connection.change_property8(PropMode::REPLACE, self.window, name, utf8, title)?;
        let (name, latin) = (AtomEnum::WM_NAME, AtomEnum::STRING);
        connection.change_property8(PropMode::REPLACE, self.window, name, latin, title)?;
        connection.flush()?;
        Ok(())
    }

    /// Whether the window manager was told to close the window.
    pub fn is_close(&self, message: &ClientMessageEvent) -> bool {
        message.type_ == self.atoms.WM_PROTOCOLS
            && message.format == 32
            && message.data.as_data32()[0] == self.atoms.WM_DELETE_WINDOW
    }

    pub fn resize(&self, connection: &RustConnection, size: (u16, u16)) -> Result<(), ReplyOrIdError> {
        let size = ConfigureWindowAux::new().width(u32::from(size.0)).height(u32::from(size.1));
        connection.configure_window(self.window, &size)?;
        Ok(())
    }

    /// Covers the screen with the window, or no longer.
    pub fn toggle_full_screen(&mut self, connection: &RustConnection) -> Result<(), ReplyOrIdError> {
        self.full_screen = !self.full_screen;
        if self.is_managed(connection)? {
            let state = if self.full_screen { ADD } else { REMOVE };
            let data = [state, self.atoms._NET_WM_STATE_FULLSCREEN, 0, APPLICATION, 0];
            let message = ClientMessageEvent::new(32, self.window, self.atoms._NET_WM_STATE, data);
            let to = EventMask::SUBSTRUCTURE_REDIRECT | EventMask::SUBSTRUCTURE_NOTIFY;
            connection.send_event(false, self.root, to, message)?;
        } else if self.full_screen {
            self.cover(connection)?;
        } else if let Some(before) = self.before.take() {
            connection.configure_window(self.window, &before)?;
        }
        connection.flush()?;
        Ok(())
    }

    /// Takes mouse and keyboard for this window alone. False where somebody else has
    /// them.
    pub fn grab(&self, connection: &RustConnection) -> Result<bool, ReplyOrIdError> {
        let events = EventMask::BUTTON_PRESS | EventMask::BUTTON_RELEASE | EventMask::POINTER_MOTION;
        let (window, mode) = (self.window, GrabMode::ASYNC);
        let pointer =
            connection.grab_pointer(true, window, events, mode, mode, window, self.nothing, CURRENT_TIME)?;
        let keyboard = connection.grab_keyboard(true, window, CURRENT_TIME, mode, mode)?;
        let taken = [pointer.reply()?.status, keyboard.reply()?.status] == [GrabStatus::SUCCESS; 2];
        if !taken {
            log::warn!("window: another program has the mouse or the keyboard");
            self.release_grab(connection)?;
        }
        Ok(taken)
    }

    pub fn release_grab(&self, connection: &RustConnection) -> Result<(), ReplyOrIdError> {
        connection.ungrab_pointer(CURRENT_TIME)?;
        connection.ungrab_keyboard(CURRENT_TIME)?;
        connection.flush()?;
        Ok(())
    }

    /// Puts the pointer to a place of the window.
    pub fn warp(&self, connection: &RustConnection, (x, y): (i16, i16)) -> Result<(), ReplyOrIdError> {
        connection.warp_pointer(NONE, self.window, 0, 0, 0, 0, x, y)?;
        connection.flush()?;
        Ok(())
    }
}
