//! `kalends passwd`: a hash for `users.toml`.

use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

fn passwd(input: &[u8]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_kalends"));
    program.arg("passwd").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut program = program.spawn().unwrap();
    program.stdin.take().unwrap().write_all(input).unwrap();
    program.wait_with_output().unwrap()
}

#[test]
fn a_password_from_a_pipe_gives_its_hash_and_nothing_else() {
    let output = passwd(b"correct horse\n");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.starts_with("$argon2id$v=19$") && text.ends_with('\n') && text.lines().count() == 1,
        "{text}"
    );
    assert!(output.stderr.is_empty());
}

#[test]
fn an_unfit_password_is_refused() {
    let output = passwd(b"short\n");
    assert!(!output.status.success() && output.stdout.is_empty());
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with("kalends: ") && text.lines().count() == 1, "{text}");
}
