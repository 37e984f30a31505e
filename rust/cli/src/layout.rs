//! What is printed, as people like to read it: aligned, with units, and coloured where a terminal takes it.

use std::fmt::Write;
use std::io::IsTerminal;

/// Whether there are colours and bars of blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    Plain,
    Coloured,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Normal,
    Heading,
    Quiet,
    Good,
    Bad,
}

/// Of a line of columns.
#[derive(Debug, Clone)]
pub struct Cell {
    text: String,
    right: bool,
    style: Style,
}

const INDENT: &str = "  ";
const GAP: &str = "  ";

impl Paint {
    /// For standard output.
    pub fn of_stdout() -> Paint {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let dumb = set("TERM").is_none_or(|terminal| terminal == "dumb");
        match std::io::stdout().is_terminal() && set("NO_COLOR").is_none() && !dumb {
            true => Paint::Coloured,
            false => Paint::Plain,
        }
    }

    pub fn paint(self, text: &str, style: Style) -> String {
        let code = match style {
            Style::Normal => return text.to_owned(),
            Style::Heading => "1",
            Style::Quiet => "2",
            Style::Good => "32",
            Style::Bad => "1;31",
        };
        match self {
            Paint::Plain => text.to_owned(),
            Paint::Coloured => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }

    /// As long as its part of `most`, in eighths of a character where there are blocks. Nothing is no bar, and little is a short
    /// one.
    pub fn bar(self, part: u64, most: u64, width: u64) -> String {
        const BLOCKS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
        if part == 0 || most == 0 {
            return String::new();
        }
        let eighths = ((part as f64 / most as f64 * (width * 8) as f64).round() as usize).max(1);
        match self {
            Paint::Plain => "#".repeat(eighths.div_ceil(8)),
            Paint::Coloured => format!("{}{}", "█".repeat(eighths / 8), BLOCKS[eighths % 8]),
        }
    }
}

pub fn left(text: impl Into<String>) -> Cell {
    Cell { text: text.into(), right: false, style: Style::Normal }
}

pub fn right(text: impl Into<String>) -> Cell {
    Cell { text: text.into(), right: true, style: Style::Normal }
}

impl Cell {
    pub fn styled(self, style: Style) -> Cell {
        Cell { style, ..self }
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

/// Lines whose cells stand below one another.
pub fn columns(rows: &[Vec<Cell>], paint: Paint) -> Vec<String> {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(Cell::width).max().unwrap_or(0))
        .collect();
    let line = |row: &Vec<Cell>| {
        let mut line = INDENT.to_owned();
        for (number, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let blanks = " ".repeat(width - cell.width());
            let text = paint.paint(&cell.text, cell.style);
            let gap = if number == 0 { "" } else { GAP };
            // Writing to a String does not fail.
            let _ = match cell.right {
                true => write!(line, "{gap}{blanks}{text}"),
                false => write!(line, "{gap}{text}{blanks}"),
            };
        }
        line.trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// The names of columns, each as its column stands.
pub fn headings(names: Vec<Cell>) -> Vec<Cell> {
    names.into_iter().map(|name| name.styled(Style::Quiet)).collect()
}

/// `12.3 MB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if count < 1_000 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1_000.0;
    let mut unit = 0;
    // What would be rounded to 1000 has the next unit.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1_000.0;
        unit += 1;
    }
    match value.fract() == 0.0 || value >= 99.95 {
        true => format!("{value:.0} {}", UNITS[unit]),
        false => format!("{value:.1} {}", UNITS[unit]),
    }
}

/// `1,234,567`.
pub fn number(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 row`, `1,234 rows`.
pub fn counted(count: u64, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{} {what}s", number(count)),
    }
}

/// How long ago a time was, both in milliseconds since 1970.
pub fn ago(millis: i64, now: i64) -> String {
    let seconds = (now - millis) / 1_000;
    match seconds {
        ..0 => "in the future".to_owned(),
        0..=119 => format!("{seconds} s ago"),
        120..=7_199 => format!("{} min ago", seconds / 60),
        7_200..=172_799 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_numbers_have_units() {
        for (count, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1 kB"),
            (1_240, "1.2 kB"),
            (99_940, "99.9 kB"),
            (99_960, "100 kB"),
            (999_400, "999 kB"),
            (999_951, "1.0 MB"),
            (48_500_000, "48.5 MB"),
            (u64::MAX, "18447 PB"),
        ] {
            assert_eq!(bytes(count), text, "{count}");
        }
        for (count, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(number(count), text);
        }
        assert_eq!((counted(1, "row"), counted(2_000, "row")), ("1 row".to_owned(), "2,000 rows".to_owned()));
    }

    #[test]
    fn times_are_told_as_long_ago() {
        for (seconds, text) in [
            (-1, "in the future"),
            (0, "0 s ago"),
            (119, "119 s ago"),
            (120, "2 min ago"),
            (7_200, "2 h ago"),
            (172_800, "2 days ago"),
        ] {
            assert_eq!(ago(10_000_000, 10_000_000 + seconds * 1_000), text);
        }
    }

    #[test]
    fn cells_stand_below_one_another_whatever_their_colour() {
        let rows =
            [vec![left("a").styled(Style::Bad), right("1"), left("x")], vec![left("länger"), right("1,000")]];
        assert_eq!(columns(&rows, Paint::Plain), ["  a           1  x", "  länger  1,000"]);
        let coloured = columns(&rows, Paint::Coloured);
        assert_eq!(coloured[0], "  \x1b[1;31ma\x1b[0m           1  x");
    }

    #[test]
    fn bars_are_as_long_as_their_part() {
        assert_eq!(Paint::Plain.bar(1, 2, 10), "#####");
        assert_eq!(Paint::Coloured.bar(1, 2, 10), "█████");
        assert_eq!(Paint::Coloured.bar(1, 1_000_000, 10), "▏");
        assert_eq!(Paint::Plain.bar(1, 1_000_000, 10), "#");
        assert_eq!(Paint::Coloured.bar(0, 2, 10), "");
        assert_eq!(Paint::Coloured.bar(0, 0, 10), "");
    }
}
