//! The device file and the store on it.

use kalends_block_backend::{FileDevice, OpenError};
use kalends_store::{Error, FormatOptions, Store};
use std::{fs, io, path::Path, rc::Rc};

/// Opens the store on a device, or makes both when the file does not exist; says whether it did.
pub(crate) fn open_or_create(path: &Path, size: u64) -> Result<(Store, bool), String> {
    match FileDevice::open(path) {
        Ok(device) => match Store::open(Rc::new(device)) {
            Ok(store) => Ok((store, false)),
            Err(error) => Err(cannot_open(path, &error)),
        },
        Err(OpenError::Io(_, error)) if error.kind() == io::ErrorKind::NotFound => {
            create(path, size).map(|store| (store, true))
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Opens the store on a device there is.
pub(crate) fn open(path: &Path) -> Result<Store, String> {
    let device = FileDevice::open(path).map_err(|error| match error {
        OpenError::InUse(_) => {
            format!("{} is being served by another process; stop that one first", path.display())
        }
        other => other.to_string(),
    })?;
    Store::open(Rc::new(device)).map_err(|error| cannot_open(path, &error))
}

/// Why a store does not open, and what can be done about it.
fn cannot_open(path: &Path, error: &Error) -> String {
    let path = path.display();
    match error {
        Error::DamagedStore(_) => {
            format!("{path}: {error}; `kalends repair {path}` opens it with all that is whole")
        }
        other => format!("{path}: {other}"),
    }
}

/// Formats under another name first: a device with the final name always holds a whole store.
pub(crate) fn create(path: &Path, size: u64) -> Result<Store, String> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = Path::new(&new);
    match fs::remove_file(new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(format!("cannot replace {}: {error}", new.display()));
        }
        _ => {}
    }
    let device = FileDevice::create(new, size).map_err(|error| error.to_string())?;
    let store = Store::format(Rc::new(device), &FormatOptions::default())
        .map_err(|error| format!("cannot format {}: {error}", path.display()))?;
    fs::rename(new, path).map_err(|error| format!("cannot create {}: {error}", path.display()))?;
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // The name must survive a power failure as the data does.
    fs::File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| format!("cannot create {}: {error}", path.display()))?;
    Ok(store)
}
