//! What a URL names at this moment.

use super::{
    error::DavError,
    home::Home,
    location::{HomePath, Location, principal_href},
};
use crate::{
    Service,
    realm::{Group, User},
    snapshot::Node,
};
use http::StatusCode;

/// A principal (RFC 3744 §2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Principal {
    /// A person.
    User(User),
    /// People together.
    Group(Group),
}

impl Principal {
    /// The principal of this name, if `user` may see it: oneself and the groups that one is in, and for
    /// administrators everybody.
    pub(crate) fn find(service: &Service, user: &User, name: &str) -> Option<Self> {
        if name == user.name {
            return Some(Self::User(user.clone()));
        }
        if let Some(group) = service.realm.group(name) {
            let may_see = user.administrator || group.members.contains(&user.name);
            return may_see.then_some(Self::Group(group));
        }
        if user.administrator { service.realm.user(name).map(Self::User) } else { None }
    }

    /// The principals that the user may see, users first, sorted by name.
    pub(crate) fn visible(service: &Service, user: &User) -> Vec<Self> {
        let users = match user.administrator {
            true => service.realm.user_names(),
            false => vec![user.name.clone()],
        };
        let groups = match user.administrator {
            true => service.realm.group_names(),
            false => service.realm.groups_of(&user.name).into_iter().map(|group| group.name).collect(),
        };
        let names = users.into_iter().chain(groups);
        names.filter_map(|name| Self::find(service, user, &name)).collect()
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::User(user) => &user.name,
            Self::Group(group) => &group.name,
        }
    }

    /// Its URL.
    pub(crate) fn href(&self) -> String {
        principal_href(self.name())
    }
}

/// What a URL below `/dav/` names.
#[derive(Clone)]
pub(crate) enum Resource {
    /// `/dav/`.
    Root,
    /// `/dav/principals/`.
    Principals,
    /// A principal.
    Principal(Principal),
    /// `/dav/calendars/`.
    Homes,
    /// A calendar home or what is in it. The path ends in a slash if, and only if, it is a collection.
    Node {
        /// The home it is in.
        home: Home,
        /// Where in it.
        path: HomePath,
        /// What it is.
        node: Node,
    },
}

impl Resource {
    /// What is at a place, for `user`.
    ///
    /// # Errors
    /// 404 when nothing is there that the user may see.
    pub(crate) fn find(service: &Service, user: &User, location: &Location) -> Result<Self, DavError> {
        match location {
            Location::Root => Ok(Self::Root),
            Location::Principals => Ok(Self::Principals),
            Location::Principal(name) => match Principal::find(service, user, name) {
                Some(principal) => Ok(Self::Principal(principal)),
                None => Err(DavError::new(StatusCode::NOT_FOUND, format!("no principal {name:?}"))),
            },
            Location::Homes => Ok(Self::Homes),
            Location::Home(path) => {
                let home = Home::open(service, user, &path.owner)?;
                let node = home.node(path)?;
                let mut path = path.clone();
                path.slash = node.directory().is_some();
                Ok(Self::Node { home, path, node })
            }
        }
    }

    /// Its URL path.
    pub(crate) fn href(&self) -> String {
        match self {
            Self::Root => Location::Root.href(),
            Self::Principals => Location::Principals.href(),
            Self::Principal(principal) => principal.href(),
            Self::Homes => Location::Homes.href(),
            Self::Node { path, .. } => path.href(),
        }
    }
}
