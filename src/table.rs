//! Tables that fit a terminal: which columns are shown at a width, what stands once above them, and how
//! long cells wrap. Pure: the same columns and width give the same text.
//!
//! No cell is cut: a long one is wrapped, and a column without room is named below the table.

/// Characters between two columns.
const GAP: usize = 2;

/// Columns from this rank on are shown only where no other must break its words for them.
const COMFORT: u8 = 6;

/// Cells wrap behind these.
const BREAKS: [char; 2] = ['+', ' '];

/// A word that is longer than a line breaks behind one of these if it can.
const BREAKS_OF_WORDS: [char; 5] = ['_', '-', '/', '.', ','];

/// What a cell shows that has no value.
pub(crate) const NONE: &str = "–";

/// Whether a column whose cells are all equal stands above the table instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hoist {
    /// It identifies rows, or is what they are about.
    Never,
    /// Where there are several rows to have it in common.
    Several,
    /// Always.
    Always,
    /// Where every row has 0.
    Zero,
}

/// A column with its cells, one a row.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    /// What `--columns` calls it.
    pub(crate) name: &'static str,
    pub(crate) head: String,
    pub(crate) cells: Vec<String>,
    /// Columns of rank 0 are always shown; others while there is room, the lowest ranks first.
    pub(crate) rank: u8,
    pub(crate) hoist: Hoist,
    /// The width down to which its cells wrap; none where they do not.
    pub(crate) least: Option<usize>,
}

impl Shown {
    /// The width at which nothing in it wraps but its header.
    fn natural(&self) -> usize {
        let cells = self.cells.iter().map(|cell| length(cell));
        cells.max().unwrap_or(0).max(self.head_width())
    }

    /// The longest word of its header, which wraps between words.
    fn head_width(&self) -> usize {
        self.head.split(' ').map(length).max().unwrap_or(0)
    }

    /// The least width that it can have.
    fn narrowest(&self) -> usize {
        match self.least {
            Some(least) => self.natural().min(least.max(self.head_width())),
            None => self.natural(),
        }
    }

    /// The width at which its cells wrap between words, and not within them.
    fn comfortable(&self) -> usize {
        if self.least.is_none() {
            return self.natural();
        }
        let texts = self.cells.iter().chain([&self.head]);
        let words = texts.flat_map(|text| text.split_inclusive(BREAKS));
        let longest = words.map(|word| length(word.trim_end())).max();
        longest.unwrap_or(0).max(self.narrowest())
    }

    fn is_empty(&self) -> bool {
        self.cells
            .iter()
            .all(|cell| cell.is_empty() || cell == NONE)
    }

    /// The value that stands above the table for all rows. Rows without a value, as a baseline's
    /// learning rate, do not count.
    fn common(&self) -> Option<&str> {
        let mut values = self.cells.iter().filter(|cell| *cell != NONE);
        let first = values.next()?;
        let is_common = values.all(|cell| cell == first);
        let is_hoisted = match self.hoist {
            Hoist::Never => false,
            Hoist::Several => self.cells.len() > 1,
            Hoist::Always => true,
            Hoist::Zero => first == "0",
        };
        (is_common && is_hoisted).then_some(first.as_str())
    }
}

/// A table of at most `width` characters a line, where its columns of rank 0 allow it: what all rows
/// share, the columns that there is room for, and the names of the others. `marks` are said first of
/// all rows.
pub(crate) fn fitted(columns: Vec<Shown>, marks: &[String], width: usize) -> String {
    let (shared, columns): (Vec<_>, Vec<_>) = columns
        .into_iter()
        .filter(|column| !column.is_empty())
        .partition(|column| column.common().is_some());
    let mut above = marks.to_vec();
    above.extend(shared.iter().map(|column| {
        let value = column.common().unwrap_or_default();
        format!("{} {value}", column.head)
    }));
    let (columns, left_out) = chosen(columns, width);
    let mut lines = Vec::new();
    if !above.is_empty() {
        lines.extend(listed("in all rows: ", &above, width));
        lines.push(String::new());
    }
    lines.extend(body(&columns, &widths(&columns, width)));
    if !left_out.is_empty() {
        lines.push(String::new());
        lines.extend(listed("not shown: ", &left_out, width));
        lines.extend(wrapped("--wide shows all columns, --columns some", width));
    }
    lines.join("\n")
}

/// A table of all these columns, as wide as they are.
pub(crate) fn wide(columns: &[Shown]) -> String {
    let widths: Vec<usize> = columns
        .iter()
        .map(|column| column.natural().max(length(&column.head)))
        .collect();
    body(columns, &widths).join("\n")
}

/// The columns that there is room for, in their order, and the names of the others.
fn chosen(columns: Vec<Shown>, width: usize) -> (Vec<Shown>, Vec<&'static str>) {
    let mut by_rank: Vec<usize> = (0..columns.len()).collect();
    by_rank.sort_by_key(|&at| columns[at].rank);
    let mut has_room = vec![false; columns.len()];
    for at in by_rank {
        let rank = columns[at].rank;
        has_room[at] = true;
        let chosen = columns.iter().zip(&has_room);
        let chosen = chosen.filter(|(_, has_room)| **has_room);
        let needed = chosen.map(|(column, _)| {
            GAP + if rank < COMFORT {
                column.narrowest()
            } else {
                column.comfortable()
            }
        });
        has_room[at] = rank == 0 || needed.sum::<usize>() <= width + GAP;
    }
    let mut left_out = Vec::new();
    let mut shown = Vec::new();
    for (column, has_room) in columns.into_iter().zip(has_room) {
        if has_room {
            shown.push(column);
        } else {
            left_out.push(column.name);
        }
    }
    (shown, left_out)
}

/// The columns' widths: natural where there is room, else the widest that wrap give way.
fn widths(columns: &[Shown], width: usize) -> Vec<usize> {
    let mut widths: Vec<usize> = columns.iter().map(Shown::natural).collect();
    let gaps = GAP * columns.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > width {
        let can_shrink = |at: &usize| widths[*at] > columns[*at].narrowest();
        let widest = (0..columns.len())
            .filter(can_shrink)
            .max_by_key(|&at| widths[at]);
        match widest {
            Some(at) => widths[at] -= 1,
            None => break,
        }
    }
    // Lines that break early need less.
    let used = columns.iter().zip(widths).map(|(column, width)| {
        let texts = column.cells.iter().chain([&column.head]);
        let lines = texts.flat_map(|text| wrapped(text, width));
        lines.map(|line| length(&line)).max().unwrap_or(0)
    });
    used.collect()
}

/// The lines of header and rows.
fn body(columns: &[Shown], widths: &[usize]) -> Vec<String> {
    let rows = columns.iter().map(|column| column.cells.len()).max();
    let head: Vec<_> = columns.iter().map(|column| column.head.as_str()).collect();
    let mut lines = row(&head, widths);
    for number in 0..rows.unwrap_or(0) {
        let cells = columns.iter().map(|column| column.cells[number].as_str());
        lines.extend(row(&cells.collect::<Vec<_>>(), widths));
    }
    lines
}

/// The lines of one row.
fn row(cells: &[&str], widths: &[usize]) -> Vec<String> {
    let cells: Vec<Vec<String>> = cells
        .iter()
        .zip(widths)
        .map(|(cell, width)| wrapped(cell, *width))
        .collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or(0);
    let line = |number: usize| {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            let part = cell.get(number).map_or("", String::as_str);
            line.push_str(part);
            line.push_str(&" ".repeat(width.saturating_sub(length(part)) + GAP));
        }
        line.trim_end().to_owned()
    };
    (0..height).map(line).collect()
}

/// A list behind `begin`, in lines of at most `width` characters: no item is broken that fits one.
fn listed(begin: &str, items: &[impl AsRef<str>], width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = begin.to_owned();
    for (number, item) in items.iter().enumerate() {
        let comma = if number + 1 < items.len() { ", " } else { "" };
        let item = format!("{}{comma}", item.as_ref());
        if line != begin && length(&line) + length(item.trim_end()) > width {
            lines.extend(wrapped(&line, width));
            line.clear();
        }
        line.push_str(&item);
    }
    lines.extend(wrapped(&line, width));
    lines
}

/// A text in lines of at most `width` characters, broken behind spaces and `+` where it can be, else between the
/// parts of a word. Nothing but spaces at breaks is lost.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    for piece in text.split_inclusive(BREAKS) {
        if !line.is_empty() && length(&line) + length(piece.trim_end()) > width {
            lines.push(line.trim_end().to_owned());
            line.clear();
        }
        line.push_str(piece);
        while length(line.trim_end()) > width {
            let mut ends = line.char_indices().map(|(at, _)| at);
            let full = ends.nth(width).unwrap_or(line.len());
            let soft = line[..full].rfind(BREAKS_OF_WORDS).map(|at| at + 1);
            let rest = line.split_off(soft.unwrap_or(full));
            lines.push(std::mem::replace(&mut line, rest));
        }
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line.trim_end().to_owned());
    }
    lines
}

fn length(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(head: &'static str, rank: u8, cells: &[&str]) -> Shown {
        Shown {
            name: head,
            head: head.to_owned(),
            cells: cells.iter().map(|cell| (*cell).to_owned()).collect(),
            rank,
            hoist: Hoist::Several,
            least: None,
        }
    }

    #[test]
    fn what_rows_share_stands_above_and_what_has_no_room_is_named_below() {
        let layers = Shown {
            least: Some(10),
            ..column(
                "layers",
                0,
                &["block_13_relu+block_14_relu", "block_13_relu"],
            )
        };
        let columns = vec![
            column("region", 0, &["V4", "IT"]),
            layers,
            column("depth", 1, &["2", "2"]),
            column("noise floor", 2, &["0.1234", "0.25"]),
            column("worker", 3, &["a-worker-with-a-long-name", "b"]),
            column("empty", 1, &["–", ""]),
        ];
        let marks = ["simulated recordings".to_owned()];
        let text = fitted(columns, &marks, 40);
        assert!(text.lines().all(|line| length(line) <= 40), "{text}");
        insta::assert_snapshot!(text, @r"
        in all rows: simulated recordings,
        depth 2

        region  layers          noise
                                floor
        V4      block_13_relu+  0.1234
                block_14_relu
        IT      block_13_relu   0.25

        not shown: worker
        --wide shows all columns, --columns some
        ");
    }

    #[test]
    fn nothing_of_a_wrapped_text_is_lost() {
        for width in 1..40 {
            let text = "block_13_expand_relu+block_14_expand_relu (pca:25) é–²";
            let lines = wrapped(text, width);
            assert!(lines.iter().all(|line| length(line) <= width), "{lines:?}");
            let kept: String = lines.concat().split(' ').collect();
            assert_eq!(kept, text.replace(' ', ""), "at {width}");
        }
    }

    #[test]
    fn zeros_alone_are_told_of_one_row() {
        let zeros = |hoist, cell| Shown {
            hoist,
            ..column("failed", 1, &[cell])
        };
        assert_eq!(zeros(Hoist::Zero, "0").common(), Some("0"));
        assert_eq!(zeros(Hoist::Zero, "2").common(), None);
        assert_eq!(zeros(Hoist::Several, "0").common(), None);
        assert_eq!(zeros(Hoist::Always, "2").common(), Some("2"));
    }
}
