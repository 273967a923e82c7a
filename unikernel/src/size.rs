//! Sizes as people write them.

/// Bytes of a text such as `512M`, `1G` or `4096`; units are powers of 1024.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor: u64 = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" | "B" => 1,
        "K" | "KB" | "KIB" => 1 << 10,
        "M" | "MB" | "MIB" => 1 << 20,
        "G" | "GB" | "GIB" => 1 << 30,
        "T" | "TB" | "TIB" => 1 << 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn sizes_have_binary_units() {
        assert_eq!(parse("1G"), Some(1 << 30));
        assert_eq!(parse("512m"), Some(512 << 20));
        assert_eq!(parse("64KiB"), Some(64 << 10));
        assert_eq!(parse("4096"), Some(4096));
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in ["", "G", "1.5G", "-1", "1X", "99999999999T"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
