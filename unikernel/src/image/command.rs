//! The command line of `kalends image`.

use crate::{command_line::hostname, device::Format, size};
use lexopt::{Arg, Parser, ValueExt};
use std::path::PathBuf;

/// What to do with a device.
#[derive(Debug, PartialEq)]
pub(crate) enum ImageCommand {
    /// Format a new device, with a first user and an authority.
    Create {
        device: PathBuf,
        /// In bytes, of a new file.
        size: u64,
        format: Format,
        user: String,
        password_file: Option<PathBuf>,
        hostname: String,
    },
    /// Add a user to the realm.
    AddUser { device: PathBuf, name: String, password_file: Option<PathBuf>, administrator: bool },
    /// Change the password of a user.
    SetPassword { device: PathBuf, name: String, password_file: Option<PathBuf> },
    /// Make a git repository or bundle that of a user.
    Import { device: PathBuf, name: String, source: PathBuf, replace: bool },
    /// Put the objects of an iCalendar file into a calendar of a user.
    ImportCalendar { device: PathBuf, name: String, source: PathBuf, calendar: String },
    /// As `kalends export`.
    Export { device: PathBuf, directory: PathBuf },
    /// Say what is on a device.
    Inspect { device: PathBuf },
}

/// Reads what follows `image`; `None` asks for help. The error is one line.
pub(crate) fn parse(parser: &mut Parser) -> Result<Option<ImageCommand>, String> {
    let mut places = Vec::new();
    let (mut size, mut user, mut host, mut password_file) = (None, None, None, None);
    let mut calendar = None;
    let (mut administrator, mut replace) = (false, false);
    let (mut format, mut force) = (false, false);
    while let Some(argument) = parser.next().map_err(line)? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(None),
            Arg::Value(place) => places.push(place),
            Arg::Long("size") => {
                let value = text(parser)?;
                size = Some(size::parse(&value).ok_or_else(|| {
                    format!("--size {value}: expected a number with K, M, G or T, such as 1G")
                })?);
            }
            Arg::Long("user") => user = Some(text(parser)?),
            Arg::Long("hostname") => host = Some(hostname(text(parser)?)?),
            Arg::Long("password-file") => {
                password_file = Some(PathBuf::from(parser.value().map_err(line)?));
            }
            Arg::Long("administrator") => administrator = true,
            Arg::Long("calendar") => calendar = Some(text(parser)?),
            Arg::Long("replace") => replace = true,
            Arg::Long("format") => format = true,
            Arg::Long("force") => force = true,
            other => return Err(line(other.unexpected())),
        }
    }
    let command = places.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let created = size.is_some() || user.is_some() || host.is_some();
    let place = |at: usize| places.get(at).map(PathBuf::from).unwrap_or_default();
    let name = || match places.get(2).and_then(|name| name.to_str()) {
        Some(name) => Ok(name.to_owned()),
        None => Err(format!("image {command}: the user name is no UTF-8")),
    };
    let device = place(1);
    let foreign = |option: &str| Err(format!("image {command}: {option} is no option of it"));
    if created && command != "create" {
        return foreign("--size, --user or --hostname");
    }
    if (format || force) && command != "create" {
        return foreign("--format or --force");
    }
    if force && !format {
        return Err("image create: --force goes with --format".into());
    }
    if format && size.is_some() {
        return Err("image create: --size is for new files; what exists has a size".into());
    }
    let format = match (format, force) {
        (false, _) => Format::Never,
        (true, false) => Format::Blank,
        (true, true) => Format::Anything,
    };
    if administrator && command != "add-user" {
        return foreign("--administrator");
    }
    if calendar.is_some() && (command != "import" || replace) {
        return foreign("--calendar, or --replace with it,");
    }
    if replace && command != "import" {
        return foreign("--replace");
    }
    if password_file.is_some() && !matches!(command.as_str(), "create" | "add-user" | "set-password") {
        return foreign("--password-file");
    }
    Ok(Some(match (command.as_str(), places.len()) {
        ("create", 2) => ImageCommand::Create {
            device,
            size: size.unwrap_or(1 << 30),
            format,
            user: user.unwrap_or_else(|| "calendar".into()),
            password_file,
            hostname: host.unwrap_or_else(|| "localhost".into()),
        },
        ("add-user", 3) => ImageCommand::AddUser { device, name: name()?, password_file, administrator },
        ("set-password", 3) => ImageCommand::SetPassword { device, name: name()?, password_file },
        ("import", 4) => match calendar {
            Some(calendar) => {
                ImageCommand::ImportCalendar { device, name: name()?, source: place(3), calendar }
            }
            None => ImageCommand::Import { device, name: name()?, source: place(3), replace },
        },
        ("export", 3) => ImageCommand::Export { device, directory: place(2) },
        ("inspect", 2) => ImageCommand::Inspect { device },
        ("create" | "inspect", _) => return Err(format!("usage: kalends image {command} DEVICE")),
        ("add-user" | "set-password", _) => {
            return Err(format!("usage: kalends image {command} DEVICE NAME"));
        }
        ("import", _) => return Err("usage: kalends image import DEVICE NAME SOURCE".into()),
        ("export", _) => return Err("usage: kalends image export DEVICE DIRECTORY".into()),
        _ => {
            return Err(
                "usage: kalends image create|add-user|set-password|import|export|inspect DEVICE ...".into()
            );
        }
    }))
}

fn text(parser: &mut Parser) -> Result<String, String> {
    parser.value().and_then(|value| value.string()).map_err(line)
}

fn line(error: lexopt::Error) -> String {
    format!("image: {error}; `kalends --help` lists what there is")
}
