//! The two servers of git repositories.

use super::Git;
use crate::{
    load::{Address, Failure},
    servers::{self, Kind, Peer},
};
use kalends_interop_tests::{TemporaryDirectory, git_http_backend::GitHttpBackend};
use std::path::Path;

/// What the two are called.
pub(super) const KALENDS: &str = Kind::Kalends.name();
pub(super) const HTTP_BACKEND: &str = "git http-backend";

/// A server with a repository that has one commit.
pub(super) enum Server {
    Kalends(Box<Peer>),
    HttpBackend { server: GitHttpBackend, _directory: TemporaryDirectory },
}

impl Server {
    pub(super) fn kalends() -> Result<Self, Failure> {
        Ok(Self::Kalends(Box::new(Kind::Kalends.start(0)?)))
    }

    /// With a copy of a bare repository, as it lies.
    pub(super) fn http_backend(repository: &Path) -> Result<Self, Failure> {
        let directory = TemporaryDirectory::new();
        let git = Git::new(directory.path());
        let from = repository.to_str().unwrap();
        git.run(&["clone", "--quiet", "--mirror", "--local", from, "ada.git"]).map_err(Failure::Refused)?;
        Ok(Self::HttpBackend { server: GitHttpBackend::start(directory.path()), _directory: directory })
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Kalends(_) => KALENDS,
            Self::HttpBackend { .. } => HTTP_BACKEND,
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
            Self::HttpBackend { server, .. } => (Address::plain(server.port()), "/ada.git"),
        }
    }

    /// git in this directory, trusting the server.
    pub(super) fn git(&self, directory: &Path) -> Git {
        let git = Git::new(directory);
        match self {
            Self::Kalends(peer) => git.trusting(&peer.storage.with_file_name(servers::KALENDS_AUTHORITY)),
            Self::HttpBackend { .. } => git,
        }
    }
}
