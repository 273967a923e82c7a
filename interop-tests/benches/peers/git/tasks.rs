//! What is asked of each: to clone a long history, to fetch what is new in it, to take a push.

use super::{
    Git,
    server::{Server, Transport},
};
use crate::{
    load::{Client, Failure, Request, Samples, in_turn, one_after_another},
    report::{Outcome, Results, Task},
    scale::Scale,
    servers::Kind,
};
use kalends_interop_tests::{TemporaryDirectory, history};
use std::{
    fs, io,
    path::Path,
    time::{Duration, Instant},
};

/// Commits that a fetch brings.
const NEW_COMMITS: u32 = 10;
/// Events that a push brings.
const PUSHED_EVENTS: u32 = 10_000;

const KALENDS: &str = Kind::Kalends.name();

/// Measures Kalends, and with peers git beside it.
pub(crate) fn measure(scale: &Scale, peers: bool, results: &mut Results) {
    let directory = TemporaryDirectory::new();
    match history(scale, directory.path()) {
        Ok((kalends, fetcher)) => {
            let mut servers = vec![kalends];
            for transport in transports(peers) {
                match Server::http_backend(&directory.join("history"), *transport) {
                    Ok(server) => servers.push(server),
                    Err(failure) => {
                        results.add(Task::Clone, scale.commits, transport.http_backend(), Err(failure));
                    }
                }
            }
            reads(&servers, scale, fetcher, directory.path(), results);
        }
        Err(failure) => results.add(Task::Clone, scale.commits, KALENDS, Err(failure)),
    }
    pushes(scale, peers, results);
}

/// How git is measured, if it is.
fn transports(peers: bool) -> &'static [Transport] {
    if peers { &Transport::ALL } else { &[] }
}

/// Makes the history on top of what a new Kalends has, as the repository `history`, and pushes it; gives the
/// server, and the name of another repository, in which the newest commits are missing.
fn history(scale: &Scale, directory: &Path) -> Result<(Server, &'static str), Failure> {
    let server = Server::kalends()?;
    eprintln!("making a history of {} commits …", scale.commits);
    let git = server.git(directory);
    let refused = Failure::Refused;
    git.run(&["clone", "--quiet", "--mirror", &server.url(), "history"]).map_err(refused)?;
    let repository = directory.join("history");
    history::add_commits(&repository, 0, scale.commits - NEW_COMMITS);
    history::pack(&repository);
    // Packs are shared by hard links, as git does it for local clones.
    git.run(&["clone", "--quiet", "--mirror", "--local", "history", "fetcher"]).map_err(refused)?;
    history::add_commits(&repository, scale.commits - NEW_COMMITS, NEW_COMMITS);
    history::pack(&repository);
    eprintln!("pushing it to {} …", server.name());
    let start = Instant::now();
    git.run(&["-C", "history", "push", "--quiet", &server.url(), "main"]).map_err(refused)?;
    eprintln!("… which took {:.1} s", start.elapsed().as_secs_f64());
    Ok((server, "fetcher"))
}

fn reads(servers: &[Server], scale: &Scale, fetcher: &str, directory: &Path, results: &mut Results) {
    let load = &scale.git;
    let mut add = |task, all: Vec<Samples>| {
        for (server, samples) in servers.iter().zip(all) {
            results.add(task, scale.commits, server.name(), samples.map(Outcome::Times));
        }
    };
    let copy = directory.join("copy");
    eprintln!("cloning {} commits …", scale.commits);
    let clone = in_turn(load, servers.len(), |one, _| {
        remove(&copy)?;
        timed(&servers[one], directory, &["clone", "--quiet", "--bare", &servers[one].url(), "copy"])
    });
    add(Task::Clone, clone);
    add(Task::PackOfClone, servers.iter().map(|server| pack_of_clone(server, scale, directory)).collect());
    eprintln!("fetching {NEW_COMMITS} of them …");
    let fetch = in_turn(load, servers.len(), |one, _| {
        remove(&copy)?;
        let earlier = ["clone", "--quiet", "--mirror", "--local", fetcher, "copy"];
        Git::new(directory).run(&earlier).map_err(Failure::Refused)?;
        let fetch = ["-C", "copy", "fetch", "--quiet", &servers[one].url(), "main:main"];
        timed(&servers[one], directory, &fetch)
    });
    add(Task::Fetch, fetch);
    let exchange = servers.iter().map(|server| exchange_of_fetch(server, scale, fetcher, directory));
    add(Task::ExchangeOfFetch, exchange.collect());
    let _ = remove(&copy);
}

/// Times a command of git.
fn timed(server: &Server, directory: &Path, arguments: &[&str]) -> Result<Duration, Failure> {
    let git = server.git(directory);
    let start = Instant::now();
    git.run(arguments).map_err(Failure::Refused)?;
    Ok(start.elapsed())
}

/// The pack of a clone, asked for by the load generator in git's protocol version 2 and thrown away: the
/// server's share of a clone.
fn pack_of_clone(server: &Server, scale: &Scale, directory: &Path) -> Samples {
    let want = format!("want {}\n", main_of(directory, "history")?);
    let (address, path) = server.address();
    let request = command(path, "fetch", &["no-progress\n", "ofs-delta\n", &want, "done\n"]);
    let mut client = Client::new(address, scale.git.limit);
    one_after_another(&scale.git, |_| {
        let start = Instant::now();
        let status = client.send(&request).map_err(|error| Failure::new(&error, scale.git.limit))?;
        let elapsed = start.elapsed();
        check_pack(status, &client.body).map(|()| elapsed)
    })
}

/// What git asks for a fetch, on a new connection: what the server speaks, its references, and the pack of
/// what is new, for which it names the 16 newest commits that it has.
fn exchange_of_fetch(server: &Server, scale: &Scale, fetcher: &str, directory: &Path) -> Samples {
    let want = format!("want {}\n", main_of(directory, "history")?);
    let had =
        Git::new(&directory.join(fetcher)).run(&["rev-list", "-16", "main"]).map_err(Failure::Refused)?;
    let haves: Vec<String> = had.lines().map(|id| format!("have {id}\n")).collect();
    let mut arguments = vec!["thin-pack\n", "no-progress\n", "ofs-delta\n", &want];
    arguments.extend(haves.iter().map(String::as_str));
    let (address, path) = server.address();
    let version = [("Git-Protocol", "version=2")];
    let requests = [
        Request::new("GET", &format!("{path}/info/refs?service=git-upload-pack"), &version, b""),
        command(path, "ls-refs", &["peel\n", "symrefs\n", "ref-prefix refs/heads/main\n"]),
        command(path, "fetch", &arguments),
    ];
    one_after_another(&scale.git, |_| {
        let mut client = Client::new(address.clone(), scale.git.limit);
        let start = Instant::now();
        let mut status = 0;
        for request in &requests {
            status = client.send(request).map_err(|error| Failure::new(&error, scale.git.limit))?;
        }
        let elapsed = start.elapsed();
        check_pack(status, &client.body).map(|()| elapsed)
    })
}

/// The commit of a repository's branch.
fn main_of(directory: &Path, repository: &str) -> Result<String, Failure> {
    Git::new(&directory.join(repository)).run(&["rev-parse", "main"]).map_err(Failure::Refused)
}

/// A command of git's protocol version 2 (gitprotocol-v2(5)).
fn command(path: &str, name: &str, arguments: &[&str]) -> Request {
    let mut body = packet(&format!("command={name}\n")) + "0001";
    body.extend(arguments.iter().map(|line| packet(line)));
    body += "0000";
    let headers = [("Content-Type", "application/x-git-upload-pack-request"), ("Git-Protocol", "version=2")];
    Request::new("POST", &format!("{path}/git-upload-pack"), &headers, body.as_bytes())
}

/// Whether an answer has a whole pack.
fn check_pack(status: u16, body: &[u8]) -> Result<(), Failure> {
    // Before it there may be acknowledgements, and packets that keep the connection alive.
    let head = &body[..body.len().min(4096)];
    let begins = head.windows(4).any(|four| four == b"PACK");
    match status == 200 && begins && body.ends_with(b"0000") {
        true => Ok(()),
        false => Err(Failure::Refused(format!("status {status}, and no whole pack"))),
    }
}

/// A pkt-line (gitprotocol-common(5)).
fn packet(line: &str) -> String {
    format!("{:04x}{line}", line.len() + 4)
}

/// Pushes of many events into repositories of one commit, each time to a new server.
fn pushes(scale: &Scale, peers: bool, results: &mut Results) {
    eprintln!("measuring pushes of {PUSHED_EVENTS} events …");
    let servers: Vec<Option<Transport>> =
        std::iter::once(None).chain(transports(peers).iter().copied().map(Some)).collect();
    let name = |server: Option<Transport>| server.map_or(KALENDS, Transport::http_backend);
    let mut times = vec![Vec::new(); servers.len()];
    for _ in 0..scale.pushes {
        for (server, times) in servers.iter().zip(&mut times) {
            match push(*server) {
                Ok(time) => times.push(time),
                Err(failure) => return results.add(Task::Push, PUSHED_EVENTS, name(*server), Err(failure)),
            }
        }
    }
    for (server, times) in servers.into_iter().zip(times) {
        results.add(Task::Push, PUSHED_EVENTS, name(server), Ok(Outcome::Times(times)));
    }
}

/// Times a push to Kalends, or to `git http-backend` over a transport.
fn push(http_backend: Option<Transport>) -> Result<Duration, Failure> {
    let directory = TemporaryDirectory::new();
    let mut server = Server::kalends()?;
    let git = server.git(directory.path());
    git.run(&["clone", "--quiet", "--mirror", &server.url(), "copy"]).map_err(Failure::Refused)?;
    let copy = directory.join("copy");
    if let Some(transport) = http_backend {
        server = Server::http_backend(&copy, transport)?;
    }
    history::add_events(&copy, "calendar", PUSHED_EVENTS);
    let git = server.git(directory.path());
    let start = Instant::now();
    git.run(&["-C", "copy", "push", "--quiet", &server.url(), "main"]).map_err(Failure::Refused)?;
    Ok(start.elapsed())
}

fn remove(directory: &Path) -> Result<(), Failure> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Failure::Refused(error.to_string())),
        _ => Ok(()),
    }
}
