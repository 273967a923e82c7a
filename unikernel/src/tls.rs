//! Which certificate to serve with.

use crate::command_line::ServeOptions;
use kalends::{own_authority, own_certificate};
use kalends_store::Store;
use kalends_tls_frontend::certificate::server_config_from_pem;
use rustls::ServerConfig;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The certificate that clients must trust, where it is our own.
pub(crate) struct OwnAuthority {
    /// The file it was written to.
    pub(crate) path: PathBuf,
    /// Its text.
    pub(crate) pem: String,
}

/// The TLS configuration, and the authority behind it if it is our own.
pub(crate) fn configuration(
    options: &ServeOptions,
    store: &Store,
) -> Result<(Arc<ServerConfig>, Option<OwnAuthority>), String> {
    if let Some((certificate, key)) = &options.certificate {
        let read =
            |path: &Path| fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()));
        let config = server_config_from_pem(&read(certificate)?, &read(key)?)
            .map_err(|error| format!("{} and {}: {error}", certificate.display(), key.display()))?;
        return Ok((config, None));
    }
    let authority = own_authority(store, &options.hostname)?;
    let mut names = vec![options.hostname.clone()];
    names.extend(["localhost".into(), "127.0.0.1".into(), "::1".into()]);
    names.extend(options.listen.iter().filter(|at| !at.ip().is_unspecified()).map(|at| at.ip().to_string()));
    if let Ok(stack) = options.stack.configuration() {
        names.extend(stack.fixed_addresses().map(|address| address.to_string()));
    }
    names.sort();
    names.dedup();
    // The host's own name is what clients show.
    names.sort_by_key(|name| *name != options.hostname);
    let certificate = own_certificate(store, &authority, &names)?;
    let config = certificate.server_config().map_err(|error| error.to_string())?;
    let path = authority_file(&options.device);
    let pem = authority.certificate_pem().to_owned();
    fs::write(&path, &pem).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    Ok((config, Some(OwnAuthority { path, pem })))
}

/// Beside the device: `kalends-ca.pem` for `kalends.img`.
pub(crate) fn authority_file(device: &Path) -> PathBuf {
    let stem = device.file_stem().map_or("kalends".into(), |stem| stem.to_string_lossy().into_owned());
    let name = format!("{stem}-ca.pem");
    // A disk lives in /dev, where files do not belong.
    if device.starts_with("/dev") { name.into() } else { device.with_file_name(name) }
}
