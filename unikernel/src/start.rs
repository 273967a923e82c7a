//! The first user, and what is printed at the start.

use crate::command_line::ServeOptions;
use kalends_caldav::realm::{Realm, generate_password};
use std::{fs, net::SocketAddr, path::Path};

const DEFAULT_USER: &str = "calendar";

/// What the operator needs to know of the user.
pub(crate) struct FirstUser {
    pub(crate) name: String,
    /// Only when it was made at this start.
    pub(crate) password: Option<String>,
}

/// Makes the first user of a new store, or sets the password that the operator gave.
pub(crate) fn first_user(options: &ServeOptions, realm: &Realm) -> Result<FirstUser, String> {
    let users = realm.user_names();
    let name = match (&options.user, users.first()) {
        (Some(name), _) => name.clone(),
        (None, Some(first)) => first.clone(),
        (None, None) => DEFAULT_USER.into(),
    };
    let given = match &options.password_file {
        Some(path) => Some(read_password(path)?),
        None => None,
    };
    let exists = users.contains(&name);
    let (password, shown) = match given {
        Some(password) => (password, false),
        None if exists => return Ok(FirstUser { name, password: None }),
        None => (generate_password(), true),
    };
    realm.set_password(&name, &password).map_err(|error| format!("cannot make user {name}: {error}"))?;
    Ok(FirstUser { name, password: shown.then_some(password) })
}

/// The first line of a file.
pub(crate) fn read_password(path: &Path) -> Result<String, String> {
    let text =
        fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(line.to_owned()),
        _ => Err(format!("{} is empty: its first line should be the password", path.display())),
    }
}

/// Says where everything is.
pub(crate) fn announce(
    options: &ServeOptions,
    address: SocketAddr,
    authority: Option<&Path>,
    user: &FirstUser,
    created: bool,
) {
    let host = match options.hostname.parse() {
        Ok(std::net::IpAddr::V6(ip)) => format!("[{ip}]"),
        _ => options.hostname.clone(),
    };
    let url = match address.port() {
        443 => format!("https://{host}"),
        port => format!("https://{host}:{port}"),
    };
    let name = &user.name;
    let signed_url = url.replacen("https://", &format!("https://{name}@"), 1);
    // With its whole path, which the clone's configuration keeps.
    let trust = authority.map(|path| {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.into());
        format!("-c http.sslCAInfo=\"{}\" ", path.display())
    });
    let trust = trust.unwrap_or_default();
    println!("Kalends {} serves {}.", env!("CARGO_PKG_VERSION"), options.device.display());
    if created {
        println!("The device is new.");
    }
    println!();
    println!("  URL        {url}/");
    println!("  user       {name}");
    match &user.password {
        Some(password) => println!("  password   {password}"),
        None => println!("  password   as before (a new one: --user {name} --password-file FILE)"),
    }
    println!("  CalDAV     {url}/dav/calendars/{name}/calendar/");
    if let Some(path) = authority {
        println!("  authority  {} (the certificate that clients should trust)", path.display());
    }
    println!("  git        git clone {trust}{signed_url}/git/{name}.git");
    println!();
    println!("What to try next:");
    println!("  Thunderbird, Apple Calendar, DAVx5, Evolution: add a CalDAV account with URL {url}/");
    println!("  A browser: {url}/overview shows the calendars and their latest changes.");
    println!("  Undo anything: clone, `git revert` the commit, push.");
    println!("  Users: git clone {trust}{signed_url}/git/realm.git (its README.md tells how).");
    if address.ip().is_loopback() {
        println!(
            "  Only this machine can connect; --listen 0.0.0.0:8443 --hostname NAME opens it to a network."
        );
    }
    println!();
    println!("Ready. Ctrl-C stops.");
}
