//! SIGKILL in the middle of writing: whatever was acknowledged is there afterwards.

mod witness;
mod writers;

use kalends_interop_tests::{Server, TemporaryDirectory, WorkingCopy};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use witness::Witness;
use writers::{CalendarWriter, Pusher};

/// How often the server is killed: fewer times where it is slow to start, in an emulated machine.
fn kills(server: &Server) -> usize {
    match server.target() {
        "hosted" => 50,
        "spt" => 20,
        _ => 5,
    }
}

/// Waits until as much was acknowledged; gives whether it was. (To panic would leave writers at work for ever.)
fn await_count(count: &AtomicUsize, target: usize) -> bool {
    let end = Instant::now() + Duration::from_secs(120);
    while count.load(Ordering::SeqCst) < target && Instant::now() < end {
        thread::sleep(Duration::from_millis(1));
    }
    count.load(Ordering::SeqCst) >= target
}

fn assert_device_is_clean(server: &Server) {
    let output = server.run_on_device("fsck");
    assert!(
        output.status.success(),
        "kalends fsck: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn kills_lose_nothing_that_was_acknowledged() {
    let (directory, mut server) = (TemporaryDirectory::new(), Server::start());
    let kills = kills(&server);
    let reader = WorkingCopy::clone_of(&server, &directory, "reader");
    let mut calendar_writers: Vec<_> = (0..3).map(CalendarWriter::new).collect();
    let mut pusher = Pusher::new(WorkingCopy::clone_of(&server, &directory, "pusher"));
    let mut witness = Witness::default();
    let (mut puts, mut pushes) = (0, 0);
    for round in 0..kills {
        let (put_count, push_count) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (port, authority, path) = (server.port(), server.authority(), server.calendar_path());
        thread::scope(|scope| {
            let mut threads = Vec::new();
            for writer in &mut calendar_writers {
                let (authority, path, count) = (&authority, &path, &put_count);
                threads.push(scope.spawn(move || writer.write_until_cut_off(port, authority, path, count)));
            }
            let count = &push_count;
            let pushing = scope.spawn(|| pusher.push_until_cut_off(count));
            // At another moment each time: early, late, amid a push, amid many PUTs.
            let goes_on = match round % 2 {
                0 => await_count(&put_count, 1 + round * 7 % 40),
                _ => await_count(&push_count, 1 + round % 3),
            };
            thread::sleep(Duration::from_millis(round as u64 * 13 % 90));
            server.kill();
            for thread in threads {
                witness.add(thread.join().unwrap());
            }
            witness.add_push(pushing.join().unwrap());
            assert!(goes_on, "before kill {round} nothing was acknowledged any more");
        });
        puts += put_count.load(Ordering::SeqCst);
        pushes += push_count.load(Ordering::SeqCst);
        assert_device_is_clean(&server);
        server.start_again();
        reader.pull();
        witness.examine(&reader, round);
        witness.examine_push(&reader, round);
        if round % 10 == 9 || round + 1 == kills {
            reader.fsck();
        }
    }
    println!("{puts} changes and {pushes} pushes acknowledged, {kills} kills");
    server.stop();
    assert_device_is_clean(&server);
}

#[test]
fn a_stopped_server_ends_what_it_began() {
    let (directory, mut server) = (TemporaryDirectory::new(), Server::start());
    let (port, authority, path) = (server.port(), server.authority(), server.calendar_path());
    let count = AtomicUsize::new(0);
    let mut writer = CalendarWriter::new(0);
    let mut witness = Witness::default();
    thread::scope(|scope| {
        let writing = scope.spawn(|| writer.write_until_cut_off(port, &authority, &path, &count));
        let goes_on = await_count(&count, 20);
        server.stop();
        witness.add(writing.join().unwrap());
        assert!(goes_on, "nothing was acknowledged any more");
    });
    assert_device_is_clean(&server);
    server.start_again();
    witness.examine(&WorkingCopy::clone_of(&server, &directory, "copy"), 0);
}
