//! Kalends as a guest: the same service over the devices that a tender or a virtual machine gives.

mod storage;

use kalends_nolibc::exit;

/// Runs the guest; the result is its exit status.
pub fn run(command_line: &str) -> u8 {
    match serve(command_line) {
        Ok(()) => exit::SUCCESS,
        Err(error) => {
            eprintln!("kalends: {error}");
            exit::FAILURE
        }
    }
}

fn serve(command_line: &str) -> Result<(), String> {
    println!("command line {command_line:?}");
    let device = storage::open()?;
    let store = kalends_store::Store::open(device).map_err(|e| e.to_string())?;
    println!("repositories {:?} {:?}", store.repositories(), std::time::SystemTime::now());
    let realm = kalends_caldav::realm::Realm::open(store.clone()).map_err(|e| e.to_string())?;
    println!("{:?}", realm.user_names());
    realm.set_password("ada", "a secret word").map_err(|e| e.to_string())?;
    store.close().map_err(|e| e.to_string())?;
    println!("{:?}", kalends_nolibc::memory_use());
    Ok(())
}
