//! Passwords.

use crate::assert_well;
use kalends_interop_tests::{Curl, Server};

const ADVERTISEMENT: &str = "/git/ada.git/info/refs?service=git-upload-pack";

#[test]
fn whoever_gives_no_valid_credentials_is_asked_for_them() {
    let mut server = Server::start();
    let paths = [ADVERTISEMENT, "/dav/", "/dav/principals/", "/dav/calendars/ada/calendar/", "/dav/nothing"];
    for path in paths {
        let response = Curl::anonymous(&server, "GET", path).expect(&[401]);
        let challenge = response.header("www-authenticate").unwrap();
        assert!(challenge.starts_with("Basic realm="), "{challenge}");
    }
    for authorization in [
        "Basic",
        "Basic !!!",
        "Basic YWRh",
        "Basic OnB3",
        "Basic /////w==",
        "Basic YWRhAGFkYTpwdw==",
        "Bearer YWRhOnB3",
        "Digest username=\"ada\"",
        "Negotiate",
    ] {
        Curl::anonymous(&server, "GET", ADVERTISEMENT).header("Authorization", authorization).expect(&[401]);
    }
    let long = format!("Basic {}", "QUFB".repeat(10_000));
    Curl::anonymous(&server, "GET", ADVERTISEMENT).header("Authorization", &long).expect(&[401]);
    assert_well(&mut server);
}

#[test]
fn guessing_is_slowed_down_and_the_owner_still_gets_in() {
    let mut server = Server::start();
    Curl::new(&server, "GET", ADVERTISEMENT).expect(&[200]);
    let guess = |number: u32| {
        Curl::anonymous(&server, "GET", ADVERTISEMENT)
            .user("ada", &format!("guess {number}"))
            .expect(&[401, 429])
    };
    let answers: Vec<_> = (0..30).map(guess).collect();
    assert_eq!(answers[0].status, 401);
    let last = answers.last().unwrap();
    assert_eq!(last.status, 429, "thirty guesses in a row must be too many");
    assert!(last.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
    Curl::new(&server, "GET", ADVERTISEMENT).expect(&[200]);
    // An unknown name is answered as a known one is.
    Curl::anonymous(&server, "GET", ADVERTISEMENT).user("nobody", "guess").expect(&[401]);
    assert_well(&mut server);
}
