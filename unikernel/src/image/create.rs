//! `kalends image create`.

use super::users::{Password, realm};
use crate::{device, tls::authority_file};
use kalends::own_authority;
use kalends_caldav::realm::{check_name, hash_password};
use kalends_store::Store;
use std::{fs, path::Path};

/// Makes a device with a realm, a first user and an authority. Should any of that fail, there is no device.
pub(super) fn create(
    path: &Path,
    size: u64,
    user: &str,
    password_file: Option<&Path>,
    hostname: &str,
) -> Result<(), String> {
    if path.symlink_metadata().is_ok() {
        return Err(format!("{} exists already; nothing was written", path.display()));
    }
    // What can be wrong with what was asked for is found before anything is made.
    check_name(user).map_err(|reason| format!("the user name {user:?} {reason}"))?;
    let password = Password::read_or_generate(password_file)?;
    hash_password(&password.text).map_err(|error| error.to_string())?;
    let store = device::create(path, size)?;
    let authority = fill(&store, path, user, &password.text, hostname).inspect_err(|_| {
        let _ = fs::remove_file(path);
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
