//! Line graphics, shades and blocks, computed so that they join at any height.

/// A line that leaves the middle of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arm {
    None,
    Single,
    Double,
}

/// Each character and its arms up, down, left and right, by their numbers of lines.
const LINES: [(char, [u8; 4]); 40] = [
    ('│', [1, 1, 0, 0]),
    ('┤', [1, 1, 1, 0]),
    ('╡', [1, 1, 2, 0]),
    ('╢', [2, 2, 1, 0]),
    ('╖', [0, 2, 1, 0]),
    ('╕', [0, 1, 2, 0]),
    ('╣', [2, 2, 2, 0]),
    ('║', [2, 2, 0, 0]),
    ('╗', [0, 2, 2, 0]),
    ('╝', [2, 0, 2, 0]),
    ('╜', [2, 0, 1, 0]),
    ('╛', [1, 0, 2, 0]),
    ('┐', [0, 1, 1, 0]),
    ('└', [1, 0, 0, 1]),
    ('┴', [1, 0, 1, 1]),
    ('┬', [0, 1, 1, 1]),
    ('├', [1, 1, 0, 1]),
    ('─', [0, 0, 1, 1]),
    ('┼', [1, 1, 1, 1]),
    ('╞', [1, 1, 0, 2]),
    ('╟', [2, 2, 0, 1]),
    ('╚', [2, 0, 0, 2]),
    ('╔', [0, 2, 0, 2]),
    ('╩', [2, 0, 2, 2]),
    ('╦', [0, 2, 2, 2]),
    ('╠', [2, 2, 0, 2]),
    ('═', [0, 0, 2, 2]),
    ('╬', [2, 2, 2, 2]),
    ('╧', [1, 0, 2, 2]),
    ('╨', [2, 0, 1, 1]),
    ('╤', [0, 1, 2, 2]),
    ('╥', [0, 2, 1, 1]),
    ('╙', [2, 0, 0, 1]),
    ('╘', [1, 0, 0, 2]),
    ('╒', [0, 1, 0, 2]),
    ('╓', [0, 2, 0, 1]),
    ('╫', [2, 2, 1, 1]),
    ('╪', [1, 1, 2, 2]),
    ('┘', [1, 0, 1, 0]),
    ('┌', [0, 1, 0, 1]),
];

/// Columns of a single vertical line, and of the two of a double one: first and last.
const SINGLE: (usize, usize) = (3, 4);
const LEFT: (usize, usize) = (2, 3);
const RIGHT: (usize, usize) = (5, 6);
const LAST_COLUMN: usize = 7;

/// A computed character; `None` for one that is drawn.
pub(super) fn glyph(letter: char, rows: usize) -> Option<Vec<u8>> {
    let half = rows / 2;
    let rows_of = |row: &dyn Fn(usize) -> u8| Some((0..rows).map(row).collect());
    match letter {
        '░' => rows_of(&|y| if y % 2 == 0 { 0x22 } else { 0x88 }),
        '▒' => rows_of(&|y| if y % 2 == 0 { 0x55 } else { 0xaa }),
        '▓' => rows_of(&|y| if y % 2 == 0 { 0xdd } else { 0x77 }),
        '█' => rows_of(&|_| 0xff),
        '▄' => rows_of(&|y| if y < half { 0 } else { 0xff }),
        '▀' => rows_of(&|y| if y < half { 0xff } else { 0 }),
        '▌' => rows_of(&|_| 0xf0),
        '▐' => rows_of(&|_| 0x0f),
        _ => {
            let (_, arms) = LINES.iter().find(|(line, _)| *line == letter)?;
            Some(lines(arms.map(arm), rows))
        }
    }
}

fn arm(lines: u8) -> Arm {
    match lines {
        0 => Arm::None,
        1 => Arm::Single,
        _ => Arm::Double,
    }
}

struct Cell {
    rows: Vec<u8>,
}

impl Cell {
    fn fill(&mut self, columns: (usize, usize), rows: (usize, usize)) {
        let mask = (columns.0..=columns.1).fold(0, |mask, column| mask | 0x80 >> column);
        for row in self.rows.iter_mut().take(rows.1 + 1).skip(rows.0) {
            *row |= mask;
        }
    }
}

/// Where a line that comes from one side ends, by what it meets: `far` and `near`
/// are the lines of a double crossing, `middle` that of a single one.
struct Ends {
    near: usize,
    middle: usize,
    far: usize,
}

impl Ends {
    /// A single line: at a corner it goes on to the far line of the crossing pair, at
    /// a pair that passes it stops at the near one, and across it simply goes on.
    fn single(&self, opposite: Arm, sides: [Arm; 2]) -> usize {
        match (opposite, sides) {
            (Arm::None, [Arm::Double, Arm::Double]) => self.near,
            (Arm::None, [Arm::Double, _] | [_, Arm::Double]) => self.far,
            _ => self.middle,
        }
    }

    /// One line of a pair, between the arm on its own side and the other side's.
    fn of_pair(&self, opposite: Arm, own: Arm, other: Arm) -> usize {
        match (own, other) {
            (Arm::Double, _) => self.near,
            (Arm::Single, _) => self.middle,
            (Arm::None, _) if opposite != Arm::None => self.middle,
            (Arm::None, Arm::Double) => self.far,
            (Arm::None, _) => self.middle,
        }
    }
}

fn lines([up, down, left, right]: [Arm; 4], rows: usize) -> Vec<u8> {
    let middle = rows / 2 - 1;
    let (upper, lower) = (middle - 1, middle + 1);
    let last = rows - 1;
    let mut cell = Cell { rows: vec![0; rows] };

    let from_above = Ends { near: upper, middle, far: lower };
    let from_below = Ends { near: lower, middle, far: upper };
    for (arm, opposite, ends, above) in [(up, down, from_above, true), (down, up, from_below, false)] {
        let span = |end: usize| if above { (0, end) } else { (end, last) };
        match arm {
            Arm::None => {}
            Arm::Single => cell.fill(SINGLE, span(ends.single(opposite, [left, right]))),
            Arm::Double => {
                cell.fill(LEFT, span(ends.of_pair(opposite, left, right)));
                cell.fill(RIGHT, span(ends.of_pair(opposite, right, left)));
            }
        }
    }

    let from_left = Ends { near: LEFT.1, middle: SINGLE.1, far: RIGHT.1 };
    let from_right = Ends { near: RIGHT.0, middle: SINGLE.0, far: LEFT.0 };
    for (arm, opposite, ends, at_left) in [(left, right, from_left, true), (right, left, from_right, false)] {
        let span = |end: usize| if at_left { (0, end) } else { (end, LAST_COLUMN) };
        match arm {
            Arm::None => {}
            Arm::Single => cell.fill(span(ends.single(opposite, [up, down])), (middle, middle)),
            Arm::Double => {
                cell.fill(span(ends.of_pair(opposite, up, down)), (upper, upper));
                cell.fill(span(ends.of_pair(opposite, down, up)), (lower, lower));
            }
        }
    }
    cell.rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(letter: char) -> Vec<String> {
        let glyph = glyph(letter, 8).unwrap();
        let row = |row: &u8| (0..8).map(|i| if row << i & 0x80 != 0 { '#' } else { '.' }).collect();
        glyph.iter().map(row).collect()
    }

    #[test]
    fn corners_and_crossings_of_double_lines() {
        assert_eq!(
            picture('╔')[..6],
            ["........", "........", "..######", "..##....", "..##.###", "..##.##."]
        );
        assert_eq!(picture('╬')[1..6], ["..##.##.", "####.###", "........", "####.###", "..##.##."]);
        assert_eq!(picture('╣')[1..6], ["..##.##.", "####.##.", ".....##.", "####.##.", "..##.##."]);
    }

    #[test]
    fn single_lines_meet_double_ones() {
        assert_eq!(picture('╞')[1..6], ["...##...", "...#####", "...##...", "...#####", "...##..."]);
        assert_eq!(picture('╟')[2..5], ["..##.##.", "..##.###", "..##.##."]);
        assert_eq!(picture('╪')[2..5], ["########", "...##...", "########"]);
        assert_eq!(picture('╫')[2..5], ["..##.##.", "########", "..##.##."]);
        assert_eq!(picture('╧')[1..6], ["...##...", "########", "........", "########", "........"]);
        assert_eq!(picture('╕')[1..6], ["........", "#####...", "...##...", "#####...", "...##..."]);
        assert_eq!(picture('╖')[2..5], ["........", "#######.", "..##.##."]);
    }

    #[test]
    fn lines_of_neighbours_join() {
        for rows in [8, 14, 16] {
            let at = |letter| glyph(letter, rows).unwrap();
            let (bar, dash) = (at('║'), at('═'));
            assert!(at('╬')[0] == bar[0] && at('╬')[rows - 1] == bar[0]);
            let edge = |glyph: &[u8], bit: u8| glyph.iter().map(|row| row & bit != 0).collect::<Vec<_>>();
            assert_eq!(edge(&at('╚'), 1), edge(&dash, 1));
            assert_eq!(edge(&at('╩'), 0x80), edge(&dash, 0x80));
        }
    }
}
