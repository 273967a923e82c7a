//! `kalends image create`.

use super::users::{Password, realm};
use crate::{
    device::{self, Format},
    tls::authority_file,
};
use kalends::own_authority;
use kalends_caldav::realm::{check_name, hash_password};
use kalends_store::Store;
use std::{fs, os::unix::fs::FileTypeExt, path::Path};

/// Makes a device with a realm, a first user and an authority. Should any of that fail, there is no device.
pub(super) fn create(
    path: &Path,
    size: u64,
    format: Format,
    user: &str,
    password_file: Option<&Path>,
    hostname: &str,
) -> Result<(), String> {
    let exists = path.symlink_metadata().is_ok();
    if exists && format == Format::Never {
        let hint = match fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_block_device()) {
            true => "; --format makes a store on it, if it is blank",
            false => "",
        };
        return Err(format!("{} exists already; nothing was written{hint}", path.display()));
    }
    if !exists && format != Format::Never {
        return Err(format!("there is no {}; without --format it is made", path.display()));
    }
    // What can be wrong with what was asked for is found before anything is made.
    check_name(user).map_err(|reason| format!("the user name {user:?} {reason}"))?;
    let password = Password::read_or_generate(password_file)?;
    hash_password(&password.text).map_err(|error| error.to_string())?;
    let store = match exists {
        true => device::format_existing(path, format)?,
        false => device::create(path, size)?,
    };
    let authority = fill(&store, path, user, &password.text, hostname).inspect_err(|_| {
        // A disk keeps its store: another attempt needs --force.
        if !exists {
            let _ = fs::remove_file(path);
        }
    })?;
    println!("{} is ready to be served.", path.display());
    println!();
    println!("  user       {user}");
    password.announce();
    println!("  authority  {authority} (the certificate that clients should trust)");
    Ok(())
}

/// Gives the place of the authority's certificate.
fn fill(store: &Store, path: &Path, user: &str, password: &str, hostname: &str) -> Result<String, String> {
    let realm = realm(store)?;
    realm.set_password(user, password).map_err(|error| format!("cannot make user {user}: {error}"))?;
    let authority = own_authority(store, hostname)?;
    let file = authority_file(path);
    fs::write(&file, authority.certificate_pem())
        .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    store.close().map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(file.display().to_string())
}
