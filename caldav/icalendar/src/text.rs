//! Escapes: TEXT values (RFC 5545 §3.3.11) and parameter values (RFC 6868).

use std::borrow::Cow;

/// Resolves `\n`, `\N`, `\,`, `\;` and `\\`; a backslash before anything else stays.
pub fn unescape(value: &str) -> Cow<'_, str> {
    if !value.contains('\\') {
        return Cow::Borrowed(value);
    }
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some('n' | 'N')) => {
                chars.next();
                out.push('\n');
            }
            ('\\', Some(&escaped @ (',' | ';' | '\\'))) => {
                chars.next();
                out.push(escaped);
            }
            _ => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// The inverse of [`unescape`].
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | ',' | ';' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => {}
            _ => out.push(c),
        }
    }
    out
}

/// Resolves `^n`, `^^` and `^'`; a `^` before anything else stays.
pub fn decode_parameter(value: &str) -> Cow<'_, str> {
    if !value.contains('^') {
        return Cow::Borrowed(value);
    }
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        let decoded = match (c, chars.peek()) {
            ('^', Some('n')) => Some('\n'),
            ('^', Some('^')) => Some('^'),
            ('^', Some('\'')) => Some('"'),
            _ => None,
        };
        if decoded.is_some() {
            chars.next();
        }
        out.push(decoded.unwrap_or(c));
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_escapes_are_resolved_and_made() {
        assert_eq!(unescape(r"a\, b\; c\\d\ne\Nf\x"), "a, b; c\\d\ne\nf\\x");
        assert_eq!(unescape("trailing\\"), "trailing\\");
        let text = "a, b; c\\ d\ne";
        assert_eq!(unescape(&escape(text)), text);
    }

    #[test]
    fn carets_in_parameters_are_resolved() {
        assert_eq!(
            decode_parameter("George Herman ^'Babe^' Ruth^nx^^y^z"),
            "George Herman \"Babe\" Ruth\nx^y^z"
        );
    }
}
