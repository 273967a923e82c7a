//! The command line.

use crate::{
    device::Format,
    image::{self, ImageCommand},
    size,
};
use kalends_tls_frontend::stack::StackOptions;
use lexopt::{Arg, Parser, ValueExt};
use std::{
    ffi::OsString,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
};

const HELP: &str = "\
Kalends serves calendars (CalDAV) and their history (git) from one block device.

Usage: kalends [serve] [OPTIONS]
       kalends fsck DEVICE
       kalends compact DEVICE
       kalends repair DEVICE [--from [NAME=]SOURCE]... [--dry-run]
       kalends export DEVICE DIRECTORY
       kalends image create|add-user|set-password|import|export|inspect DEVICE ...
       kalends passwd
       kalends run spt|hvt|virtio IMAGE ...
       kalends help | version

  serve    serves the calendars and repositories of a device
  fsck     checks a device that is not being served, down to the last object, and writes nothing;
           exit status 0: clean, 1: damaged, 2: it cannot be checked
  compact  makes such a device small: packs what is in its log, and removes what no branch or tag reaches;
           a server does so by itself, as far as it pays
  repair   makes such a device whole again: from itself, and with --from from clones. SOURCE is a git
           repository, a bundle, a directory of repositories (as `export` writes them) or a URL, which
           stock git clones; NAME is the repository that it is a clone of [default: as SOURCE is named].
           Opens a store whose log is damaged, and says what is lost. --dry-run says what it would do.
           Exit status 0: the device is clean, 1: damage remains, 2: it cannot be repaired
  export   writes each repository of such a device to DIRECTORY/NAME.git, as git has them
  image    prepares such a device, or tells about it:
             create DEVICE [--size SIZE] [--user NAME] [--password-file FILE] [--hostname NAME]
                    [--format [--force]]
               makes a new device, a user and a certificate authority, and never replaces a file;
               with --format on a disk (or in a file) that exists and is blank, with --force on any
             add-user DEVICE NAME [--password-file FILE] [--administrator]
             set-password DEVICE NAME [--password-file FILE]
             import DEVICE NAME SOURCE [--replace]
               makes a git repository or bundle that of user NAME, or `realm`, under the rules of a push
             import DEVICE NAME FILE.ics --calendar CALENDAR
               adds all events of a calendar's export, or none
             export DEVICE DIRECTORY    as `kalends export`
             inspect DEVICE             users, repositories, space; writes nothing
  passwd   asks for a password and prints its hash, for users.toml in the realm repository
  run      runs an image that boots without an operating system; `kalends run --help` tells more

Without a command it serves, with the defaults below; the first start makes what is missing.

Options of serve:
  --listen ADDR:PORT    where to listen; may be given more than once
                        [default: 127.0.0.1:8443 and [::1]:8443]; 0.0.0.0:8443 for all networks
  --device FILE         the block device: a file or a disk [default: kalends.img]
  --size SIZE           size of a new device file, such as 512M or 20G [default: 1G]
  --format              make a store on a disk (or in a file) that exists and is blank
  --user NAME           the first user, or whose password to set [default: calendar]
  --password-file FILE  the user's password, first line of FILE [default: one is made at the first start]
  --cert FILE           certificate chain (PEM), server certificate first
                        [default: one signed by this server's own authority]
  --key FILE            its private key (PEM)
  --hostname NAME       the name clients reach the server by [default: localhost]
  --tap NAME            serve on this tap interface with the network stack of a unikernel, instead of the
                        host's sockets; then --listen is [default: [::]:8443], and there are
                          --ipv4 ADDRESS/BITS, dhcp or off [default: dhcp], --ipv4-gateway ADDRESS,
                          --ipv6 ADDRESS/BITS, auto or off [default: auto], --ipv6-gateway ADDRESS,
                          --name-server ADDRESS (may be given more than once)
  --log LEVEL           off, error, warn, info or debug [default: warn]; requests are logged at info
  -h, --help            this text
  -V, --version         the version
";

/// What to do.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Help(&'static str),
    Version,
    Serve(Box<ServeOptions>),
    /// Check a device.
    Fsck {
        device: PathBuf,
    },
    /// Compact a device.
    Compact {
        device: PathBuf,
    },
    /// Restore what is damaged on a device.
    Repair {
        device: PathBuf,
        /// Clones, as they were given.
        from: Vec<OsString>,
        dry_run: bool,
    },
    /// Write the repositories of a device as bare git repositories.
    Export {
        device: PathBuf,
        directory: PathBuf,
    },
    /// Prepare a device, or tell about it.
    Image(ImageCommand),
    /// Hash a password.
    Passwd,
    /// Run a guest, with these arguments.
    Run(Vec<OsString>),
}

/// Options of `kalends serve`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ServeOptions {
    pub(crate) listen: Vec<SocketAddr>,
    /// Whether `listen` was given: then every address must work.
    pub(crate) listen_given: bool,
    pub(crate) device: PathBuf,
    pub(crate) size: u64,
    pub(crate) format: Format,
    pub(crate) user: Option<String>,
    pub(crate) password_file: Option<PathBuf>,
    pub(crate) certificate: Option<(PathBuf, PathBuf)>,
    pub(crate) hostname: String,
    pub(crate) log: log::LevelFilter,
    /// The tap interface to serve on instead of the host's sockets.
    pub(crate) tap: Option<String>,
    pub(crate) stack: StackOptions,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            listen: vec![(Ipv4Addr::LOCALHOST, 8443).into(), (Ipv6Addr::LOCALHOST, 8443).into()],
            listen_given: false,
            device: "kalends.img".into(),
            size: 1 << 30,
            format: Format::Never,
            user: None,
            password_file: None,
            certificate: None,
            hostname: "localhost".into(),
            log: log::LevelFilter::Warn,
            tap: None,
            stack: StackOptions::default(),
        }
    }
}

/// Reads the command line; the error is one line.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let mut parser = Parser::from_iter(arguments);
    let defaults = ServeOptions::default();
    let mut options = defaults.clone();
    let (mut certificate, mut key) = (None, None);
    let mut listen = Vec::new();
    let mut named = false;
    let line = |error: lexopt::Error| format!("{error}; `kalends --help` lists what there is");
    while let Some(argument) = parser.next().map_err(line)? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help(HELP)),
            Arg::Short('V') | Arg::Long("version") => return Ok(Command::Version),
            Arg::Value(name) if !named && name == "help" => return Ok(Command::Help(HELP)),
            Arg::Value(name) if !named && name == "version" => return Ok(Command::Version),
            Arg::Value(name) if !named && name == "serve" => named = true,
            Arg::Value(name) if !named && name == "run" && options == defaults => {
                return Ok(Command::Run(parser.raw_args().map_err(line)?.collect()));
            }
            Arg::Value(name) if !named && name == "image" => {
                if listen.is_empty() && certificate.is_none() && key.is_none() && options == defaults {
                    let command = image::parse(&mut parser)?;
                    return Ok(command.map_or(Command::Help(HELP), Command::Image));
                }
                return Err("image takes its options after it".into());
            }
            Arg::Value(name)
                if !named
                    && matches!(name.to_str(), Some("fsck" | "compact" | "repair" | "export" | "passwd")) =>
            {
                if listen.is_empty() && certificate.is_none() && key.is_none() && options == defaults {
                    return offline(&name.to_string_lossy(), &mut parser);
                }
                return Err(format!("{} takes none of the options before it", name.to_string_lossy()));
            }
            Arg::Value(name) if !named => {
                let name = name.to_string_lossy();
                return Err(format!("no command {name:?}; `kalends --help` lists what there is"));
            }
            Arg::Long("listen") => listen.push(address(&text(&mut parser)?)?),
            Arg::Long("device") => options.device = parser.value().map_err(line)?.into(),
            Arg::Long("size") => {
                let value = text(&mut parser)?;
                options.size = size::parse(&value).ok_or_else(|| {
                    format!("--size {value}: expected a number with K, M, G or T, such as 1G")
                })?;
            }
            Arg::Long("format") => options.format = Format::Blank,
            Arg::Long("user") => options.user = Some(text(&mut parser)?),
            Arg::Long("password-file") => {
                options.password_file = Some(parser.value().map_err(line)?.into());
            }
            Arg::Long("cert") => certificate = Some(parser.value().map_err(line)?.into()),
            Arg::Long("key") => key = Some(parser.value().map_err(line)?.into()),
            Arg::Long("hostname") => options.hostname = hostname(text(&mut parser)?)?,
            Arg::Long("tap") => options.tap = Some(text(&mut parser)?),
            Arg::Long(name) if StackOptions::NAMES.contains(&name) => {
                let name = name.to_owned();
                options.stack.set(&name, &text(&mut parser)?)?;
            }
            Arg::Long("log") => {
                let value = text(&mut parser)?;
                options.log = value
                    .parse()
                    .map_err(|_| format!("--log {value}: expected off, error, warn, info or debug"))?;
            }
            other => return Err(line(other.unexpected())),
        }
    }
    options.certificate = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => return Err("--cert and --key go together".into()),
    };
    if options.tap.is_some() {
        options.stack.configuration()?;
        options.listen = vec![(Ipv6Addr::UNSPECIFIED, 8443).into()];
    } else if !options.stack.is_empty() {
        return Err("--ipv4, --ipv6 and their like need --tap: the host has addresses already".into());
    }
    if !listen.is_empty() {
        (options.listen, options.listen_given) = (listen, true);
    }
    Ok(Command::Serve(Box::new(options)))
}

/// The commands without a server; their arguments are places.
fn offline(command: &str, parser: &mut Parser) -> Result<Command, String> {
    let mut places: Vec<PathBuf> = Vec::new();
    let (mut from, mut dry_run) = (Vec::new(), false);
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help(HELP)),
            Arg::Value(place) => places.push(place.into()),
            Arg::Long("from") if command == "repair" => {
                from.push(parser.value().map_err(|error| format!("repair: {error}"))?);
            }
            Arg::Long("dry-run") if command == "repair" => dry_run = true,
            other => return Err(format!("{command}: {}", other.unexpected())),
        }
    }
    match (command, places.as_slice()) {
        ("fsck", [device]) => Ok(Command::Fsck { device: device.clone() }),
        ("compact", [device]) => Ok(Command::Compact { device: device.clone() }),
        ("repair", [device]) => Ok(Command::Repair { device: device.clone(), from, dry_run }),
        ("export", [device, directory]) => {
            Ok(Command::Export { device: device.clone(), directory: directory.clone() })
        }
        ("passwd", []) => Ok(Command::Passwd),
        ("fsck", _) => Err("usage: kalends fsck DEVICE".into()),
        ("compact", _) => Err("usage: kalends compact DEVICE".into()),
        ("repair", _) => Err("usage: kalends repair DEVICE [--from [NAME=]SOURCE]... [--dry-run]".into()),
        ("export", _) => Err("usage: kalends export DEVICE DIRECTORY".into()),
        _ => Err("usage: kalends passwd (it asks for the password)".into()),
    }
}

fn text(parser: &mut Parser) -> Result<String, String> {
    parser.value().and_then(|value| value.string()).map_err(|error| error.to_string())
}

/// `ADDR:PORT`, or `:PORT` for all IPv6 and IPv4 addresses.
fn address(text: &str) -> Result<SocketAddr, String> {
    if let Some(port) = text.strip_prefix(':').and_then(|port| port.parse::<u16>().ok()) {
        return Ok((Ipv6Addr::UNSPECIFIED, port).into());
    }
    let local = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    local
        .as_deref()
        .unwrap_or(text)
        .parse()
        .map_err(|_| format!("--listen {text}: expected ADDRESS:PORT, such as 0.0.0.0:8443 or [::]:8443"))
}

/// A host name or an IP address.
pub(crate) fn hostname(name: String) -> Result<String, String> {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
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

    fn run(arguments: &[&str]) -> Result<Command, String> {
        parse(std::iter::once("kalends").chain(arguments.iter().copied()).map(OsString::from))
    }

    #[test]
    fn no_arguments_serve_with_defaults() {
        assert_eq!(run(&[]), Ok(Command::Serve(Box::default())));
        assert_eq!(run(&["serve"]), run(&[]));
    }

    #[test]
    fn every_flag_is_read() {
        let arguments = "serve --listen [::1]:1 --listen :2 --device d --size 2G --format --user ada --password-file p \
                         --cert c --key k --hostname cal.example --log debug";
        let Ok(Command::Serve(options)) = run(&arguments.split_whitespace().collect::<Vec<_>>()) else {
            panic!("refused")
        };
        assert_eq!(options.listen, ["[::1]:1".parse().unwrap(), "[::]:2".parse().unwrap()]);
        assert!(options.listen_given);
        assert_eq!((options.size, options.format), (2 << 30, Format::Blank));
        assert_eq!(options.user.as_deref(), Some("ada"));
        assert_eq!(options.certificate, Some(("c".into(), "k".into())));
        assert_eq!(options.hostname, "cal.example");
        assert_eq!(options.log, log::LevelFilter::Debug);
    }

    #[test]
    fn a_tap_interface_comes_with_addresses_and_listens_on_all() {
        let Ok(Command::Serve(options)) = run(&["--tap", "tap0", "--ipv4", "10.0.0.2/24"]) else {
            panic!("refused")
        };
        assert_eq!(options.tap.as_deref(), Some("tap0"));
        assert_eq!(options.listen, ["[::]:8443".parse().unwrap()]);
        assert!(!options.stack.is_empty());
        let Ok(Command::Serve(options)) = run(&["--tap", "tap0", "--listen", ":443"]) else {
            panic!("refused")
        };
        assert_eq!(options.listen, ["[::]:443".parse().unwrap()]);
    }

    #[test]
    fn the_commands_without_a_server_take_their_places_in_order() {
        let device: PathBuf = "kalends.img".into();
        assert_eq!(run(&["fsck", "kalends.img"]), Ok(Command::Fsck { device: device.clone() }));
        let directory = "out".into();
        assert_eq!(run(&["export", "kalends.img", "out"]), Ok(Command::Export { device, directory }));
        let repair = |from: &[&str], dry_run| {
            let from = from.iter().map(OsString::from).collect();
            Ok(Command::Repair { device: "kalends.img".into(), from, dry_run })
        };
        assert_eq!(run(&["repair", "kalends.img"]), repair(&[], false));
        assert_eq!(
            run(&["repair", "--from", "a.git", "kalends.img", "--dry-run", "--from=bob=https://b"]),
            repair(&["a.git", "bob=https://b"], true)
        );
        assert_eq!(run(&["passwd"]), Ok(Command::Passwd));
        assert_eq!(run(&["fsck", "--help"]), Ok(Command::Help(HELP)));
    }

    #[test]
    fn mistakes_are_named() {
        for (arguments, part) in [
            (&["--sizes", "1"][..], "--sizes"),
            (&["--size", "big"], "--size big"),
            (&["--listen", "here"], "--listen here"),
            (&["--cert", "c"], "--key"),
            (&["--hostname", "a b"], "--hostname a b"),
            (&["--log", "loud"], "--log loud"),
            (&["--ipv4", "10.0.0.2/24"], "--tap"),
            (&["--tap", "tap0", "--ipv4", "10.0.0.2"], "--ipv4 10.0.0.2"),
            (&["sreve"], "sreve"),
            (&["--device"], "--device"),
            (&["fsck"], "kalends fsck DEVICE"),
            (&["fsck", "a", "b"], "kalends fsck DEVICE"),
            (&["repair"], "kalends repair DEVICE"),
            (&["repair", "a", "--from"], "--from"),
            (&["fsck", "a", "--dry-run"], "--dry-run"),
            (&["export", "a"], "kalends export DEVICE DIRECTORY"),
            (&["image"], "kalends image create|"),
            (&["image", "create"], "kalends image create DEVICE"),
            (&["image", "add-user", "a"], "kalends image add-user DEVICE NAME"),
            (&["image", "inspect", "a", "--size", "1G"], "--size"),
            (&["image", "create", "a", "--size", "big"], "--size big"),
            (&["image", "create", "a", "--administrator"], "--administrator"),
            (&["image", "create", "a", "--force"], "--force goes with --format"),
            (&["image", "create", "a", "--format", "--size", "1G"], "--size"),
            (&["image", "inspect", "a", "--format"], "--format"),
            (&["--size", "2G", "image", "create", "a"], "image takes its options after it"),
            (&["passwd", "secret"], "kalends passwd"),
            (&["fsck", "--repair", "a"], "--repair"),
            (&["--size", "2G", "fsck", "a"], "fsck takes none of the options"),
        ] {
            let error = run(arguments).unwrap_err();
            assert!(error.contains(part), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }
}
