//! Links the image again when its linker script has changed, which cargo does not see otherwise.

fn main() {
    println!("cargo:rerun-if-changed=../nolibc/link.ld");
}
