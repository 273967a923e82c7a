//! Certificates for servers that do not make their own.

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ServerConfig, crypto::ring};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::{fs, path::Path, sync::Arc};

/// The certificate's file; the name is Xandikos's.
pub(crate) const CERTIFICATE: &str = "selfsigned.crt";
/// Its key's.
pub(crate) const KEY: &str = "selfsigned.key";

/// Writes a certificate for `localhost`, signed by itself, and its key (ECDSA, P-256) into a directory.
pub(crate) fn make(directory: &Path) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(directory.join(CERTIFICATE), cert.pem()).unwrap();
    fs::write(directory.join(KEY), signing_key.serialize_pem()).unwrap();
}

/// TLS with what [`make`] wrote into a directory, as Kalends has it: ring, and sessions that clients keep.
pub(crate) fn server_config(directory: &Path) -> ServerConfig {
    let certificate = CertificateDer::from_pem_file(directory.join(CERTIFICATE)).unwrap();
    let key = PrivateKeyDer::from_pem_file(directory.join(KEY)).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    config.ticketer = ring::Ticketer::new().unwrap();
    config
}
