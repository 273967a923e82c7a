//! The server's own certificate authority and the certificate it has issued, kept on the device.

use kalends_store::Store;
use kalends_tls_frontend::certificate::{Authority, ServerCertificate};
use std::time::SystemTime;

const SECRET: &str = "tls-authority";
const CERTIFICATE: &str = "tls-certificate";

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

/// A server certificate for these names and addresses: that on the device, as long as it is for the same ones and
/// valid for another month, so that clients which remember a certificate find it again; else a new one, which is
/// kept.
///
/// # Errors
/// One line, when it cannot be made or kept.
pub fn own_certificate(
    store: &Store,
    authority: &Authority,
    names: &[String],
) -> Result<ServerCertificate, String> {
    let kept = store.secret(CERTIFICATE).as_deref().and_then(ServerCertificate::from_bytes);
    if let Some(kept) = kept.filter(|kept| kept.serves(authority, names, SystemTime::now())) {
        return Ok(kept);
    }
    let certificate = authority.issue(names).map_err(|error| error.to_string())?;
    store
        .set_secret(CERTIFICATE, &certificate.to_bytes())
        .map_err(|error| format!("cannot keep the server certificate: {error}"))?;
    Ok(certificate)
}
