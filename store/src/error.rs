//! What can go wrong in the store.

use gix_hash::ObjectId;
use kalends_block_backend::DeviceError;
use std::{fmt, rc::Rc};

/// Why the store could not do as asked.
#[derive(Clone, Debug)]
pub enum Error {
    /// The device holds no Kalends store, or one of another format version; says which.
    NotAStore(String),
    /// The store on the device is damaged where it cannot do without; says where.
    DamagedStore(String),
    /// A store cannot be made on this device; says why.
    UnsuitableDevice(String),
    /// No repository has this name.
    NoRepository(String),
    /// A repository of this name exists already.
    RepositoryExists(String),
    /// The name cannot be that of a repository or a reference.
    InvalidName(String),
    /// The repository does not have this object.
    NoObject(ObjectId),
    /// The object exists but is of another kind than the caller needs.
    UnexpectedKind(ObjectId),
    /// The object's bytes on the device are not those that were written.
    Damaged {
        /// The object.
        id: ObjectId,
        /// What was found.
        reason: String,
    },
    /// Bytes that should be a git object or a pack are not; says how.
    Malformed(String),
    /// A reference no longer has the value that the transaction expects.
    ReferenceConflict {
        /// The full name of the reference.
        name: String,
        /// Its value now.
        current: Option<ObjectId>,
    },
    /// A reference cannot be beside another whose name is a directory of its own, or the other way round.
    NameConflict {
        /// The full name of the reference.
        name: String,
        /// The one that exists.
        other: String,
    },
    /// The device has no room for this write. Nothing was changed.
    DeviceFull,
    /// A limit of the store was exceeded; says which.
    Limit(String),
    /// The device failed; the store takes no more writes.
    Device(Rc<DeviceError>),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAStore(reason) => write!(f, "not a Kalends store: {reason}"),
            Self::DamagedStore(reason) => write!(f, "the store is damaged: {reason}"),
            Self::UnsuitableDevice(reason) => write!(f, "the device cannot hold a store: {reason}"),
            Self::NoRepository(name) => write!(f, "no repository {name:?}"),
            Self::RepositoryExists(name) => write!(f, "repository {name:?} exists already"),
            Self::InvalidName(name) => write!(f, "{name:?} is not a valid name"),
            Self::NoObject(id) => write!(f, "no object {id}"),
            Self::UnexpectedKind(id) => write!(f, "object {id} is of an unexpected kind"),
            Self::Damaged { id, reason } => write!(f, "object {id} is damaged: {reason}"),
            Self::Malformed(reason) => write!(f, "malformed: {reason}"),
            Self::ReferenceConflict { name, current: Some(id) } => write!(f, "{name} has moved to {id}"),
            Self::ReferenceConflict { name, current: None } => write!(f, "{name} does not exist"),
            Self::NameConflict { name, other } => write!(f, "{name} cannot exist beside {other}"),
            Self::DeviceFull => f.write_str("the device is full"),
            Self::Limit(what) => write!(f, "limit exceeded: {what}"),
            Self::Device(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<DeviceError> for Error {
    fn from(error: DeviceError) -> Self {
        Self::Device(Rc::new(error))
    }
}
