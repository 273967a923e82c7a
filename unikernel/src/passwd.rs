//! `kalends passwd`: the hash of a password, as `users.toml` takes it.

use crate::prompt;
use kalends_caldav::realm::hash_password;
use std::io::{self, IsTerminal};

/// Asks for a password, twice at a terminal, and prints its hash; the error is one line.
pub(crate) fn passwd() -> Result<(), String> {
    let stdin = io::stdin();
    let password = if stdin.is_terminal() {
        let password = prompt::hidden("Password: ")?;
        if prompt::hidden("Again: ")? != password {
            return Err("the two passwords differ".into());
        }
        password
    } else {
        let mut line = String::new();
        stdin.read_line(&mut line).map_err(|error| format!("cannot read the password: {error}"))?;
        line.trim_end_matches(['\r', '\n']).to_owned()
    };
    let hash = hash_password(&password).map_err(|error| error.to_string())?;
    println!("{hash}");
    Ok(())
}
