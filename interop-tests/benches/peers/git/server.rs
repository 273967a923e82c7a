//! The servers of git repositories.

use super::Git;
use crate::{
    certificate::{self, CERTIFICATE},
    load::{Address, Failure},
    report::{HTTP_BACKEND, PLAIN_HTTP_BACKEND},
    servers::{self, Kind, Peer},
};
use kalends_interop_tests::{TemporaryDirectory, git_http_backend::GitHttpBackend};
use std::{path::Path, sync::Arc};

/// What `git http-backend` is spoken to over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Tls,
    Plain,
}

impl Transport {
    pub(super) const ALL: [Self; 2] = [Self::Tls, Self::Plain];

    /// What `git http-backend` is called over it.
    pub(super) const fn http_backend(self) -> &'static str {
        match self {
            Self::Tls => HTTP_BACKEND,
            Self::Plain => PLAIN_HTTP_BACKEND,
        }
    }
}

/// A server with a repository that has one commit.
pub(super) enum Server {
    Kalends(Box<Peer>),
    HttpBackend { server: GitHttpBackend, transport: Transport, directory: TemporaryDirectory },
}

impl Server {
    pub(super) fn kalends() -> Result<Self, Failure> {
        Ok(Self::Kalends(Box::new(Kind::Kalends.start(0)?)))
    }

    /// With a copy of a bare repository, as it lies.
    pub(super) fn http_backend(repository: &Path, transport: Transport) -> Result<Self, Failure> {
        let directory = TemporaryDirectory::new();
        let git = Git::new(directory.path());
        let from = repository.to_str().unwrap();
        git.run(&["clone", "--quiet", "--mirror", "--local", from, "ada.git"]).map_err(Failure::Refused)?;
        let tls = (transport == Transport::Tls).then(|| {
            certificate::make(directory.path());
            Arc::new(certificate::server_config(directory.path()))
        });
        Ok(Self::HttpBackend { server: GitHttpBackend::start(directory.path(), tls), transport, directory })
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Kalends(_) => Kind::Kalends.name(),
            Self::HttpBackend { transport, .. } => transport.http_backend(),
        }
    }

    /// The repository's URL, with credentials.
    pub(super) fn url(&self) -> String {
        match self {
            Self::Kalends(peer) => servers::kalends_git_url(peer.address.port),
            Self::HttpBackend { server, .. } => server.url("ada"),
        }
    }

    /// How the load generator reaches it, and the path of the repository's URL.
    pub(super) fn address(&self) -> (Address, &'static str) {
        match self {
            Self::Kalends(peer) => (peer.address.clone(), "/git/ada.git"),
            Self::HttpBackend { server, transport, directory } => {
                let address = match transport {
                    Transport::Tls => Address::secure(server.port(), &directory.join(CERTIFICATE)).unwrap(),
                    Transport::Plain => Address::plain(server.port()),
                };
                (address, "/ada.git")
            }
        }
    }

    /// git in this directory, trusting the server.
    pub(super) fn git(&self, directory: &Path) -> Git {
        let git = Git::new(directory);
        match self {
            Self::Kalends(peer) => git.trusting(&peer.storage.with_file_name(servers::KALENDS_AUTHORITY)),
            Self::HttpBackend { transport: Transport::Tls, directory, .. } => {
                git.trusting(&directory.join(CERTIFICATE))
            }
            Self::HttpBackend { transport: Transport::Plain, .. } => git,
        }
    }
}
