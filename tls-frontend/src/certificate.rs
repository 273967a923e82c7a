//! Certificates: the operator's own, or one this server signs itself.

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::{CertifiedKey, SingleCertAndKey},
};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Days that a server certificate is valid; Apple's clients accept no more than 825.
const LEAF_DAYS: u64 = 397;
/// Days that the private authority is valid.
const AUTHORITY_DAYS: u64 = 3650;
const DAY: Duration = Duration::from_secs(86_400);
/// A server certificate that is valid for less than this is replaced.
const RENEWAL: Duration = Duration::from_secs(30 * 86_400);

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

    /// A new server certificate for these names and addresses.
    pub fn issue(&self, names: &[String]) -> Result<ServerCertificate, CertificateError> {
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
        Ok(ServerCertificate {
            names: names.to_vec(),
            begin: seconds(parameters.not_before),
            end: seconds(parameters.not_after),
            key_pem: key.serialize_pem(),
            chain_pem: leaf.pem() + &self.certificate_pem,
        })
    }

    /// A TLS configuration with a fresh server certificate for these names and addresses.
    pub fn server_config(&self, names: &[String]) -> Result<Arc<ServerConfig>, CertificateError> {
        self.issue(names)?.server_config()
    }
}

/// A certificate that an [`Authority`] has issued, with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerCertificate {
    names: Vec<String>,
    /// Unix time in seconds from which on it is valid.
    begin: u64,
    /// Unix time in seconds until which it is valid.
    end: u64,
    key_pem: String,
    chain_pem: String,
}

impl ServerCertificate {
    /// A certificate from what [`to_bytes`](Self::to_bytes) gave.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut fields = std::str::from_utf8(bytes).ok()?.split('\0');
        Some(Self {
            names: fields.next()?.split('\n').map(str::to_owned).collect(),
            begin: fields.next()?.parse().ok()?,
            end: fields.next()?.parse().ok()?,
            key_pem: fields.next()?.to_owned(),
            chain_pem: fields.next()?.to_owned(),
        })
    }

    /// Certificate and key, to be kept secret.
    pub fn to_bytes(&self) -> Vec<u8> {
        let Self { names, begin, end, key_pem, chain_pem } = self;
        format!("{}\0{begin}\0{end}\0{key_pem}\0{chain_pem}", names.join("\n")).into_bytes()
    }

    /// Whether it is this authority's, for these names and addresses, and will be valid for a month from `now`
    /// on: then no other is needed.
    pub fn serves(&self, authority: &Authority, names: &[String], now: SystemTime) -> bool {
        let now = now.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        self.names == names
            && self.chain_pem.ends_with(&authority.certificate_pem)
            && self.begin <= now
            && now.saturating_add(RENEWAL.as_secs()) < self.end
    }

    /// A TLS configuration with this certificate.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, CertificateError> {
        server_config_from_pem(self.chain_pem.as_bytes(), self.key_pem.as_bytes())
    }

    fn certified_key(&self) -> Result<Arc<CertifiedKey>, CertificateError> {
        certified_key(self.chain_pem.as_bytes(), self.key_pem.as_bytes()).map(Arc::new)
    }
}

/// The certificate that a server has now: it can be replaced while the server runs. Cloning gives the same.
#[derive(Clone, Debug)]
pub struct CurrentCertificate(Arc<Mutex<Arc<CertifiedKey>>>);

impl CurrentCertificate {
    /// Begins with this certificate.
    pub fn new(certificate: &ServerCertificate) -> Result<Self, CertificateError> {
        Ok(Self(Arc::new(Mutex::new(certificate.certified_key()?))))
    }

    /// Handshakes from now on get this certificate.
    pub fn replace(&self, certificate: &ServerCertificate) -> Result<(), CertificateError> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = certificate.certified_key()?;
        Ok(())
    }

    /// A TLS configuration with whatever certificate is the current one.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, CertificateError> {
        configure(Arc::new(self.clone()))
    }
}

impl ResolvesServerCert for CurrentCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// A TLS configuration from the operator's PEM files: the chain (server certificate first) and its key.
pub fn server_config_from_pem(chain: &[u8], key: &[u8]) -> Result<Arc<ServerConfig>, CertificateError> {
    configure(Arc::new(SingleCertAndKey::from(certified_key(chain, key)?)))
}

fn certified_key(chain: &[u8], key: &[u8]) -> Result<CertifiedKey, CertificateError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<_, _>>()
        .map_err(|error| CertificateError::Certificate(error.to_string()))?;
    if chain.is_empty() {
        return Err(CertificateError::Certificate("no CERTIFICATE section in the file".into()));
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| CertificateError::Key(error.to_string()))?;
    CertifiedKey::from_der(chain, key, &ring::default_provider())
        .map_err(|error| CertificateError::Pair(error.to_string()))
}

/// What the authority's certificate says, but for its dates.
fn authority_parameters(name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters
}

fn configure(certificates: Arc<dyn ResolvesServerCert>) -> Result<Arc<ServerConfig>, CertificateError> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| CertificateError::Pair(error.to_string()))?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer = ring_ticketer()?;
    // Each connection gives a client the ticket for its next one; whoever opens several at once shakes hands in
    // full once for each, and has as many from then on. A second one would cost every handshake its encryption.
    config.send_tls13_tickets = 1;
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

fn seconds(date: time::OffsetDateTime) -> u64 {
    u64::try_from(date.unix_timestamp()).unwrap_or(0)
}

fn generation(error: rcgen::Error) -> CertificateError {
    CertificateError::Generation(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_certificate_serves_the_same_names_until_a_month_before_its_end() {
        let authority = Authority::generate("cal.example").unwrap();
        let names = ["cal.example".to_owned(), "10.0.0.2".to_owned()];
        let issued = authority.issue(&names).unwrap();
        let kept = ServerCertificate::from_bytes(&issued.to_bytes()).unwrap();
        assert_eq!(kept, issued);
        kept.server_config().unwrap();
        let now = SystemTime::now();
        assert!(kept.serves(&authority, &names, now));
        assert!(kept.serves(&authority, &names, now + 366 * DAY));
        for (other, time) in [
            (&names[..], now + 368 * DAY),
            (&names, now - 2 * DAY),
            (&names[..1], now),
            (&[names[1].clone(), names[0].clone()], now),
        ] {
            assert!(!kept.serves(&authority, other, time), "{other:?} at {time:?}");
        }
        assert!(!kept.serves(&Authority::generate("cal.example").unwrap(), &names, now));
        assert_eq!(ServerCertificate::from_bytes(b"something else"), None);
    }

    #[test]
    fn a_replaced_certificate_is_the_current_one() {
        let authority = Authority::generate("cal.example").unwrap();
        let issue = || authority.issue(&["cal.example".to_owned()]).unwrap();
        let current = CurrentCertificate::new(&issue()).unwrap();
        let before = current.0.lock().unwrap().cert.clone();
        let next = issue();
        current.clone().replace(&next).unwrap();
        let after = current.0.lock().unwrap().cert.clone();
        assert!(before != after && after == next.certified_key().unwrap().cert);
    }
}
