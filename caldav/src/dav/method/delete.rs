//! DELETE (RFC 4918 §9.6).

use super::{
    calendar_object, conditions::Conditions, edit::Edit, message, options::not_allowed, target::Target,
};
use crate::{
    RequestBody, ResponseBody, Service,
    dav::{DavError, Depth, bare, home::Home, location::Location},
    realm::User,
    snapshot::Node,
};
use http::{Request, Response, StatusCode};
use kalends_store::Objects;

/// DELETE: removes a file, or a collection with all that is in it. The history keeps them.
pub(in crate::dav) async fn delete(
    service: &Service,
    user: &User,
    location: &Location,
    request: &Request<RequestBody>,
) -> Result<Response<ResponseBody>, DavError> {
    let Location::Home(path) = location else {
        return not_allowed(service, user, location, request.method());
    };
    let conditions = Conditions::of(request.headers())?;
    let depth = Depth::of(request.headers(), Depth::Infinity)?;
    let home = Home::open(service, user, &path.owner)?.latest()?;
    let node = home.node(path)?;
    let target = Target::find(&home, path)?;
    conditions.check(&home, path, Some(node.id()))?;
    let (is_collection, summary) = match &node {
        Node::Directory(_) if depth != Depth::Infinity => {
            let reason = "a collection is deleted with all that is in it: Depth can only be infinity";
            return Err(DavError::new(StatusCode::BAD_REQUEST, reason));
        }
        Node::Directory(_) => (true, None),
        Node::File(file) if file.is_calendar_object() => {
            (false, calendar_object::summary_of(service, home.repository.object(&file.id)?.data))
        }
        Node::File(_) => (false, None),
    };
    let mut edit = Edit::new(&home);
    edit.remove(&target);
    let message = message::about("Delete", &target.path, is_collection, summary.as_deref());
    if let Some(commit) = edit.submit(user, &message)? {
        commit.await?;
    }
    Ok(bare(StatusCode::NO_CONTENT))
}
