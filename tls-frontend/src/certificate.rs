//! Certificates: the operator's own, or one this server signs itself.

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Days that a server certificate is valid; Apple's clients accept no more than 825.
const LEAF_DAYS: u64 = 397;
/// Days that the private authority is valid.
const AUTHORITY_DAYS: u64 = 3650;
const DAY: Duration = Duration::from_secs(86_400);

/// Why there is no certificate to serve with.
#[derive(Debug)]
pub enum CertificateError {
    /// The PEM text holds no certificate, or a broken one.
    Certificate(String),
    /// The PEM text holds no private key, or one that cannot be used.
    Key(String),
    /// The key is not that of the certificate, or rustls refuses the pair.
    Pair(String),
    /// A certificate could not be made.
    Generation(String),
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(reason) => write!(f, "no usable certificate: {reason}"),
            Self::Key(reason) => write!(f, "no usable private key: {reason}"),
            Self::Pair(reason) => write!(f, "certificate and private key do not fit: {reason}"),
            Self::Generation(reason) => write!(f, "cannot make a certificate: {reason}"),
        }
    }
}

impl std::error::Error for CertificateError {}

/// A private certificate authority of one server. Clients trust its certificate once; server certificates
/// below it can then be renewed without asking anyone.
pub struct Authority {
    name: String,
    key_pem: String,
    certificate_pem: String,
}

impl Authority {
    /// Makes a new authority, named after the host.
    pub fn generate(hostname: &str) -> Result<Self, CertificateError> {
        let key = KeyPair::generate().map_err(generation)?;
        let name = format!("Kalends at {hostname}");
        let mut parameters = authority_parameters(&name);
        validity(&mut parameters, AUTHORITY_DAYS);
        let certificate = parameters.self_signed(&key).map_err(generation)?;
        Ok(Self { name, key_pem: key.serialize_pem(), certificate_pem: certificate.pem() })
    }

    /// An authority from what [`to_bytes`](Self::to_bytes) gave.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut fields = std::str::from_utf8(bytes).ok()?.split('\0').map(str::to_owned);
        Some(Self { name: fields.next()?, key_pem: fields.next()?, certificate_pem: fields.next()? })
    }

    /// Key and certificate, to be kept secret.
    pub fn to_bytes(&self) -> Vec<u8> {
        format!("{}\0{}\0{}", self.name, self.key_pem, self.certificate_pem).into_bytes()
    }

    /// The certificate that clients trust, as PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// A TLS configuration with a fresh server certificate for these names and addresses.
    pub fn server_config(&self, names: &[String]) -> Result<Arc<ServerConfig>, CertificateError> {
        let authority_key = KeyPair::from_pem(&self.key_pem).map_err(generation)?;
        let issuer = Issuer::new(authority_parameters(&self.name), authority_key);
        let key = KeyPair::generate().map_err(generation)?;
        let mut parameters = CertificateParams::new(names.to_vec()).map_err(generation)?;
        parameters
            .distinguished_name
            .push(DnType::CommonName, names.first().map_or("Kalends", String::as_str));
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        parameters.use_authority_key_identifier_extension = true;
        validity(&mut parameters, LEAF_DAYS);
        let leaf: Certificate = parameters.signed_by(&key, &issuer).map_err(generation)?;
        let authority = CertificateDer::from_pem_slice(self.certificate_pem.as_bytes())
            .map_err(|error| CertificateError::Certificate(error.to_string()))?;
        let key = PrivateKeyDer::try_from(key.serialize_der())
            .map_err(|error| CertificateError::Key(error.into()))?;
        configure(vec![leaf.der().clone(), authority], key)
    }
}

/// A TLS configuration from the operator's PEM files: the chain (server certificate first) and its key.
pub fn server_config_from_pem(chain: &[u8], key: &[u8]) -> Result<Arc<ServerConfig>, CertificateError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<_, _>>()
        .map_err(|error| CertificateError::Certificate(error.to_string()))?;
    if chain.is_empty() {
        return Err(CertificateError::Certificate("no CERTIFICATE section in the file".into()));
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| CertificateError::Key(error.to_string()))?;
    configure(chain, key)
}

/// What the authority's certificate says, but for its dates.
fn authority_parameters(name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters
}

fn configure(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, CertificateError> {
    let pair = |error: rustls::Error| CertificateError::Pair(error.to_string());
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(pair)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(pair)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer = ring_ticketer()?;
    Ok(Arc::new(config))
}

fn ring_ticketer() -> Result<Arc<dyn rustls::server::ProducesTickets>, CertificateError> {
    ring::Ticketer::new().map_err(|error| CertificateError::Generation(error.to_string()))
}

fn validity(parameters: &mut CertificateParams, days: u64) {
    // A day earlier than now, for clients whose clocks are late.
    let now = SystemTime::now();
    parameters.not_before = date(now - DAY);
    parameters.not_after = date(now + DAY * u32::try_from(days).unwrap_or(u32::MAX));
}

fn date(time: SystemTime) -> time::OffsetDateTime {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |duration| duration.as_secs());
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| time::OffsetDateTime::from_unix_timestamp(seconds).ok())
        .unwrap_or(time::OffsetDateTime::UNIX_EPOCH)
}

fn generation(error: rcgen::Error) -> CertificateError {
    CertificateError::Generation(error.to_string())
}
