//! The resource whose properties are at issue, borrowed: thousands are written without copying any.

use crate::{
    dav::{
        home::Home,
        location::HomePath,
        resource::{Principal, Resource},
    },
    snapshot::{Directory, File, Node},
};

/// A resource, seen by its properties.
#[derive(Clone, Copy)]
pub(in crate::dav) enum Subject<'a> {
    /// `/dav/`.
    Root,
    /// `/dav/principals/`.
    Principals,
    /// A principal.
    Principal(&'a Principal),
    /// `/dav/calendars/`.
    Homes,
    /// A calendar home or a collection in it.
    Collection {
        /// The home it is in.
        home: &'a Home,
        /// Where in it.
        path: &'a HomePath,
        /// What is in it.
        directory: &'a Directory,
    },
    /// A resource in a home that is no collection.
    File {
        /// The home it is in.
        home: &'a Home,
        /// What it is.
        file: &'a File,
    },
}

impl<'a> From<&'a Resource> for Subject<'a> {
    fn from(resource: &'a Resource) -> Self {
        match resource {
            Resource::Root => Self::Root,
            Resource::Principals => Self::Principals,
            Resource::Principal(principal) => Self::Principal(principal),
            Resource::Homes => Self::Homes,
            Resource::Node { home, path, node: Node::Directory(directory) } => {
                Self::Collection { home, path, directory }
            }
            Resource::Node { home, node: Node::File(file), .. } => Self::File { home, file },
        }
    }
}

impl<'a> Subject<'a> {
    /// The directory, where it is a collection in a home.
    pub(super) fn directory(self) -> Option<&'a Directory> {
        match self {
            Self::Collection { directory, .. } => Some(directory),
            _ => None,
        }
    }

    /// The directory, where it is a calendar.
    pub(super) fn calendar(self) -> Option<&'a Directory> {
        self.directory().filter(|directory| directory.collection.is_calendar())
    }

    /// The home that it is in, or is.
    pub(super) fn home(self) -> Option<&'a Home> {
        match self {
            Self::Collection { home, .. } | Self::File { home, .. } => Some(home),
            Self::Root | Self::Principals | Self::Principal(_) | Self::Homes => None,
        }
    }
}
