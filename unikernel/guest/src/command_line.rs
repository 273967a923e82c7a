//! The command line, as the tender or the virtual machine passes it: one string, options between spaces.

use kalends_tls_frontend::stack::StackOptions;
use lexopt::{Arg, Parser, ValueExt};

const OPTIONS: &str = "--ipv4 dhcp|off|ADDRESS/LENGTH, --ipv4-gateway ADDRESS, --ipv6 auto|off|ADDRESS/LENGTH, \
                       --ipv6-gateway ADDRESS, --name-server ADDRESS, --hostname NAME, --port NUMBER, \
                       --log LEVEL";

/// What differs per boot; everything else is in the realm repository on the device.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GuestOptions {
    /// The addresses.
    pub(crate) network: StackOptions,
    /// The name that clients reach the server by.
    pub(crate) hostname: Option<String>,
    /// The port of HTTPS.
    pub(crate) port: u16,
    pub(crate) log: log::LevelFilter,
}

impl Default for GuestOptions {
    fn default() -> Self {
        Self { network: StackOptions::default(), hostname: None, port: 443, log: log::LevelFilter::Warn }
    }
}

/// Reads the command line; the error is one line.
pub(crate) fn parse(line: &str) -> Result<GuestOptions, String> {
    let mut parser = Parser::from_args(line.split_ascii_whitespace());
    let mut options = GuestOptions::default();
    let explain = |error: lexopt::Error| format!("{error}; options are {OPTIONS}");
    while let Some(argument) = parser.next().map_err(explain)? {
        let name = match argument {
            Arg::Long(name) => name.to_owned(),
            other => return Err(explain(other.unexpected())),
        };
        let mut value = || parser.value().and_then(|value| value.string()).map_err(explain);
        match name.as_str() {
            "hostname" => options.hostname = Some(hostname(value()?)?),
            "port" => {
                let text = value()?;
                options.port = text
                    .parse()
                    .ok()
                    .filter(|port| *port != 0)
                    .ok_or_else(|| format!("--port {text}: expected a number from 1 to 65535"))?;
            }
            "log" => {
                let text = value()?;
                options.log = text
                    .parse()
                    .map_err(|_| format!("--log {text}: expected off, error, warn, info or debug"))?;
            }
            name if StackOptions::NAMES.contains(&name) => options.network.set(name, &value()?)?,
            name => return Err(format!("no option --{name}; options are {OPTIONS}")),
        }
    }
    options.network.configuration()?;
    Ok(options)
}

fn hostname(name: String) -> Result<String, String> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if name.parse::<std::net::IpAddr>().is_ok() || (name.len() <= 253 && name.split('.').all(label)) {
        Ok(name)
    } else {
        Err(format!("--hostname {name}: expected a host name or an IP address"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_line_asks_the_network() {
        assert_eq!(parse(" "), Ok(GuestOptions::default()));
    }

    #[test]
    fn options_are_read_with_either_separator() {
        let line =
            "--ipv4=10.0.0.2/24 --ipv4-gateway 10.0.0.1  --hostname=cal.example --port 8443 --log=info";
        let options = parse(line).unwrap();
        assert!(options.network.configuration().is_ok());
        assert!(!options.network.is_empty());
        assert_eq!((options.hostname.as_deref(), options.port), (Some("cal.example"), 8443));
        assert_eq!(options.log, log::LevelFilter::Info);
    }

    #[test]
    fn mistakes_are_named() {
        for (line, part) in [
            ("serve", "serve"),
            ("--port=0", "--port 0"),
            ("--ipv9=1", "--ipv9"),
            ("--ipv4=10.0.0.2", "--ipv4 10.0.0.2"),
            ("--hostname a_b", "--hostname a_b"),
            ("--log", "--log"),
            ("-v", "-v"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(part), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }
}
