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

/// A header of this kind and size with a right sum, and nothing behind it.
fn header(kind: tar::EntryType, name: &str, size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.set_cksum();
    header.as_bytes().to_vec()
}

/// An entry with what fills its last block.
fn entry(kind: tar::EntryType, name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut entry = header(kind, name, bytes.len() as u64);
    entry.extend_from_slice(bytes);
    entry.resize(entry.len().next_multiple_of(512), 0);
    entry
}

fn whole(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut all = entries.concat();
    all.extend_from_slice(&[0; 1024]);
    all
}

fn pax(records: &[&str]) -> Vec<u8> {
    let one = |record: &&str| {
        let len = record.len() + 2;
        let digits = (len + len.to_string().len()).to_string().len();
        format!("{} {record}\n", len + digits)
    };
    let records: String = records.iter().map(one).collect();
    entry(tar::EntryType::XHeader, "pax", records.as_bytes())
}

#[test]
fn an_archive_without_its_end_changes_nothing() {
    let house = House::new();
    house.put("/files/tree/keep", b"keep");
    let head = house.head();
    let sent = archive(&[("a", b"a"), ("b", b"b")]);
    for mirror in ["", "&mirror"] {
        let url = format!("/files/tree/?archive=tar{mirror}");
        for len in [0, 512, 1024, 2048, 2560, 100] {
            let problem = house.send("PUT", &url, &[], &sent[..len]).problem(422, "damaged");
            assert!(problem["detail"].as_str().unwrap().starts_with("the archive: "), "{problem}");
        }
        // A header that was changed on its way, and an empty block in the middle.
        let mut changed = sent.clone();
        changed[3] ^= 1;
        house.send("PUT", &url, &[], &changed).problem(422, "damaged");
        let mut parted = sent[..1024].to_vec();
        parted.extend_from_slice(&[0; 512]);
        parted.extend_from_slice(&sent[1024..]);
        house.send("PUT", &url, &[], &parted).problem(422, "damaged");
    }
    assert_eq!(house.head(), head);
}

#[test]
fn what_would_fill_the_memory_or_be_stored_wrong_is_refused() {
    let house = House::new();
    let put = |bytes: &[u8]| house.send("PUT", "/files/t/?archive=tar", &[], bytes);
    let file = entry(tar::EntryType::Regular, "f", b"f");
    for kind in [
        tar::EntryType::XHeader,
        tar::EntryType::XGlobalHeader,
        tar::EntryType::GNULongName,
        tar::EntryType::GNULongLink,
    ] {
        let bomb = entry(kind, "x", &vec![b'x'; 70_000]);
        let problem = put(&whole(&[bomb, file.clone()])).problem(413, "limit");
        assert_eq!((&problem["limit"], &problem["found"]), (&65_536.into(), &70_000.into()));
    }
    // More than there is.
    put(&whole(&[header(tar::EntryType::Regular, "f", 1 << 40)])).problem(422, "damaged");
    put(&whole(&[header(tar::EntryType::XHeader, "x", 4096)])).problem(422, "damaged");
    put(&whole(&[entry(tar::EntryType::XHeader, "x", b"99 a=b\n"), file.clone()]))
        .problem(422, "damaged");
    let sparse = entry(tar::EntryType::GNUSparse, "holes", b"x");
    let problem = put(&whole(&[sparse])).problem(400, "invalid");
    assert!(problem["detail"].as_str().unwrap().contains("holes is a sparse file"), "{problem}");
    for record in ["GNU.sparse.major=1", "GNU.sparse.size=5", "GNU.sparse.map=0,1"] {
        let problem = put(&whole(&[pax(&[record]), file.clone()])).problem(400, "invalid");
        assert!(problem["detail"].as_str().unwrap().contains("sparse file"), "{problem}");
    }
    put(&whole(&[entry(tar::EntryType::Fifo, "pipe", b"")])).problem(400, "invalid");
    house.get("/files/t/").problem(404, "not-found");
}

#[test]
fn archives_of_other_programs_are_understood() {
    let house = House::new();
    let global = entry(tar::EntryType::XGlobalHeader, "pax_global_header", b"13 comment=x\n");
    let long = "l".repeat(150);
    let sent = whole(&[
        global,
        entry(tar::EntryType::Directory, "d/", b""),
        pax(&["path=d/two\nlines", "mtime=-1.5"]),
        entry(tar::EntryType::Regular, "short", b"bytes"),
        entry(tar::EntryType::GNULongName, "././@LongLink", format!("d/{long}\0").as_bytes()),
        entry(tar::EntryType::Regular, "cut", b"long"),
        // A file whose size only the extension knows, as it is beyond 8 GiB.
        pax(&["size=3"]),
        {
            let mut big = header(tar::EntryType::Regular, "d/sized", 0);
            big.extend_from_slice(b"abc");
            big.resize(1024, 0);
            big
        },
        entry(tar::EntryType::Regular, "old/", b""),
    ]);
    house.send("PUT", "/files/t/?archive=tar", &[], &sent).expect(200);
    assert_eq!(house.get("/files/t/d/two%0Alines").text(), "bytes");
    let stat = house.get("/files/t/d/two%0Alines?stat").json();
    assert_eq!(stat["modified"], "1969-12-31T23:59:58.5Z");
    assert_eq!(house.get(&format!("/files/t/d/{long}")).text(), "long");
    assert_eq!(house.get("/files/t/d/sized").text(), "abc");
    assert_eq!(house.get("/files/t/old?stat").json()["kind"], "directory");
}

#[test]
fn what_comes_out_goes_in_as_the_same_to_the_nanosecond() {
    let house = House::new();
    let link = {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        header.set_mtime(5);
        header.set_link_name("over/there").unwrap();
        header.as_mut_bytes()[..1].copy_from_slice(b"l");
        header.set_cksum();
        header.as_bytes().to_vec()
    };
    let sent = whole(&[
        pax(&["mtime=-0.000000001"]),
        entry(tar::EntryType::Directory, "./", b""),
        pax(&["mtime=1700000000.123456789", "AEORDB.content-type=text/x-odd"]),
        entry(tar::EntryType::Regular, "./a", b"a"),
        link,
        entry(tar::EntryType::Regular, "implied/b", b"b"),
    ]);
    house.send("PUT", "/files/one/?archive=tar", &[], &sent).expect(200);
    assert_eq!(house.get("/files/one/?stat").json()["modified"], "1969-12-31T23:59:59.999999999Z");
    let out = house.get("/files/one/?archive=tar").expect(200).body;
    house.send("PUT", "/files/two/?archive=tar", &[], &out).expect(200);
    let one = house.get("/files/one/?stat").json();
    let two = house.get("/files/two/?stat").json();
    assert_eq!((&one["hash"], &one["modified"]), (&two["hash"], &two["modified"]));
    assert_eq!(house.get("/files/two/a?stat").json()["content_type"], "text/x-odd");
    // Sent back, also as a mirror, it changes nothing at all.
    let head = house.head();
    for url in ["/files/one/?archive=tar", "/files/one/?archive=tar&mirror"] {
        house.send("PUT", url, &[], &out).expect(200);
        assert_eq!(house.head(), head);
    }
    // A type that an archive does not say stays; a directory that is there gets its mode and time.
    let again = whole(&[
        entry(tar::EntryType::Directory, "implied", b""),
        entry(tar::EntryType::Regular, "a", b"other"),
    ]);
    for mirror in ["", "&mirror"] {
        let url = format!("/files/one/?archive=tar{mirror}");
        house.send("PUT", &url, &[], &again).expect(200);
        assert_eq!(house.get("/files/one/a?stat").json()["content_type"], "text/x-odd");
        let implied = house.get("/files/one/implied?stat").json();
        assert_eq!(
            (implied["mode"].as_str(), implied["modified"].as_str()),
            (Some("0644"), Some("1970-01-01T00:00:00Z"))
        );
        assert_eq!(house.get("/files/one/?stat").json()["modified"], one["modified"]);
        let left = if mirror.is_empty() { 3 } else { 1 };
        assert_eq!(house.get("/files/one/?stat").json()["files"], left);
    }
}

#[test]
fn files_and_directories_change_places() {
    let house = House::new();
    house.put("/files/t/d/x", b"x");
    house.put("/files/t/f", b"f");
    let sent = whole(&[
        entry(tar::EntryType::Regular, "d", b"a file now"),
        entry(tar::EntryType::Directory, "f", b""),
        entry(tar::EntryType::Regular, "f/y", b"y"),
    ]);
    house.send("PUT", "/files/t/?archive=tar", &[], &sent).expect(200);
    assert_eq!(house.get("/files/t/d").text(), "a file now");
    assert_eq!(house.get("/files/t/f/y").text(), "y");
    house.send("PUT", "/files/t/d/?archive=tar", &[], &sent).problem(400, "invalid");
}

#[test]
fn an_archive_goes_in_under_conditions_and_by_keys_that_may_only_add() {
    let house = House::new();
    let sent = archive(&[("a", b"a")]);
    let url = "/files/t/?archive=tar";
    let new = [("if-none-match", "*")];
    house.send("PUT", url, &[("if-match", "*")], &sent).problem(412, "changed");
    house.send("PUT", url, &new, &sent).expect(200);
    house.send("PUT", url, &new, &sent).problem(412, "changed");

    let key = format!("Bearer {}", house.new_key("append-only"));
    let put = |url: &str, bytes: &[u8]| house.bare("PUT", url, &[("authorization", &key)], bytes);
    put(url, &archive(&[("a", b"a"), ("b", b"b")])).expect(200);
    let head = house.head();
    put(url, &archive(&[("c", b"c"), ("a", b"other")])).problem(403, "forbidden");
    put("/files/t/?archive=tar&mirror", &sent).problem(403, "forbidden");
    assert_eq!(house.head(), head);
}

#[test]
fn a_path_that_curl_added_a_name_to_is_explained() {
    let house = House::new();
    let sent = archive(&[("a", b"a")]);
    let problem = house.send("PUT", "/files/t/x.tar?archive=tar", &[], &sent);
    let problem = problem.problem(400, "invalid");
    assert!(problem["detail"].as_str().unwrap().contains("-T -"), "{problem}");
}
