//! Strict reading of the realm's TOML files: every mistake is reported, with file and line.

use std::{cell::RefCell, fmt};
use toml::de::{DeTable, DeValue};

/// The largest configuration file, in bytes.
pub(super) const MAX_FILE_SIZE: u64 = 1 << 20;

/// A mistake in a file of the realm.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// File name, such as `users.toml`.
    pub file: String,
    /// Line, from 1; 0 when the file as a whole is meant.
    pub line: usize,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.message),
            line => write!(f, "{}:{line}: {}", self.file, self.message),
        }
    }
}

/// A value and the line it stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Located<T> {
    pub(super) value: T,
    pub(super) line: usize,
}

/// A file while it is read.
pub(super) struct Document {
    file: &'static str,
    /// Where each line but the first begins.
    line_starts: Vec<usize>,
    problems: RefCell<Vec<Problem>>,
}

impl Document {
    /// Parses `text` and reads it with `read`; gives what was read and all that is wrong with it.
    pub(super) fn read<T: Default>(
        file: &'static str,
        text: &str,
        read: impl FnOnce(Table<'_, '_>) -> T,
    ) -> (T, Vec<Problem>) {
        let line_starts = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let document = Document { file, line_starts: line_starts.collect(), problems: RefCell::default() };
        let value = match DeTable::parse(text) {
            Ok(table) => read(Table { document: &document, table: table.get_ref(), name: String::new() }),
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start);
                document.problem(at, one_line(error.message()));
                T::default()
            }
        };
        (value, document.problems.into_inner())
    }

    fn line(&self, at: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= at) + 1
    }

    fn problem(&self, at: usize, message: String) {
        let line = self.line(at);
        self.problems.borrow_mut().push(Problem { file: self.file.into(), line, message });
    }
}

/// A table of a file.
pub(super) struct Table<'d, 't> {
    document: &'d Document,
    table: &'d DeTable<'t>,
    /// For messages: `in [ada]`, or nothing at the top.
    name: String,
}

impl<'d, 't> Table<'d, 't> {
    /// Reports every key but these.
    pub(super) fn only(&self, known: &[&str]) {
        for (key, _) in self.table.iter() {
            if !known.contains(&key.get_ref().as_ref()) {
                let message =
                    format!("unknown key {:?}{}; known are {}", key.get_ref(), self.name, known.join(", "));
                self.document.problem(key.span().start, message);
            }
        }
    }

    /// Reports a problem on a line that was given with a value.
    pub(super) fn problem_on(&self, line: usize, message: String) {
        let file = self.document.file.into();
        self.document.problems.borrow_mut().push(Problem { file, line, message });
    }

    /// Whether the key is there, with whatever value.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// A text without control characters, at most `limit` bytes long.
    pub(super) fn text(&self, key: &str, limit: usize) -> Option<Located<&'d str>> {
        let (value, at) = self.value(key)?;
        self.check_text(value, at, &format!("{key:?}"), limit)
    }

    /// A list of such texts; missing is empty.
    pub(super) fn texts(&self, key: &str, limit: usize) -> Vec<Located<&'d str>> {
        let Some((value, at)) = self.value(key) else { return Vec::new() };
        let Some(array) = value.as_array() else {
            self.wrong_type(at, &format!("{key:?}"), "a list of strings, such as [\"one\", \"two\"]", value);
            return Vec::new();
        };
        let item = |value: &'d toml::Spanned<DeValue<'t>>| {
            self.check_text(value.get_ref(), value.span().start, &format!("an item of {key:?}"), limit)
        };
        array.iter().filter_map(item).collect()
    }

    /// `true` or `false`; missing is `false`.
    pub(super) fn flag(&self, key: &str) -> bool {
        let Some((value, at)) = self.value(key) else { return false };
        value.as_bool().unwrap_or_else(|| {
            self.wrong_type(at, &format!("{key:?}"), "true or false", value);
            false
        })
    }

    /// A whole number within `range`.
    pub(super) fn number(&self, key: &str, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
        let (value, at) = self.value(key)?;
        let Some(integer) = value.as_integer() else {
            self.wrong_type(at, &format!("{key:?}"), "a whole number", value);
            return None;
        };
        let number = u64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let message = format!("{key:?} must be from {} to {}", range.start(), range.end());
            self.document.problem(at, message);
        }
        number
    }

    /// The tables of this table, with the lines of their names; anything else is reported.
    pub(super) fn tables(&self) -> Vec<(Located<&'d str>, Table<'d, 't>)> {
        let mut tables = Vec::with_capacity(self.table.len());
        for (key, value) in self.table.iter() {
            let name: &'d str = key.get_ref().as_ref();
            let Some(table) = value.get_ref().as_table() else {
                let message = format!(
                    "{name:?} stands outside of a table; a table begins with a line such as [ada] and goes \
                     on to the next such line"
                );
                self.document.problem(key.span().start, message);
                continue;
            };
            let line = self.document.line(key.span().start);
            let name = Located { value: name, line };
            let label = format!(" in [{}]", name.value.escape_debug());
            tables.push((name, Table { document: self.document, table, name: label }));
        }
        tables
    }

    fn value(&self, key: &str) -> Option<(&'d DeValue<'t>, usize)> {
        let value = self.table.get(key)?;
        Some((value.get_ref(), value.span().start))
    }

    fn check_text(
        &self,
        value: &'d DeValue<'t>,
        at: usize,
        what: &str,
        limit: usize,
    ) -> Option<Located<&'d str>> {
        let Some(text) = value.as_str() else {
            self.wrong_type(at, what, "a string in quotes", value);
            return None;
        };
        if text.len() > limit {
            self.document.problem(at, format!("{what} is longer than {limit} bytes"));
        } else if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
            self.document.problem(at, format!("{what} holds a control character"));
        } else {
            return Some(Located { value: text, line: self.document.line(at) });
        }
        None
    }

    fn wrong_type(&self, at: usize, what: &str, wanted: &str, value: &DeValue<'_>) {
        let message = format!("{what} must be {wanted}, not a value of type {}", value.type_str());
        self.document.problem(at, message);
    }
}

fn one_line(message: &str) -> String {
    message.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}
