//! What git sends: packs, pushes, and requests of fetches.

use crate::history::{MAIN, noise, put};
use futures_executor::block_on;
use futures_util::StreamExt;
use kalends_block_backend::{MemoryDevice, OverlayDevice};
use kalends_store::{
    FormatOptions, NoRules, PackLimits, Repository, Store,
    wire::{Protocol, ReceiveOptions, receive_pack, upload_pack, write_full_pack},
};
use sha1::{Digest, Sha1};
use std::{cell::OnceCell, rc::Rc};

thread_local! {
    /// A device with a repository of a few commits.
    static DEVICE: OnceCell<Rc<MemoryDevice>> = const { OnceCell::new() };
}

/// The same repository for each input.
fn repository() -> Repository {
    let device = DEVICE.with(|device| {
        let make = || {
            let device = Rc::new(MemoryDevice::new(8 << 20));
            let store = Store::format(device.clone(), &FormatOptions::default()).unwrap();
            let ada = store.create_repository("ada").unwrap();
            for number in 0..6 {
                put(&ada, &format!("{number}.ics"), noise(number, 200));
            }
            store.close().unwrap();
            device
        };
        device.get_or_init(make).clone()
    });
    let store = Store::open(Rc::new(OverlayDevice::new(device))).unwrap();
    store.repository("ada").unwrap()
}

/// Bounds of a small server.
fn options() -> ReceiveOptions {
    ReceiveOptions { limits: PackLimits::within(64 << 20), ..ReceiveOptions::default() }
}

/// The input is a pack, whose checksum is put right.
pub(crate) fn pack(input: &[u8]) {
    let line = format!("{:040} {:040} refs/heads/fuzz\0report-status", 0, 1);
    let mut body = format!("{:04x}{line}0000", line.len() + 4).into_bytes();
    body.extend_from_slice(input);
    body.extend_from_slice(&Sha1::digest(input));
    push(&body);
}

pub(crate) fn pack_seeds() -> Vec<Vec<u8>> {
    let mut pack = Vec::new();
    write_full_pack(&repository(), &mut pack).unwrap().unwrap();
    pack.truncate(pack.len() - 20);
    // Two small entries, whole and a delta against the first.
    let entry = |header: &[u8], content: &[u8]| {
        // A zlib stream that is stored, not compressed (RFC 1950, RFC 1951 §3.2.4).
        let length = content.len() as u16;
        let mut bytes = header.to_vec();
        bytes.extend_from_slice(&[0x78, 0x01, 0x01]);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&(!length).to_le_bytes());
        bytes.extend_from_slice(content);
        let (a, b) = content.iter().fold((1_u32, 0_u32), |(a, b), byte| {
            let a = (a + u32::from(*byte)) % 65_521;
            (a, (b + a) % 65_521)
        });
        bytes.extend_from_slice(&((b << 16) | a).to_be_bytes());
        bytes
    };
    let whole = entry(&[0x3a], b"0123456789");
    let delta = entry(&[0x64, whole.len() as u8], &[10, 4, 0x91, 3, 4]);
    let small = [b"PACK\0\0\0\x02\0\0\0\x02".as_slice(), &whole, &delta].concat();
    vec![pack, small, b"PACK\0\0\0\x02\0\0\0\0".to_vec()]
}

/// The input is the whole body of a push.
pub(crate) fn push(input: &[u8]) {
    let repository = repository();
    if let Ok(reply) = receive_pack(&repository, input.to_vec().into(), Rc::new(NoRules), options()) {
        let _ = block_on(reply.collect::<Vec<_>>());
    }
    // Whatever was accepted is whole.
    write_full_pack(&repository, &mut std::io::sink()).expect("the repository is whole").unwrap();
}

pub(crate) fn push_seeds() -> Vec<Vec<u8>> {
    let elsewhere = Store::format(Rc::new(MemoryDevice::new(8 << 20)), &FormatOptions::default()).unwrap();
    let elsewhere = elsewhere.create_repository("pushed").unwrap();
    put(&elsewhere, "a.ics", noise(40, 200));
    let tip = put(&elsewhere, "b.ics", noise(41, 200));
    let main = repository().reference(MAIN).unwrap();
    let line = |old: &str, new: &str, name: &str, capabilities: &str| {
        let line = format!("{old} {new} {name}\0{capabilities}\n");
        format!("{:04x}{line}", line.len() + 4)
    };
    let zero = "0".repeat(40);
    let create = line(&zero, &tip.to_string(), "refs/heads/new", " report-status side-band-64k atomic");
    let mut push = format!("{create}0000").into_bytes();
    write_full_pack(&elsewhere, &mut push).unwrap().unwrap();
    let delete = line(&main.to_string(), &zero, MAIN, " report-status delete-refs");
    let second = format!("{zero} {main} refs/tags/v1");
    let two = format!("{delete}{:04x}{second}0000", second.len() + 4);
    let options = line(&zero, &main.to_string(), "refs/heads/x", " report-status-v2 push-options quiet");
    let shallow = format!("shallow {main}");
    vec![
        push,
        format!("{delete}0000").into_bytes(),
        two.into_bytes(),
        format!("{options}00000009optio0000").into_bytes(),
        format!("{:04x}{shallow}{create}0000", shallow.len() + 4).into_bytes(),
    ]
}

/// The first byte says the protocol, the rest is the body of a fetch.
pub(crate) fn fetch(input: &[u8]) {
    let Some((protocol, request)) = input.split_first() else { return };
    let protocol = Protocol::from_header(&format!("version={}", protocol % 3));
    let repository = repository();
    let _ = block_on(upload_pack(&repository, protocol, request.to_vec().into()).collect::<Vec<_>>());
}

pub(crate) fn fetch_seeds() -> Vec<Vec<u8>> {
    let main = repository().reference(MAIN).unwrap();
    let lines = |protocol: u8, lines: &[&str]| {
        let mut request = vec![protocol];
        for line in lines {
            match *line {
                "0000" | "0001" => request.extend_from_slice(line.as_bytes()),
                line => request.extend(format!("{:04x}{line}", line.len() + 4).into_bytes()),
            }
        }
        request
    };
    let want = format!("want {main}\n");
    let have = format!("have {main}\n");
    let first = format!("want {main} multi_ack_detailed side-band-64k thin-pack ofs-delta agent=git/2\n");
    vec![
        lines(
            2,
            &[
                "command=ls-refs\n",
                "agent=git/2",
                "0001",
                "peel\n",
                "symrefs\n",
                "ref-prefix refs/\n",
                "0000",
            ],
        ),
        lines(2, &["command=fetch", "0001", "thin-pack", "ofs-delta", &want, &have, "done\n", "0000"]),
        lines(2, &["command=fetch", "0001", "deepen 2\n", "filter blob:none\n", &want, "done\n", "0000"]),
        lines(2, &["command=fetch", "0001", "wait-for-done", "include-tag", &want, &have, "0000"]),
        lines(2, &["command=object-info", "0001", "size", &format!("oid {main}"), "0000"]),
        lines(0, &[&first, "deepen 1\n", "0000", &have, "done\n"]),
        lines(1, &[&first, "filter tree:1\n", "0000", "0000"]),
    ]
}
