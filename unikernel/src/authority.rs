//! The server's own certificate authority, kept on the device.

use kalends_store::Store;
use kalends_tls_frontend::certificate::Authority;

const SECRET: &str = "tls-authority";

/// Whether there is an authority on the device.
pub fn has_own_authority(store: &Store) -> bool {
    store.secret(SECRET).as_deref().and_then(Authority::from_bytes).is_some()
}

/// The authority on the device; when there is none, one is made, named after the host, and kept.
///
/// # Errors
/// One line, when it cannot be made or kept.
pub fn own_authority(store: &Store, hostname: &str) -> Result<Authority, String> {
    if let Some(authority) = store.secret(SECRET).as_deref().and_then(Authority::from_bytes) {
        return Ok(authority);
    }
    let authority = Authority::generate(hostname).map_err(|error| error.to_string())?;
    store
        .set_secret(SECRET, &authority.to_bytes())
        .map_err(|error| format!("cannot keep the certificate authority: {error}"))?;
    Ok(authority)
}
