//! What images hold.

use kalends_interop_tests::image::image;
use std::{
    env, fs,
    path::{Path, PathBuf},
};

#[test]
fn an_image_does_not_tell_where_it_was_built() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned();
    let home = PathBuf::from(env::var_os("HOME").expect("HOME is set"));
    let cargo_home = env::var_os("CARGO_HOME").map_or(home.join(".cargo"), PathBuf::from);
    for target in ["spt", "hvt", "virtio"] {
        let bytes = fs::read(image(target)).unwrap();
        for place in [&workspace, &cargo_home] {
            let place = place.as_os_str().as_encoded_bytes();
            let found = bytes.windows(place.len()).any(|window| window == place);
            assert!(!found, "{target} names {}", String::from_utf8_lossy(place));
        }
    }
}
