//! Trees as archives.

use std::io::{Cursor, Read};

use crate::house::{House, noise};

fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o640);
        header.set_mtime(1_700_000_000);
        // Names that a careful writer would refuse.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        builder.append(&header, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn a_tree_goes_in_as_one_commit_and_comes_out_the_same() {
    let house = House::new();
    let large = noise(700_000);
    let sent = archive(&[("./a/x.txt", b"x"), ("a/large", &large), ("b", b"")]);
    let done = house.send("PUT", "/files/tree/?archive=tar", &[], &sent).expect(200).json();
    assert_eq!(done["files"], 3);
    assert_eq!(house.get("/admin/history").json()["items"].as_array().unwrap().len(), 1);
    assert!(house.get("/files/tree/a/large").body == large);
    let stat = house.get("/files/tree/a/x.txt?stat").json();
    assert_eq!(
        (stat["mode"].as_str(), stat["modified"].as_str()),
        (Some("0640"), Some("2023-11-14T22:13:20Z"))
    );

    let reply = house.get("/files/tree/?archive=tar").expect(200);
    assert_eq!(reply.headers["content-type"], "application/x-tar");
    let mut archive = tar::Archive::new(Cursor::new(reply.body));
    let mut found = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        let path = entry.path().unwrap().display().to_string();
        found.push((path.trim_end_matches('/').to_owned(), bytes));
    }
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a", "a/large", "a/x.txt", "b"]);
    assert!(found[1].1 == large);

    // Sent back it changes nothing but the times of directories that were implied.
    let mirrored = house.send("PUT", "/files/tree/?archive=tar&mirror", &[], &sent);
    mirrored.expect(200);
    assert_eq!(house.get("/files/tree/?stat").json()["files"], 3);
}

#[test]
fn an_archive_with_a_name_that_leads_out_or_cut_off_changes_nothing() {
    let house = House::new();
    house.put("/files/tree/keep", b"keep");
    let head = house.head();
    let put = |bytes: &[u8]| house.send("PUT", "/files/tree/?archive=tar", &[], bytes);
    put(&archive(&[("ok", b"x"), ("../../etc/passwd", b"x")])).problem(400, "invalid");
    let whole = archive(&[("ok", &noise(10_000))]);
    put(&whole[..5000]).problem(422, "damaged");
    put(&archive(&[("keep/below", b"x")])).problem(400, "invalid");
    assert_eq!(house.head(), head);
    put(&archive(&[("/abs/x", b"x")])).expect(200);
    assert_eq!(house.get("/files/tree/abs/x").text(), "x");
    assert_eq!(house.get("/files/tree/keep").text(), "keep");
}
