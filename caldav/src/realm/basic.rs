//! HTTP Basic credentials (RFC 7617).

use super::{AuthenticationError, password_hash::MAX_PASSWORD_LENGTH};
use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{
        DecodePaddingMode,
        general_purpose::{GeneralPurpose, GeneralPurposeConfig},
    },
};
use http::{HeaderMap, header};

/// Some clients leave the padding out.
const B64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The longest name that is looked at: a mail address.
const MAX_NAME_LENGTH: usize = 254;

/// A name and a password that somebody claims.
#[derive(PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) name: String,
    pub(super) password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "credentials of {:?}", self.name)
    }
}

impl Credentials {
    /// Reads the Authorization header: UTF-8, as our challenge asks for by `charset="UTF-8"`.
    pub(super) fn from_headers(headers: &HeaderMap) -> Result<Self, AuthenticationError> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let value = values.next().ok_or(AuthenticationError::Missing)?;
        if values.next().is_some() {
            return Err(AuthenticationError::Malformed);
        }
        Self::parse(value.as_bytes()).ok_or(AuthenticationError::Malformed)
    }

    fn parse(value: &[u8]) -> Option<Self> {
        let (scheme, rest) = value.split_at_checked(5)?;
        if !scheme.eq_ignore_ascii_case(b"Basic") || !rest.starts_with(b" ") {
            return None;
        }
        // The largest name, colon and password, in base64.
        if rest.len() > (MAX_NAME_LENGTH + 1 + MAX_PASSWORD_LENGTH).div_ceil(3) * 4 + 16 {
            return None;
        }
        let decoded = String::from_utf8(B64.decode(rest.trim_ascii()).ok()?).ok()?;
        let (name, password) = decoded.split_once(':')?;
        if decoded.chars().any(char::is_control) || name.len() > MAX_NAME_LENGTH {
            return None;
        }
        Some(Self { name: name.into(), password: password.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD as ENCODER;

    fn read(value: &[u8]) -> Result<Credentials, AuthenticationError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, value.try_into().unwrap());
        Credentials::from_headers(&headers)
    }

    fn basic(text: &[u8]) -> Vec<u8> {
        format!("Basic {}", ENCODER.encode(text)).into_bytes()
    }

    #[test]
    fn names_and_passwords_are_utf8_and_passwords_may_hold_colons() {
        let read = |text: &str| read(&basic(text.as_bytes())).unwrap();
        assert!(read("ada:pa:ss") == Credentials { name: "ada".into(), password: "pa:ss".into() });
        assert!(read("ädä:£") == Credentials { name: "ädä".into(), password: "£".into() });
        assert!(read("ada:") == Credentials { name: "ada".into(), password: String::new() });
    }

    #[test]
    fn the_scheme_is_in_any_case_and_padding_may_be_missing() {
        for value in ["basic YTpi", "BASIC  YTpi", "Basic YWI6Yg", "Basic YWI6Yg=="] {
            assert!(read(value.as_bytes()).is_ok(), "{value}");
        }
    }

    #[test]
    fn malformed_headers_are_refused() {
        assert_eq!(Credentials::from_headers(&HeaderMap::new()).unwrap_err(), AuthenticationError::Missing);
        let long = basic(format!("ada:{}", "x".repeat(2000)).as_bytes());
        let bad: [&[u8]; 10] = [
            b"",
            b"Basic",
            b"Basic ",
            b"BasicYTpi",
            b"Bearer YTpi",
            b"Basic !!!!",
            &basic(b"no colon"),
            &basic(b"ada:\xff"),
            &basic(b"ada:a\nb"),
            &long,
        ];
        for value in bad {
            let error = read(value).expect_err(&String::from_utf8_lossy(value));
            assert_eq!(error, AuthenticationError::Malformed);
        }
        let mut twice = HeaderMap::new();
        for _ in 0..2 {
            twice.append(header::AUTHORIZATION, "Basic YTpi".parse().unwrap());
        }
        assert_eq!(Credentials::from_headers(&twice).unwrap_err(), AuthenticationError::Malformed);
    }
}
