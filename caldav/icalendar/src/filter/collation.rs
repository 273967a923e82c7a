//! Collations for text-match (RFC 4791 §7.5, RFC 4790).

use unicode_normalization::UnicodeNormalization;

/// How texts are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Collation {
    /// `i;ascii-casemap`: letters of ASCII without their case. The default.
    #[default]
    AsciiCasemap,
    /// `i;octet`: byte by byte.
    Octet,
    /// `i;unicode-casemap` (RFC 5051): without case and compatibility forms.
    UnicodeCasemap,
}

impl Collation {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::AsciiCasemap, Self::Octet, Self::UnicodeCasemap];

    /// The name in the collation registry.
    pub fn name(self) -> &'static str {
        match self {
            Self::AsciiCasemap => "i;ascii-casemap",
            Self::Octet => "i;octet",
            Self::UnicodeCasemap => "i;unicode-casemap",
        }
    }

    /// The collation of this name; `default` is `i;ascii-casemap` (RFC 4791 §9.7.5).
    pub fn named(name: &str) -> Option<Self> {
        if name == "default" {
            return Some(Self::default());
        }
        Self::ALL.into_iter().find(|collation| collation.name() == name)
    }

    /// Whether `part` occurs in `text`.
    pub fn contains(self, text: &str, part: &str) -> bool {
        match self {
            Self::Octet => text.contains(part),
            Self::AsciiCasemap => contains_ignoring_ascii_case(text.as_bytes(), part.as_bytes()),
            Self::UnicodeCasemap => casemap(text).contains(&casemap(part)),
        }
    }
}

fn contains_ignoring_ascii_case(text: &[u8], part: &[u8]) -> bool {
    let Some((first, rest)) = part.split_first() else { return true };
    let (lower, upper) = (first.to_ascii_lowercase(), first.to_ascii_uppercase());
    let mut candidates = text;
    while let Some(at) = candidates.iter().position(|byte| *byte == lower || *byte == upper) {
        let Some(after) = candidates.get(at + 1..) else { return false };
        if after.get(..rest.len()).is_some_and(|here| here.eq_ignore_ascii_case(rest)) {
            return true;
        }
        candidates = after;
    }
    false
}

/// The text in capitals and decomposed. RFC 5051 maps to title case and decomposes; mapping again what
/// comes out makes letters equal whose case has no single letter of its own, such as "ﬁ" and "FI".
fn casemap(text: &str) -> String {
    text.chars().map(capital).nfkd().map(capital).collect()
}

/// The capital of a letter, where it is one letter.
fn capital(c: char) -> char {
    let mut capitals = c.to_uppercase();
    match (capitals.next(), capitals.next()) {
        (Some(capital), None) => capital,
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascii_letters_lose_their_case_and_no_others() {
        let ascii = Collation::AsciiCasemap;
        assert!(ascii.contains("Lunch with ADA", "ada"));
        assert!(ascii.contains("aaab", "AAB"));
        assert!(ascii.contains("x", ""));
        assert!(!ascii.contains("ab", "abc"));
        assert!(!ascii.contains("ÄRGER", "ärger"));
        assert!(ascii.contains("Ärger", "ÄRGER"));
    }

    #[test]
    fn octets_are_compared_as_they_are() {
        assert!(Collation::Octet.contains("Lunch", "Lun"));
        assert!(!Collation::Octet.contains("Lunch", "lun"));
    }

    #[test]
    fn unicode_letters_lose_case_and_composition() {
        let unicode = Collation::UnicodeCasemap;
        for (text, part) in [
            ("ÄRGER", "ärger"),
            ("A\u{308}rger", "ärger"),
            ("ΣΊΣΥΦΟΣ", "σίσυφος"),
            ("ﬁne", "FINE"),
            ("ｆｕｌｌ", "Full"),
            ("ǅ", "ǆ"),
        ] {
            assert!(unicode.contains(text, part), "{text} {part}");
        }
        assert!(!unicode.contains("Arger", "ärger"));
    }

    #[test]
    fn collations_are_found_by_name() {
        for collation in Collation::ALL {
            assert_eq!(Collation::named(collation.name()), Some(collation));
        }
        assert_eq!(Collation::named("default"), Some(Collation::AsciiCasemap));
        assert_eq!(Collation::named("i;klingon"), None);
    }
}
