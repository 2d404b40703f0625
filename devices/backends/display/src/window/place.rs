//! Where the pointer is in a picture that was stretched to a window.

/// The pixel of a picture of `size` under a point of a window, when the picture
/// fills as much of the window as its shape allows and lies in the middle. `None`
/// beside the picture.
pub fn in_picture(at: (f32, f32), window: (usize, usize), size: (usize, usize)) -> Option<(u32, u32)> {
    let (width, height) = (size.0 as f32, size.1 as f32);
    let scale = (window.0 as f32 / width).min(window.1 as f32 / height);
    if !scale.is_finite() || scale <= 0.0 {
        return None;
    }
    let left = (window.0 as f32 - width * scale) / 2.0;
    let top = (window.1 as f32 - height * scale) / 2.0;
    let (x, y) = ((at.0 - left) / scale, (at.1 - top) / scale);
    let inside = (0.0..width).contains(&x) && (0.0..height).contains(&y);
    inside.then_some((x as u32, y as u32))
}

#[cfg(test)]
mod tests {
    use super::in_picture;

    #[test]
    fn points_are_found_in_a_stretched_picture_and_not_beside_it() {
        assert_eq!(in_picture((10.0, 20.0), (640, 480), (640, 480)), Some((10, 20)));
        assert_eq!(in_picture((100.0, 20.0), (1280, 960), (640, 480)), Some((50, 10)));
        // 80 pixels of border at the left and the right.
        assert_eq!(in_picture((80.0, 0.0), (800, 480), (640, 480)), Some((0, 0)));
        assert_eq!(in_picture((79.0, 0.0), (800, 480), (640, 480)), None);
        assert_eq!(in_picture((5.0, 5.0), (0, 0), (640, 480)), None);
        assert_eq!(in_picture((5.0, 5.0), (640, 480), (0, 0)), None);
    }
}
