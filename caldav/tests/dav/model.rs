//! Long sequences of requests against a tree of files that does what RFC 4918 says.

use crate::{random::random, server::Server};
use std::collections::BTreeMap;

/// What is at a place.
#[derive(Clone, Debug, PartialEq)]
enum Node {
    File(String),
    Collection(BTreeMap<String, Node>),
}

/// A home without calendars: WebDAV by the letter.
struct Model {
    root: Node,
}

impl Model {
    fn find(&mut self, path: &[&str]) -> Option<&mut Node> {
        path.iter().try_fold(&mut self.root, |node, name| match node {
            Node::Collection(members) => members.get_mut(*name),
            Node::File(_) => None,
        })
    }

    /// The members of the collection that `path` is in.
    fn parent(&mut self, path: &[&str]) -> Option<&mut BTreeMap<String, Node>> {
        let (_, above) = path.split_last()?;
        match self.find(above)? {
            Node::Collection(members) => Some(members),
            Node::File(_) => None,
        }
    }

    fn put(&mut self, path: &[&str], content: &str) -> u16 {
        let Some(parent) = self.parent(path) else { return 409 };
        let name = path.last().unwrap().to_string();
        match parent.get(&name) {
            Some(Node::Collection(_)) => 405,
            old => {
                let status = if old.is_some() { 204 } else { 201 };
                parent.insert(name, Node::File(content.into()));
                status
            }
        }
    }

    fn mkcol(&mut self, path: &[&str]) -> u16 {
        let Some(parent) = self.parent(path) else { return 409 };
        let name = path.last().unwrap().to_string();
        if parent.contains_key(&name) {
            return 405;
        }
        parent.insert(name, Node::Collection(BTreeMap::new()));
        201
    }

    fn delete(&mut self, path: &[&str]) -> u16 {
        let removed = self.parent(path).and_then(|parent| parent.remove(*path.last().unwrap()));
        if removed.is_some() { 204 } else { 404 }
    }

    fn transfer(&mut self, moves: bool, from: &[&str], to: &[&str], overwrite: bool) -> u16 {
        let Some(node) = self.find(from).cloned() else { return 404 };
        let into_itself = matches!(node, Node::Collection(_)) && to.starts_with(from);
        if from == to || from.starts_with(to) || into_itself {
            return 403;
        }
        let Some(parent) = self.parent(to) else { return 409 };
        let is_there = parent.contains_key(*to.last().unwrap());
        if is_there && !overwrite {
            return 412;
        }
        parent.insert(to.last().unwrap().to_string(), node);
        if moves {
            self.delete(from);
        }
        if is_there { 204 } else { 201 }
    }

    /// All files, by path, and all collections, with a final slash.
    fn resources(&self) -> BTreeMap<String, String> {
        fn walk(node: &Node, at: &str, out: &mut BTreeMap<String, String>) {
            match node {
                Node::File(content) => drop(out.insert(at.into(), content.clone())),
                Node::Collection(members) => {
                    let at = if at.is_empty() { String::new() } else { format!("{at}/") };
                    out.insert(at.clone(), String::new());
                    for (name, member) in members {
                        walk(member, &format!("{at}{name}"), out);
                    }
                }
            }
        }
        let mut out = BTreeMap::new();
        walk(&self.root, "", &mut out);
        out
    }
}

/// The same for the server, by what is in the repository: a collection is a directory.
fn resources(server: &Server) -> BTreeMap<String, String> {
    let mut out = BTreeMap::from([(String::new(), String::new())]);
    for (path, content) in server.files("ada") {
        for (slash, _) in path.match_indices('/') {
            out.insert(path[..=slash].into(), String::new());
        }
        if !path.ends_with(".collection.toml") {
            out.insert(path, content);
        }
    }
    out
}

#[test]
fn many_requests_in_a_row_do_what_they_do_to_a_tree_of_files() {
    const NAMES: [&str; 4] = ["a", "b", "c.txt", "d.ics"];
    let mut statuses = BTreeMap::new();
    for seed in 0..4 {
        let server = Server::new();
        server.send("DELETE", "/dav/calendars/ada/calendar/", &[], "").expect(204);
        let mut model = Model { root: Node::Collection(BTreeMap::new()) };
        let mut state = seed;
        for step in 0..400 {
            let mut path =
                || (0..1 + random(&mut state, 3)).map(|_| NAMES[random(&mut state, 4)]).collect::<Vec<_>>();
            let (from, to) = (path(), path());
            let url = format!("/dav/calendars/ada/{}", from.join("/"));
            let content = format!("{seed} {step}");
            let overwrite = random(&mut state, 2) == 0;
            let (method, expected) = match random(&mut state, 10) {
                0..3 => ("PUT", model.put(&from, &content)),
                3..6 => ("MKCOL", model.mkcol(&from)),
                6 => ("DELETE", model.delete(&from)),
                7 => ("COPY", model.transfer(false, &from, &to, overwrite)),
                _ => ("MOVE", model.transfer(true, &from, &to, overwrite)),
            };
            let destination = format!("/dav/calendars/ada/{}", to.join("/"));
            let headers =
                [("destination", destination.as_str()), ("overwrite", if overwrite { "T" } else { "F" })];
            let headers = if matches!(method, "COPY" | "MOVE") { &headers[..] } else { &[] };
            let body = if method == "PUT" { content.as_str() } else { "" };
            let answer = server.send(method, &url, headers, body);
            let request = format!("seed {seed}, step {step}: {method} {url} {headers:?}: {}", answer.text());
            assert_eq!(answer.status, expected, "{request}");
            assert_eq!(resources(&server), model.resources(), "{request}");
            *statuses.entry((method, expected)).or_insert(0) += 1;
        }
    }
    // The sequences were not all refusals.
    for (method, status) in [("PUT", 204), ("MKCOL", 201), ("DELETE", 204), ("COPY", 201), ("MOVE", 204)] {
        assert!(statuses.get(&(method, status)).is_some_and(|count| *count > 5), "{statuses:?}");
    }
}
