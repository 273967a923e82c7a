//! PROPFIND (RFC 4918 §9.1).

use super::{
    members::{self, Members},
    request::PropertyRequest,
    write::{Context, ResponseWriter},
};
use crate::{
    RequestBody, ResponseBody, Service,
    dav::{
        DavError, Depth,
        location::{HomePath, Location},
        multistatus,
        prefer::Preferences,
        read_xml,
        resource::{Principal, Resource},
        xml::DAV,
    },
    realm::User,
    snapshot::Node,
};
use http::{HeaderValue, Request, Response, StatusCode, header};

/// Members that `Depth: infinity` gives at most.
const MAX_DEEP_MEMBERS: usize = 100_000;

/// Answers a PROPFIND. The answer to one for `/` is about `/dav/`, under that name.
pub(in crate::dav) async fn propfind(
    service: &Service,
    user: &User,
    location: &Location,
    request: Request<RequestBody>,
) -> Result<Response<ResponseBody>, DavError> {
    let depth = Depth::of(request.headers(), Depth::Infinity)?;
    let preferences = Preferences::of(request.headers());
    let path = request.uri().path().to_owned();
    let properties = match read_xml(request).await? {
        None => PropertyRequest::all(),
        Some(root) if root.is(DAV, "propfind") => PropertyRequest::parse(&root)?,
        Some(root) => {
            let reason = format!("the body must be DAV:propfind, not {}", root.name.local());
            return Err(DavError::new(StatusCode::BAD_REQUEST, reason));
        }
    };
    let resource = Resource::find(service, user, location)?;
    let href = if path == "/" { path.clone() } else { resource.href() };
    let (mut listed, mut members) = listing(service, user, (href.clone(), resource), depth)?;
    if preferences.no_root && depth != Depth::Zero {
        listed.remove(0);
    }
    let mut listed = listed.into_iter();
    let mut writer = ResponseWriter::new(properties.preferring(preferences));
    let (service, user) = (service.clone(), user.clone());
    let next = move |out: &mut String| {
        let context = Context { service: &service, user: &user, calendar_data: None };
        match (listed.next(), &mut members) {
            (Some((href, resource)), _) => {
                writer.write(out, &context, &href, (&resource).into());
                true
            }
            (None, Some(members)) => members.write_next(out, &context, &mut writer),
            (None, None) => false,
        }
    };
    let mut response = multistatus::response(next, String::new());
    // RFC 4918 §5.2: a collection was named without its final slash.
    if href.strip_suffix('/').is_some_and(|without| without == path)
        && let Ok(location) = HeaderValue::from_str(&href)
    {
        response.headers_mut().insert(header::CONTENT_LOCATION, location);
    }
    preferences.acknowledge(&mut response, preferences.minimal, depth != Depth::Zero);
    Ok(response)
}

type Listed = Vec<(String, Resource)>;

/// What is answered about: some resources one by one, then the members of one collection.
fn listing(
    service: &Service,
    user: &User,
    (href, resource): (String, Resource),
    depth: Depth,
) -> Result<(Listed, Option<Members>), DavError> {
    let mut listed = vec![(href.clone(), resource.clone())];
    let push = |listed: &mut Listed, resource: Resource| listed.push((resource.href(), resource));
    if depth == Depth::Zero {
        return Ok((listed, None));
    }
    let deep = depth == Depth::Infinity;
    let mut node = Some(resource.clone()).filter(|resource| matches!(resource, Resource::Node { .. }));
    match resource {
        Resource::Root if href == "/" && !deep => push(&mut listed, Resource::Root),
        Resource::Root => {
            if href == "/" {
                push(&mut listed, Resource::Root);
            }
            push(&mut listed, Resource::Principals);
            if deep {
                principals(service, user).into_iter().for_each(|found| push(&mut listed, found));
            }
            push(&mut listed, Resource::Homes);
            if deep {
                let home = own_home(service, user)?;
                push(&mut listed, home.clone());
                node = Some(home);
            }
        }
        Resource::Principals => {
            principals(service, user).into_iter().for_each(|found| push(&mut listed, found));
        }
        Resource::Homes => {
            let home = own_home(service, user)?;
            push(&mut listed, home.clone());
            node = Some(home).filter(|_| deep);
        }
        Resource::Principal(_) | Resource::Node { .. } => {}
    }
    let Some(Resource::Node { home, path, node: Node::Directory(directory) }) = node else {
        return Ok((listed, None));
    };
    if deep && members::exceed(&home.repository, directory.id, MAX_DEEP_MEMBERS)? {
        let reason = format!("more than {MAX_DEEP_MEMBERS} members are below; use Depth: 1");
        return Err(DavError::dav(StatusCode::FORBIDDEN, "propfind-finite-depth", reason));
    }
    Ok((listed, Some(Members::new(home, path, directory, deep))))
}

fn principals(service: &Service, user: &User) -> Vec<Resource> {
    Principal::visible(service, user).into_iter().map(Resource::Principal).collect()
}

fn own_home(service: &Service, user: &User) -> Result<Resource, DavError> {
    Resource::find(service, user, &Location::Home(HomePath::home(&user.name)))
}
