//! The ways to boot.

/// What an image is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Spt,
    Hvt,
    Virtio,
}

impl Target {
    const ALL: [Self; 3] = [Self::Spt, Self::Hvt, Self::Virtio];

    /// The name, which is also that of the feature and the end of the image's file name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Spt => "spt",
            Self::Hvt => "hvt",
            Self::Virtio => "virtio",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|target| target.name() == name)
    }
}
