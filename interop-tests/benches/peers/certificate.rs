//! Certificates for servers that do not make their own.

use rcgen::{CertifiedKey, generate_simple_self_signed};
use std::{fs, path::Path};

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
