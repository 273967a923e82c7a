//! The ways to boot.

/// What an image is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Spt,
    Hvt,
    Virtio,
    Multiboot,
}

impl Target {
    const ALL: [Self; 4] = [Self::Spt, Self::Hvt, Self::Virtio, Self::Multiboot];

    /// The name, which is also the end of the image's file name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Spt => "spt",
            Self::Hvt => "hvt",
            Self::Virtio => "virtio",
            Self::Multiboot => "multiboot",
        }
    }

    /// The feature of the program that is built for it.
    pub(crate) fn feature(self) -> &'static str {
        match self {
            Self::Multiboot => Self::Virtio.name(),
            target => target.name(),
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|target| target.name() == name)
    }
}
