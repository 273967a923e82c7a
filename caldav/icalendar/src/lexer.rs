//! Content lines (RFC 5545 §3.1): unfolding, and where names, parameters and values are.

use crate::error::{Precondition, Violation, excerpt};

/// A piece of the unfolded text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    fn new(start: usize, end: usize) -> Self {
        // The limits on object size keep offsets far below 4 GiB.
        Self { start: start as u32, end: end as u32 }
    }

    /// From the start of this piece to the start of a later one.
    pub(crate) fn until(self, later: Self) -> Self {
        Self { start: self.start, end: later.start }
    }

    pub(crate) fn of(self, text: &str) -> &str {
        text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// A parameter: its name and its values.
#[derive(Clone, Debug)]
pub(crate) struct ParameterSpan {
    pub(crate) name: Span,
    /// The first value without its quotes, and whether it had any.
    pub(crate) first: (Span, bool),
    /// The values after it.
    pub(crate) others: Vec<(Span, bool)>,
}

impl ParameterSpan {
    /// Each value without its quotes, and whether it had any.
    pub(crate) fn values(&self) -> impl Iterator<Item = &(Span, bool)> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

/// A content line, as places in the unfolded text and in the file.
#[derive(Clone, Debug)]
pub(crate) struct ContentLine {
    /// Line in the file, from 1.
    pub(crate) line: u32,
    /// Bytes in the file, line end included.
    pub(crate) raw: (u32, u32),
    pub(crate) name: Span,
    pub(crate) parameters: Vec<ParameterSpan>,
    pub(crate) value: Span,
}

/// One logical line of the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogicalLine {
    line: u32,
    raw: (u32, u32),
    text: Span,
}

/// A stream without its folds.
pub(crate) struct Unfolded {
    pub(crate) text: String,
    pub(crate) lines: Vec<LogicalLine>,
    /// Whether there may be forbidden characters in the text.
    suspicious: bool,
}

fn violation(line: u32, offset: u32, rule: impl Into<String>, section: &'static str) -> Violation {
    Violation {
        line: line as usize,
        offset: offset as usize,
        precondition: Precondition::ValidCalendarData,
        rule: rule.into(),
        section,
    }
}

/// Bytes of a line, about.
const LINE: usize = 24;

/// Joins folded lines. Lines may end in CRLF or LF; a fold may split a UTF-8 sequence. Empty lines and a
/// leading byte order mark, which exporters leave behind, are passed over.
pub(crate) fn unfold(bytes: &[u8], most_lines: usize) -> Result<Unfolded, Violation> {
    let mut text: Vec<u8> = Vec::with_capacity(bytes.len());
    let mut lines: Vec<LogicalLine> = Vec::with_capacity(bytes.len().min(1 << 16) / LINE);
    let mut position = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let mut number = 0u32;
    while let Some(rest) = bytes.get(position..).filter(|rest| !rest.is_empty()) {
        number += 1;
        if number as usize > most_lines {
            let rule = format!("more than {most_lines} lines");
            return Err(violation(number, position as u32, rule, "RFC 4791 §5.2.5"));
        }
        let length = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
        let (line, _) = rest.split_at(length);
        let content = line.strip_suffix(b"\n").map_or(line, |line| line.strip_suffix(b"\r").unwrap_or(line));
        let next = position + length;
        match (content, lines.last_mut()) {
            ([], _) => {}
            ([b' ' | b'\t', folded @ ..], Some(last)) => {
                text.extend_from_slice(folded);
                last.raw.1 = next as u32;
                last.text.end = text.len() as u32;
            }
            ([b' ' | b'\t', rest @ ..], None) if rest.iter().all(|byte| matches!(byte, b' ' | b'\t')) => {}
            ([b' ' | b'\t', ..], None) => {
                let rule = "the first line is the continuation of another";
                return Err(violation(number, position as u32, rule, "RFC 5545 §3.1"));
            }
            (content, _) => {
                let start = text.len();
                text.extend_from_slice(content);
                lines.push(LogicalLine {
                    line: number,
                    raw: (position as u32, next as u32),
                    text: Span::new(start, text.len()),
                });
            }
        }
        position = next;
    }
    let text = String::from_utf8(text).map_err(|error| {
        let at = error.utf8_error().valid_up_to() as u32;
        let index = lines.partition_point(|line| line.text.start <= at).saturating_sub(1);
        let (line, offset) = lines.get(index).map_or((1, 0), |line| (line.line, line.raw.0));
        violation(line, offset, "the text is not UTF-8", "RFC 5545 §3.1.4")
    })?;
    // All bytes at once, without a branch: forbidden characters are rare, and so is everything not ASCII.
    let suspicious = text.as_bytes().iter().fold(false, |found, byte| found | may_be_forbidden(*byte));
    Ok(Unfolded { text, lines, suspicious })
}

/// Whether a byte of UTF-8 is, or may begin, a forbidden character.
fn may_be_forbidden(byte: u8) -> bool {
    (byte < 0x20) | (byte == 0x7f) | (byte == 0xef)
}

/// Whether XML 1.0, in which calendar data travels, cannot carry the character; RFC 5545 forbids most of
/// these too.
fn is_forbidden(c: char) -> bool {
    matches!(c, '\0'..='\x08' | '\x0a'..='\x1f' | '\x7f' | '\u{fffe}' | '\u{ffff}')
}

/// Splits one logical line into name, parameters and value.
pub(crate) fn content_line(unfolded: &Unfolded, logical: &LogicalLine) -> Result<ContentLine, Violation> {
    let content = logical.text.of(&unfolded.text);
    let fail = |rule: String, section| violation(logical.line, logical.raw.0, rule, section);
    if unfolded.suspicious
        && let Some(c) = content.chars().find(|c| is_forbidden(*c))
    {
        let rule = format!("control character U+{:04X} in a content line", u32::from(c));
        return Err(fail(rule, "RFC 5545 §3.1"));
    }
    let bytes = content.as_bytes();
    let base = logical.text.start as usize;
    let name_end = bytes.iter().position(|byte| !is_name_byte(*byte)).unwrap_or(bytes.len());
    if name_end == 0 || !matches!(bytes.get(name_end), Some(b':' | b';')) {
        let rule = format!("not a content line of the form NAME:value: “{}”", excerpt(content));
        return Err(fail(rule, "RFC 5545 §3.1"));
    }
    let mut parameters = Vec::new();
    let mut at = name_end;
    while bytes.get(at) == Some(&b';') {
        let start = at + 1;
        let end = bytes
            .get(start..)
            .and_then(|rest| rest.iter().position(|byte| !is_name_byte(*byte)))
            .map_or(bytes.len(), |length| start + length);
        if end == start || bytes.get(end) != Some(&b'=') {
            let rule = format!("a parameter of {} has no name or no “=”", &content[..name_end]);
            return Err(fail(rule, "RFC 5545 §3.2"));
        }
        let name = Span::new(base + start, base + end);
        let (mut first, mut others) = (None, Vec::new());
        at = end;
        loop {
            let start = at + 1;
            let rest = bytes.get(start..).unwrap_or_default();
            let value = if rest.first() == Some(&b'"') {
                let Some(length) = rest.iter().skip(1).position(|byte| *byte == b'"') else {
                    let rule = format!("a quoted parameter value of {} does not end", &content[..name_end]);
                    return Err(fail(rule, "RFC 5545 §3.2"));
                };
                at = start + length + 2;
                (Span::new(base + start + 1, base + start + 1 + length), true)
            } else {
                let length = rest
                    .iter()
                    .position(|byte| matches!(byte, b',' | b';' | b':' | b'"'))
                    .unwrap_or(rest.len());
                at = start + length;
                (Span::new(base + start, base + start + length), false)
            };
            match first {
                None => first = Some(value),
                Some(_) => others.push(value),
            }
            if bytes.get(at) != Some(&b',') {
                break;
            }
        }
        parameters.push(ParameterSpan { name, first: first.unwrap_or_default(), others });
        if !matches!(bytes.get(at), Some(b':' | b';')) {
            let rule = format!("the parameters of {} are not followed by “:”", &content[..name_end]);
            return Err(fail(rule, "RFC 5545 §3.2"));
        }
    }
    Ok(ContentLine {
        line: logical.line,
        raw: logical.raw,
        name: Span::new(base, base + name_end),
        parameters,
        value: Span::new(base + at + 1, base + bytes.len()),
    })
}

/// Letters, digits and `-` by RFC 5545; `_` and `.` because exporters write X-properties with them.
fn is_name_byte(byte: u8) -> bool {
    const TABLE: [bool; 256] = {
        let (mut table, mut byte) = ([false; 256], 0_u8);
        loop {
            table[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
            if byte == u8::MAX {
                break table;
            }
            byte += 1;
        }
    };
    TABLE[usize::from(byte)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only_line(bytes: &[u8]) -> (String, ContentLine) {
        let unfolded = unfold(bytes, 100).unwrap();
        let line = content_line(&unfolded, &unfolded.lines[0]).unwrap();
        (unfolded.text, line)
    }

    #[test]
    fn folds_are_joined_even_inside_a_utf8_sequence() {
        let (text, line) = only_line(b"SUMMARY:Caf\xc3\r\n \xa9 cr\n\teme\r\n");
        assert_eq!(line.value.of(&text), "Café creme");
        assert_eq!(line.raw, (0, 26));
    }

    #[test]
    fn parameters_keep_colons_and_commas_inside_quotes() {
        let (text, line) = only_line(b"ATTENDEE;CN=\"Doe, J: x\";MEMBER=\"a\",b:mailto:j@x.org");
        assert_eq!(line.name.of(&text), "ATTENDEE");
        assert_eq!(line.parameters[0].first.0.of(&text), "Doe, J: x");
        assert!(line.parameters[0].first.1);
        let members: Vec<_> = line.parameters[1].values().map(|value| value.0.of(&text)).collect();
        assert_eq!(members, ["a", "b"]);
        assert_eq!(line.value.of(&text), "mailto:j@x.org");
    }

    #[test]
    fn errors_name_line_and_reason() {
        for (bytes, line, words) in [
            (&b"A:1\nB\n"[..], 2, "NAME:value"),
            (b"A:1\n\nB;X:1\n", 3, "no name or no"),
            (b"A;X=\"1:2\n", 1, "does not end"),
            (b"A:1\nB:\x07\n", 2, "U+0007"),
            (b"A;X=a\"b\":2\n", 1, "not followed by"),
            (b"A:1\rB:2\n", 1, "U+000D"),
        ] {
            let unfolded = unfold(bytes, 100).unwrap();
            let error = unfolded
                .lines
                .iter()
                .find_map(|logical| content_line(&unfolded, logical).err())
                .expect("an error");
            assert_eq!(error.line, line);
            assert!(error.rule.contains(words), "{error}");
        }
        let error = unfold(b"A:1\r\nB:2\r\nC:\xff\r\n", 100).err().unwrap();
        assert_eq!((error.line, error.offset), (3, 10));
        assert_eq!(unfold(b" A:1\r\n", 100).err().unwrap().line, 1);
        assert!(unfold(b"A:1\nB:1\n", 1).err().unwrap().rule.contains("more than 1 lines"));
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        let (text, line) = only_line(b"\xef\xbb\xbfBEGIN:VCALENDAR\r\n");
        assert_eq!(line.name.of(&text), "BEGIN");
    }
}
