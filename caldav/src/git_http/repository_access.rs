//! Who may use which repository.

use crate::{Service, realm::User, request_body::Refused};
use http::StatusCode;
use kalends_store::{Error, Repository};
use percent_encoding::percent_decode_str;

/// The repository that configures the server.
const REALM: &str = "realm";

/// The repository of this name in a URL, if it is the user's.
///
/// Others' repositories are answered as if they did not exist, for administrators too: what an
/// administrator may change of others is in the realm.
pub(super) fn find_repository(service: &Service, user: &User, name: &str) -> Result<Repository, Refused> {
    let name = percent_decode_str(name).decode_utf8_lossy();
    let name = name.strip_suffix(".git").unwrap_or(&name);
    if name == REALM && !user.administrator {
        return Err((StatusCode::FORBIDDEN, "the realm is for administrators only".into()));
    }
    let not_found =
        || (StatusCode::NOT_FOUND, format!("no such repository; yours is /git/{}.git", user.name));
    if name != user.name && name != REALM {
        return Err(not_found());
    }
    service.store.repository(name).map_err(|error| match error {
        Error::NoRepository(_) => not_found(),
        error => super::failed(error),
    })
}
