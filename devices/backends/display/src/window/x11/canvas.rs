//! The picture on the server: drawn into a pixmap of the window's size and copied from
//! there at once, so that nobody sees half of an update.

use std::ops::Range;

use x11rb::connection::{Connection, RequestConnection};
use x11rb::errors::ReplyOrIdError;
use x11rb::protocol::xproto::{
    ConnectionExt, CreateGCAux, Gcontext, ImageFormat, ImageOrder, Pixmap, Rectangle, VisualClass, Window,
};
use x11rb::rust_connection::RustConnection;

use super::super::Scaling;
use super::super::scale::{Placement, Scaler};
use crate::Picture;
use crate::screen::{put_bytes, whole};

/// How the server wants its pixels; `None` where these are not 32 bits of true colour.
fn byte_order(connection: &RustConnection, screen: usize) -> Option<fn(u32) -> [u8; 4]> {
    let setup = connection.setup();
    let root = setup.roots.get(screen)?;
    let format = setup.pixmap_formats.iter().find(|format| format.depth == root.root_depth)?;
    let visuals = root.allowed_depths.iter().flat_map(|depth| &depth.visuals);
    let visual = visuals.into_iter().find(|visual| visual.visual_id == root.root_visual)?;
    let masks = [visual.red_mask, visual.green_mask, visual.blue_mask];
    let fits = format.bits_per_pixel == 32
        && visual.class == VisualClass::TRUE_COLOR
        && masks == [0xff_0000, 0xff00, 0xff];
    let order: fn(u32) -> [u8; 4] =
        if setup.image_byte_order == ImageOrder::LSB_FIRST { u32::to_le_bytes } else { u32::to_be_bytes };
    fits.then_some(order)
}

pub struct Canvas {
    window: Window,
    depth: u8,
    gc: Gcontext,
    pixmap: Pixmap,
    order: fn(u32) -> [u8; 4],
    /// The window's size.
    size: (u16, u16),
    placement: Placement,
    scaler: Scaler,
    pixels: Vec<u32>,
    bytes: Vec<u8>,
}

impl Canvas {
    /// What is drawn into a window; `None` where its pixels are not understood.
    pub fn new(
        connection: &RustConnection,
        screen: usize,
        window: Window,
        size: (u16, u16),
    ) -> Result<Option<Self>, ReplyOrIdError> {
        let Some(order) = byte_order(connection, screen) else { return Ok(None) };
        let depth = connection.setup().roots[screen].root_depth;
        let gc = connection.generate_id()?;
        connection.create_gc(gc, window, &CreateGCAux::new().foreground(0).graphics_exposures(0))?;
        let pixmap = connection.generate_id()?;
        let mut canvas = Self {
            window,
            depth,
            gc,
            pixmap,
            order,
            size,
            placement: Placement::default(),
            scaler: Scaler::default(),
            pixels: Vec::new(),
            bytes: Vec::new(),
        };
        canvas.create(connection)?;
        Ok(Some(canvas))
    }

    fn create(&mut self, connection: &RustConnection) -> Result<(), ReplyOrIdError> {
        let (width, height) = (self.size.0.max(1), self.size.1.max(1));
        connection.create_pixmap(self.depth, self.pixmap, self.window, width, height)?;
        self.clear(connection)
    }

    fn clear(&mut self, connection: &RustConnection) -> Result<(), ReplyOrIdError> {
        let all = Rectangle { x: 0, y: 0, width: self.size.0, height: self.size.1 };
        connection.poly_fill_rectangle(self.pixmap, self.gc, &[all])?;
        Ok(())
    }

    pub fn size(&self) -> (u16, u16) {
        self.size
    }

    pub fn placement(&self) -> &Placement {
        &self.placement
    }

    /// The window has another size; everything is to be drawn again.
    pub fn resize(&mut self, connection: &RustConnection, size: (u16, u16)) -> Result<(), ReplyOrIdError> {
        self.size = size;
        connection.free_pixmap(self.pixmap)?;
        self.create(connection)
    }

    /// Draws rows of the picture, all of them where it has moved in the window.
    pub fn draw(
        &mut self,
        connection: &RustConnection,
        picture: &Picture,
        scaling: Scaling,
        mut rows: Vec<Range<usize>>,
    ) -> Result<(), ReplyOrIdError> {
        let window = (usize::from(self.size.0), usize::from(self.size.1));
        let placement = Placement::new(scaling, window, picture.size());
        let moved = placement != self.placement;
        if moved {
            self.placement = placement;
            self.clear(connection)?;
            rows = whole(picture);
        }
        self.scaler.set(picture.size(), (placement.width, placement.height));
        if placement != Placement::default() {
            for rows in &mut rows {
                *rows = self.scaler.affected(rows);
                self.put(connection, picture, rows.clone())?;
            }
        }
        let top = rows.iter().map(|rows| rows.start).min().unwrap_or(0) + placement.top;
        let bottom = rows.iter().map(|rows| rows.end).max().unwrap_or(0) + placement.top;
        let (top, bottom) = if moved { (0, window.1) } else { (top, bottom) };
        self.show(connection, 0, top as u16, self.size.0, bottom.saturating_sub(top) as u16)
    }

    /// Puts rows of the result into the pixmap, as many at once as a request holds.
    fn put(
        &mut self,
        connection: &RustConnection,
        picture: &Picture,
        rows: Range<usize>,
    ) -> Result<(), ReplyOrIdError> {
        let Placement { left, top, width, .. } = self.placement;
        let most = ((connection.maximum_request_bytes() - 64) / (width * 4)).max(1);
        for start in rows.clone().step_by(most) {
            let band = start..rows.end.min(start + most);
            self.pixels.clear();
            self.scaler.rows(picture, band.clone(), &mut self.pixels);
            self.bytes.clear();
            put_bytes(&self.pixels, self.order, &mut self.bytes);
            connection.put_image(
                ImageFormat::Z_PIXMAP,
                self.pixmap,
                self.gc,
                width as u16,
                band.len() as u16,
                left as i16,
                (top + band.start) as i16,
                0,
                self.depth,
                &self.bytes,
            )?;
        }
        Ok(())
    }

    /// Copies a part to the window.
    pub fn show(
        &self,
        connection: &RustConnection,
        x: u16,
        y: u16,
        width: u16,
        height: u16,
    ) -> Result<(), ReplyOrIdError> {
        let at = (x as i16, y as i16);
        connection.copy_area(self.pixmap, self.window, self.gc, at.0, at.1, at.0, at.1, width, height)?;
        connection.flush()?;
        Ok(())
    }
}
