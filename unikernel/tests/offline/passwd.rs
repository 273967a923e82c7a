//! `kalends passwd`: a hash for `users.toml`.

use std::{
    io::{Read, Write},
    process::{Child, Command, Output, Stdio},
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

/// A terminal, by script(1), with the program at it.
struct Terminal {
    program: Child,
    shown: String,
}

impl Terminal {
    fn new() -> Self {
        let command = format!("{} passwd", env!("CARGO_BIN_EXE_kalends"));
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--command", &command, "/dev/null"]);
        let program = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        Self { program, shown: String::new() }
    }

    /// Reads until the terminal shows a prompt, then types.
    fn answer(&mut self, prompt: &str, keys: &str) {
        let mut byte = [0];
        while !self.shown.ends_with(prompt) {
            let read = self.program.stdout.as_mut().unwrap().read(&mut byte).unwrap();
            assert_eq!(read, 1, "the program ended: {}", self.shown);
            self.shown.push(char::from(byte[0]));
        }
        self.program.stdin.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    fn end(mut self) -> (bool, String) {
        let mut rest = String::new();
        self.program.stdout.as_mut().unwrap().read_to_string(&mut rest).unwrap();
        let status = self.program.wait().unwrap();
        (status.success(), self.shown + &rest)
    }
}

#[test]
fn a_terminal_is_asked_twice_and_shows_nothing_of_the_password() {
    let mut terminal = Terminal::new();
    terminal.answer("Password: ", "correct horsf\x7fe\r");
    terminal.answer("Again: ", "correct horse\r");
    let (success, shown) = terminal.end();
    assert!(success && shown.contains("$argon2id$v=19$") && !shown.contains("horse"), "{shown}");

    let mut terminal = Terminal::new();
    terminal.answer("Password: ", "correct horse\r");
    terminal.answer("Again: ", "another horse\r");
    let (success, shown) = terminal.end();
    assert!(!success && shown.contains("the two passwords differ") && !shown.contains("horse"), "{shown}");

    let mut terminal = Terminal::new();
    terminal.answer("Password: ", "correct\x03");
    let (success, shown) = terminal.end();
    assert!(!success && shown.contains("stopped"), "{shown}");
}
