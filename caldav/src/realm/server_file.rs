//! `server.toml`: the service as a whole.

use super::document::{Document, Problem};

pub(super) const FILE: &str = "server.toml";

/// What administrators decide about the service by pushing to the realm repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// The name of the server on its pages.
    pub title: String,
    /// A note for users on the first page; may be empty.
    pub message: String,
    /// The largest calendar object in bytes (RFC 4791 §5.2.5, `CALDAV:max-resource-size`).
    pub max_resource_size: u64,
    /// Days for which the history of users' repositories is kept commit by commit; `None`: for ever.
    pub history_days: Option<u32>,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            title: "Kalends".into(),
            message: String::new(),
            max_resource_size: 10 << 20,
            history_days: None,
        }
    }
}

/// Reads the file. With any problem the result is not to be used.
pub(super) fn read(text: &str) -> (ServerSettings, Vec<Problem>) {
    Document::read(FILE, text, |top| {
        top.only(&["title", "message", "max-resource-size", "history-days"]);
        let default = ServerSettings::default();
        let title = top.text("title", 100);
        if let Some(title) = title.as_ref().filter(|title| title.value.trim().is_empty()) {
            top.problem_on(title.line, "\"title\" is empty; leave it out to show \"Kalends\"".into());
        }
        ServerSettings {
            title: title.map_or(default.title, |title| title.value.trim().into()),
            message: top.text("message", 4_000).map_or(default.message, |message| message.value.into()),
            max_resource_size: top
                .number("max-resource-size", 4_096..=100 << 20)
                .unwrap_or(default.max_resource_size),
            history_days: top.number("history-days", 1..=36_500).map(|days| days as u32),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_defaults() {
        assert_eq!(read("# nothing\n"), (ServerSettings::default(), vec![]));
    }

    #[test]
    fn settings_are_read() {
        let text = "title = \"Office\"\nmessage = \"\"\"\nAsk Ada.\n\"\"\"\nmax-resource-size = 1_000_000\n\
                    history-days = 365\n";
        let expected = ServerSettings {
            title: "Office".into(),
            message: "Ask Ada.\n".into(),
            max_resource_size: 1_000_000,
            history_days: Some(365),
        };
        assert_eq!(read(text), (expected, vec![]));
    }

    #[test]
    fn unknown_and_senseless_settings_are_refused() {
        let text = "titel = \"Office\"\nmax-resource-size = -1\nmessage = \"a\\u0000b\"\nhistory-days = 0\n";
        let (_, mut problems) = read(text);
        problems.sort();
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            problems,
            [
                "server.toml:1: unknown key \"titel\"; known are title, message, max-resource-size, \
                 history-days",
                "server.toml:2: \"max-resource-size\" must be from 4096 to 104857600",
                "server.toml:3: \"message\" holds a control character",
                "server.toml:4: \"history-days\" must be from 1 to 36500",
            ]
        );
        let (_, problems) = read("title = \n");
        assert_eq!(problems.len(), 1);
        assert!(problems[0].to_string().starts_with("server.toml:1: "), "{}", problems[0]);
    }
}
