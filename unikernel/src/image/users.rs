//! `kalends image add-user` and `set-password`.

use crate::{device, start::read_password};
use kalends_caldav::realm::{Realm, generate_password};
use kalends_store::Store;
use std::path::Path;

/// A password, and whether somebody must be told.
pub(super) struct Password {
    pub(super) text: String,
    generated: bool,
}

impl Password {
    /// The first line of the file; without one, a new password.
    pub(super) fn read_or_generate(file: Option<&Path>) -> Result<Self, String> {
        Ok(match file {
            Some(file) => Self { text: read_password(file)?, generated: false },
            None => Self { text: generate_password(), generated: true },
        })
    }

    /// Prints it, if this program made it.
    pub(super) fn announce(&self) {
        if self.generated {
            println!("  password   {}", self.text);
        }
    }
}

/// The realm of a device that is not being served.
pub(super) fn realm(store: &Store) -> Result<Realm, String> {
    Realm::open(store.clone()).map_err(|error| format!("cannot read the realm: {error}"))
}

/// Adds a user, in one commit of the realm.
pub(super) fn add(
    path: &Path,
    name: &str,
    password_file: Option<&Path>,
    administrator: bool,
) -> Result<(), String> {
    let password = Password::read_or_generate(password_file)?;
    let store = device::open(path)?;
    let realm = realm(&store)?;
    if realm.user_names().iter().any(|user| user == name) {
        return Err(format!(
            "there is a user {name} already; `kalends image set-password` changes the password"
        ));
    }
    realm
        .add_user(name, &password.text, administrator)
        .map_err(|error| format!("cannot make user {name}: {error}"))?;
    conclude(&store, path, name, &password)
}

/// Changes the password of a user there is.
pub(super) fn set_password(path: &Path, name: &str, password_file: Option<&Path>) -> Result<(), String> {
    let password = Password::read_or_generate(password_file)?;
    let store = device::open(path)?;
    let realm = realm(&store)?;
    if !realm.user_names().iter().any(|user| user == name) {
        return Err(format!("there is no user {name}; `kalends image add-user` adds one"));
    }
    realm
        .set_password(name, &password.text)
        .map_err(|error| format!("cannot set the password of {name}: {error}"))?;
    conclude(&store, path, name, &password)
}

fn conclude(store: &Store, path: &Path, name: &str, password: &Password) -> Result<(), String> {
    store.close().map_err(|error| format!("{}: {error}", path.display()))?;
    println!("  user       {name}");
    password.announce();
    Ok(())
}
