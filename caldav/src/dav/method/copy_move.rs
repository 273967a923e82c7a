//! COPY and MOVE (RFC 4918 §9.8, §9.9).
//!
//! Both are one commit that puts the object of the source, a file or a directory with all that is in it, at
//! the destination: nothing is copied on the device.

use super::{
    calendar_object,
    conditions::Conditions,
    edit::{self, Edit},
    message,
    mkcol::{calendar_in_calendar, is_in_calendar},
    options::not_allowed,
    survey::survey,
    target::Target,
};
use crate::{
    RequestBody, ResponseBody, Service,
    collection::Collection,
    dav::{
        DavError, Depth, bare,
        home::Home,
        location::{HomePath, Location, MAX_SEGMENTS},
    },
    realm::User,
    snapshot::{Directory, File, Node},
};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use kalends_store::Objects;
use std::rc::Rc;

/// Resources that one COPY may make. Copies of copies grow fast, and whoever lists them would suffer.
const MAX_COPIES: u64 = 200_000;

/// What is asked for.
struct Order {
    moves: bool,
    from: HomePath,
    to: HomePath,
    overwrite: bool,
    depth: Depth,
    conditions: Conditions,
}

/// COPY and MOVE.
pub(in crate::dav) async fn copy_or_move(
    service: &Service,
    user: &User,
    location: &Location,
    request: &Request<RequestBody>,
) -> Result<Response<ResponseBody>, DavError> {
    let Location::Home(from) = location else {
        return not_allowed(service, user, location, request.method());
    };
    let home = Home::open(service, user, &from.owner)?;
    let headers = request.headers();
    let order = Order {
        moves: request.method().as_str() == "MOVE",
        from: from.clone(),
        to: destination(headers, from)?,
        overwrite: overwrite(headers)?,
        depth: Depth::of(headers, Depth::Infinity)?,
        conditions: Conditions::of(headers)?,
    };
    calendar_object::prepare(service, &home, &order.to).await?;
    let (edit, message, status) = carry_out(service, &home.latest()?, &order)?;
    match edit.submit(user, &message)? {
        Some(commit) => commit.await?,
        // The same was there before, perhaps for a moment only.
        None => service.store.sync().await?,
    }
    Ok(bare(status))
}

/// The place that the `Destination` header names.
fn destination(headers: &HeaderMap, from: &HomePath) -> Result<HomePath, DavError> {
    let bad = |reason: &str| DavError::new(StatusCode::BAD_REQUEST, reason);
    let value = headers.get("destination").ok_or_else(|| bad("there is no Destination"))?;
    let value = value.to_str().map_err(|_| bad("Destination is no URL"))?;
    let elsewhere = || {
        let reason = "the destination is not in the calendar home of the source";
        DavError::new(StatusCode::FORBIDDEN, reason)
    };
    match Location::parse_reference(value) {
        Ok(Location::Home(to)) if to.owner == from.owner => Ok(to),
        Ok(_) => Err(elsewhere()),
        Err(error) if error.status == StatusCode::NOT_FOUND => Err(elsewhere()),
        Err(error) => Err(error),
    }
}

/// The `Overwrite` header (RFC 4918 §10.6).
fn overwrite(headers: &HeaderMap) -> Result<bool, DavError> {
    match headers.get("overwrite").map(HeaderValue::as_bytes) {
        None | Some(b"T" | b"t") => Ok(true),
        Some(b"F" | b"f") => Ok(false),
        Some(_) => Err(DavError::new(StatusCode::BAD_REQUEST, "Overwrite must be T or F")),
    }
}

/// Checks everything and makes the change, its message, and the status to answer with.
fn carry_out(service: &Service, home: &Home, order: &Order) -> Result<(Edit, String, StatusCode), DavError> {
    let node = home.node(&order.from)?;
    let source = Target::find(home, &order.from)?;
    order.conditions.check(home, &order.from, Some(node.id()))?;
    check_places(order, &node)?;
    let target = Target::find(home, &order.to)?;
    if target.occupant.is_none() {
        target.check_new()?;
    } else if !order.overwrite {
        let reason = "something is at the destination, and Overwrite is F";
        return Err(DavError::new(StatusCode::PRECONDITION_FAILED, reason));
    }
    let mut edit = Edit::new(home);
    let (mut entry, mut properties) = (node.entry(), Vec::new());
    match &node {
        Node::File(file) => {
            check_file(service, home, order, &source, &target, file)?;
            properties = edit::dead_properties(&source);
        }
        Node::Directory(directory) if order.depth == Depth::Zero => {
            // RFC 4918 §9.8.3: the collection with its properties, without its members.
            if directory.collection.is_calendar() && is_in_calendar(&home.snapshot(), &target.parent_path)? {
                return Err(calendar_in_calendar());
            }
            let collection = Collection { members: Default::default(), ..(*directory.collection).clone() };
            entry.1 = edit.insert_collection(&collection)?;
        }
        Node::Directory(directory) => check_directory(home, order, &target, directory)?,
    }
    if order.moves {
        edit.remove(&source);
    }
    edit.place(&target, entry, properties);
    let verb = if order.moves { "Move" } else { "Copy" };
    let message = message::from_to(verb, &source.path, &target.path, node.directory().is_some());
    let status = match target.occupant {
        Some(_) => StatusCode::NO_CONTENT,
        None => StatusCode::CREATED,
    };
    Ok((edit, message, status))
}

/// Checks that source and destination can be what they are to each other, and the depth.
fn check_places(order: &Order, node: &Node) -> Result<(), DavError> {
    let forbidden = |reason: &str| Err(DavError::new(StatusCode::FORBIDDEN, reason));
    let (from, to) = (&order.from.segments, &order.to.segments);
    if from == to {
        return forbidden("source and destination are the same");
    }
    if from.starts_with(to) {
        return forbidden("the source is in the collection at the destination, which would be replaced");
    }
    if node.directory().is_none() {
        return Ok(());
    }
    match order.depth {
        Depth::Infinity => {}
        Depth::Zero if !order.moves => return Ok(()),
        _ => {
            let reason = match order.moves {
                true => "a collection is moved with all that is in it: Depth can only be infinity",
                false => "a collection is copied with Depth 0 or infinity",
            };
            return Err(DavError::new(StatusCode::BAD_REQUEST, reason));
        }
    }
    if to.starts_with(from) {
        return forbidden("the destination is in the source");
    }
    Ok(())
}

fn check_file(
    service: &Service,
    home: &Home,
    order: &Order,
    source: &Target,
    target: &Target,
    file: &File,
) -> Result<(), DavError> {
    if order.to.slash && target.occupant.is_none() {
        let reason = "the destination ends in a slash, as the URL of a file does not";
        return Err(DavError::new(StatusCode::CONFLICT, reason));
    }
    if !target.parent.collection.is_calendar() {
        return Ok(());
    }
    calendar_object::check_name(target)?;
    let data = home.repository.object(&file.id)?.data;
    let object = calendar_object::check(service, &target.parent.collection, data)?;
    let leaving = (order.moves && source.parent_path == target.parent_path).then(|| source.name());
    calendar_object::check_uid(service, home, target, &object.uid, leaving)
}

fn check_directory(
    home: &Home,
    order: &Order,
    target: &Target,
    directory: &Rc<Directory>,
) -> Result<(), DavError> {
    let snapshot = home.snapshot();
    let in_calendar = is_in_calendar(&snapshot, &target.parent_path)?;
    if order.moves && !in_calendar && order.to.segments.len() <= order.from.segments.len() {
        // However large it is, nothing in it comes to a place where it could not be.
        return Ok(());
    }
    // Files in the innermost directory must have a URL too.
    let deepest = MAX_SEGMENTS.saturating_sub(target.path.segments.len());
    let survey = survey(&snapshot, directory, deepest)?;
    if in_calendar && survey.has_calendar {
        return Err(calendar_in_calendar());
    }
    if !order.moves && survey.resources > MAX_COPIES {
        let reason = format!("{} resources at once; a copy may have {MAX_COPIES}", survey.resources);
        return Err(DavError::new(StatusCode::INSUFFICIENT_STORAGE, reason));
    }
    Ok(())
}
