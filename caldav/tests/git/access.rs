//! Who may do what, and how git shows it.

use crate::{
    http_server::TestServer,
    working_copy::{Git, TempDir},
};

fn ls_remote(url: &str) -> String {
    let dir = TempDir::new();
    Git::at(dir.path()).fail(&["ls-remote", url])
}

#[test]
fn a_wrong_password_is_an_authentication_failure() {
    let server = TestServer::start();
    let said = ls_remote(&server.url("ada", "ada.git").replace("secret", "guess"));
    assert!(said.contains("fatal: Authentication failed for"), "{said}");
    let said = ls_remote(&server.url("ada", "ada.git").replace("ada:a-secret@", ""));
    assert!(said.contains("could not read Username"), "{said}");
}

#[test]
fn other_repositories_look_as_if_they_did_not_exist() {
    let server = TestServer::start();
    let others = ls_remote(&server.url("ada", "bob.git"));
    let missing = ls_remote(&server.url("ada", "eve.git"));
    assert!(others.contains("remote: no such repository; yours is /git/ada.git"), "{others}");
    assert!(others.contains("not found"), "{others}");
    assert_eq!(others.replace("bob", "eve"), missing);
    for target in
        ["/git/bob.git/git-upload-pack", "/git/eve.git/git-upload-pack", "/git/bob/git-receive-pack"]
    {
        let headers = [("content-type", "application/x-git-upload-pack-request")];
        assert_eq!(server.request("POST", target, &headers, b"0000").0, 404, "{target}");
    }
}

#[test]
fn a_repository_is_found_with_and_without_its_suffix_and_by_an_encoded_name() {
    let server = TestServer::start();
    for name in ["ada", "ada.git", "%61da.git", "ada%2Egit"] {
        let target = format!("/git/{name}/info/refs?service=git-upload-pack");
        assert_eq!(server.request("GET", &target, &[], b"").0, 200, "{name}");
    }
    for name in ["ADA", "ada.git.git", "%2e%2e", "..%2fada", "%00", "ada%2F", "%ff", ""] {
        let target = format!("/git/{name}/info/refs?service=git-upload-pack");
        assert_eq!(server.request("GET", &target, &[], b"").0, 404, "{name}");
    }
}

#[test]
fn whatever_is_not_smart_http_is_refused_politely() {
    let server = TestServer::start();
    let upload = [("content-type", "application/x-git-upload-pack-request")];
    for (method, target, headers, status, text) in [
        ("GET", "/git/ada.git/info/refs", &[][..], 403, "smart HTTP only"),
        ("GET", "/git/ada.git/info/refs?service=git-upload-archive", &[], 403, "unsupported service"),
        ("GET", "/git/ada.git/HEAD", &[], 404, "smart HTTP only"),
        ("GET", "/git/ada.git/objects/info/packs", &[], 404, "smart HTTP only"),
        ("GET", "/git/ada.git/", &[], 404, "smart HTTP only"),
        ("GET", "/git/ada.git", &[], 404, "nothing here"),
        ("GET", "/git/", &[], 404, "nothing here"),
        ("GET", "/git/ada.git/git-upload-pack", &[], 405, "not for git-upload-pack"),
        ("PUT", "/git/ada.git/info/refs", &[], 405, "not for info/refs"),
        ("POST", "/git/ada.git/git-upload-pack", &[], 415, "application/x-git-upload-pack-request"),
        ("POST", "/git/ada.git/git-receive-pack", &upload[..], 415, "application/x-git-receive-pack-request"),
    ] {
        let (found, body) = server.request(method, target, headers, b"");
        let body = String::from_utf8(body).unwrap();
        assert_eq!(found, status, "{method} {target}: {body}");
        assert!(body.contains(text), "{method} {target}: {body}");
    }
}

#[test]
fn a_damaged_push_is_a_bad_request() {
    let server = TestServer::start();
    let headers = [("content-type", "application/x-git-receive-pack-request")];
    let (status, body) = server.request("POST", "/git/ada.git/git-receive-pack", &headers, b"00xx");
    assert_eq!(status, 400);
    assert!(String::from_utf8(body).unwrap().contains("pkt-line"));
}

#[test]
fn answers_have_the_types_of_git_and_are_not_cached() {
    let server = TestServer::start();
    for (target, content_type) in [
        ("/git/ada.git/info/refs?service=git-upload-pack", "application/x-git-upload-pack-advertisement"),
        ("/git/ada.git/info/refs?service=git-receive-pack", "application/x-git-receive-pack-advertisement"),
        ("/git/ada.git/HEAD", "text/plain; charset=utf-8"),
    ] {
        let headers = server.headers("GET", target);
        let header =
            |name: &str| headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
        assert_eq!(header("content-type"), Some(content_type));
        assert_eq!(header("cache-control"), Some("no-cache, max-age=0, must-revalidate"));
        assert_eq!(header("pragma"), Some("no-cache"));
        assert_eq!(header("expires"), Some("Fri, 01 Jan 1980 00:00:00 GMT"));
    }
}
