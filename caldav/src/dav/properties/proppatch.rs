//! PROPPATCH (RFC 4918 §9.2).

use super::instructions::{self, Instruction, Outcome};
use crate::{
    Change, RequestBody, ResponseBody, Service,
    collection::{COLLECTION_FILE, Collection},
    collection_edit,
    dav::{
        DavError, bare,
        home::Home,
        location::{HomePath, Location},
        method::Conditions,
        multistatus,
        prefer::Preferences,
        read_xml,
        resource::Resource,
        xml::DAV,
        xml_writer::tagged,
    },
    realm::User,
    snapshot::{Directory, Node},
};
use http::{Request, Response, StatusCode};
use kalends_store::{Commit, Objects};

/// Answers a PROPPATCH: everything is changed, and durable, or nothing is.
pub(in crate::dav) async fn proppatch(
    service: &Service,
    user: &User,
    location: &Location,
    request: Request<RequestBody>,
) -> Result<Response<ResponseBody>, DavError> {
    let preferences = Preferences::of(request.headers());
    let conditions = Conditions::of(request.headers())?;
    let bad = |reason: &str| DavError::new(StatusCode::BAD_REQUEST, reason);
    let body = read_xml(request).await?;
    let Some(root) = body.filter(|root| root.is(DAV, "propertyupdate")) else {
        return Err(bad("the body must be DAV:propertyupdate"));
    };
    let instructions = instructions::read(&root, true)?;
    if instructions.is_empty() {
        return Err(bad("DAV:propertyupdate must hold DAV:set or DAV:remove with a property"));
    }
    let (href, outcome) = match location {
        Location::Home(path) => {
            let home = Home::open(service, user, &path.owner)?;
            let (href, outcome, commit) = change(user, &home.latest()?, path, &conditions, instructions)?;
            match commit {
                Some(commit) => commit.await?,
                // Nothing is left to do, but what is there already may not be durable yet.
                None if outcome.is_success() => service.store.sync().await?,
                None => {}
            }
            (href, outcome)
        }
        _ => {
            let href = Resource::find(service, user, location)?.href();
            let reason = "the properties of this resource are not kept by clients";
            let error = DavError::new(StatusCode::FORBIDDEN, reason);
            (href, Outcome::refused(instructions, &error))
        }
    };
    if preferences.minimal && outcome.is_success() {
        let mut response = bare(StatusCode::OK);
        preferences.acknowledge(&mut response, true, false);
        return Ok(response);
    }
    let mut element = String::from("<D:response>");
    tagged(&mut element, "D:href", &href);
    outcome.write(&mut element);
    element.push_str("</D:response>\n");
    Ok(multistatus::single(element))
}

/// Carries out the instructions on what is at `path` in the newest submitted state of the home, and submits
/// the change. There is no commit when nothing is to be changed, or may be.
fn change(
    user: &User,
    home: &Home,
    path: &HomePath,
    conditions: &Conditions,
    instructions: Vec<Instruction>,
) -> Result<(String, Outcome, Option<Commit>), DavError> {
    let node = home.node(path)?;
    conditions.check(home, path, Some(node.id()))?;
    let (directory, member) = match &node {
        Node::Directory(directory) => (directory, None),
        Node::File(file) => {
            let name = std::str::from_utf8(&file.name).map_err(|_| {
                let reason = "properties are kept for names in UTF-8 only";
                DavError::new(StatusCode::FORBIDDEN, reason)
            })?;
            (&file.parent, Some(name))
        }
    };
    let mut collection = stored(&home.repository, directory)?;
    let outcome = instructions::apply(&mut collection, member, instructions, false);
    let href = HomePath { slash: member.is_none(), ..path.clone() }.href();
    if !outcome.is_success() || collection == *directory.collection {
        return Ok((href, outcome, None));
    }
    let mut names = path.names();
    if member.is_some() {
        names.pop();
    }
    names.push(COLLECTION_FILE.as_bytes());
    let message = message(path, member.is_none(), &outcome);
    let mut change = Change::new(&home.repository);
    change.write(&names, collection_edit::file_of(&collection, &home.repository, &directory.tree)?)?;
    let commit = change.submit(&user.author(), &message)?;
    Ok((href, outcome, commit))
}

/// What the `.collection.toml` says; one that cannot be read is not written over.
fn stored(objects: &dyn Objects, directory: &Directory) -> Result<Collection, DavError> {
    if let Some(Err(error)) = Collection::stored(objects, &directory.tree)? {
        let reason = format!("{COLLECTION_FILE} cannot be read, mend it by git: {error}");
        return Err(DavError::new(StatusCode::CONFLICT, reason));
    }
    Ok((*directory.collection).clone())
}

/// The commit's message: `Name work: Office`, `Set properties of work/` or `… of work/lunch.ics`.
fn message(path: &HomePath, is_collection: bool, outcome: &Outcome) -> String {
    /// Characters of a name.
    const LONGEST: usize = 60;
    let place = match path.segments.is_empty() {
        true => "the calendar home".into(),
        false => one_line(&path.display()),
    };
    match outcome.only_name().filter(|_| is_collection) {
        Some(name) => {
            let name: String = one_line(&name).chars().take(LONGEST).collect();
            format!("Name {place}: {}", name.trim())
        }
        None if is_collection && !path.segments.is_empty() => format!("Set properties of {place}/"),
        None => format!("Set properties of {place}"),
    }
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
