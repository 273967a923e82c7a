//! What checks and repairs say, line by line.

use gix_hash::ObjectId;
use std::fmt;

/// One line about a store: of which class, about what, and the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark<Class> {
    /// How bad it is, or what became of it.
    pub class: Class,
    /// The repository that it is in.
    pub repository: Option<String>,
    /// The object that it is about.
    pub object: Option<ObjectId>,
    /// What was found or done, in one line.
    pub message: String,
}

impl<Class> Remark<Class> {
    /// About the device.
    pub(crate) fn of_device(class: Class, message: String) -> Self {
        Self { class, repository: None, object: None, message }
    }

    /// About a repository, or an object in it.
    pub(crate) fn of_repository(
        class: Class,
        repository: &str,
        object: Option<ObjectId>,
        message: String,
    ) -> Self {
        Self { class, repository: Some(repository.to_owned()), object, message }
    }
}

impl<Class> fmt::Display for Remark<Class> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(repository) = &self.repository {
            write!(f, "{repository}: ")?;
        }
        if let Some(object) = &self.object {
            write!(f, "object {object}: ")?;
        }
        f.write_str(&self.message)
    }
}
