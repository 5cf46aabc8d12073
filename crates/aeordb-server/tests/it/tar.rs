//! Trees as archives.

use std::io::{Cursor, Read};

use crate::served::{Served, noise};

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
    let served = Served::new();
    let large = noise(700_000);
    let sent = archive(&[("./a/x.txt", b"x"), ("a/large", &large), ("b", b"")]);
    let done = served.send("PUT", "/files/tree/?archive=tar", &[], &sent).expect(200).json();
    assert_eq!(done["files"], 3);
    assert_eq!(served.get("/admin/history").json()["items"].as_array().unwrap().len(), 1);
    assert!(served.get("/files/tree/a/large").body == large);
    let stat = served.get("/files/tree/a/x.txt?stat").json();
    assert_eq!(
        (stat["mode"].as_str(), stat["modified"].as_str()),
        (Some("0640"), Some("2023-11-14T22:13:20Z"))
    );

    let reply = served.get("/files/tree/?archive=tar").expect(200);
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

    let mirrored = served.send("PUT", "/files/tree/?archive=tar&mirror", &[], &sent);
    mirrored.expect(200);
    assert_eq!(served.get("/files/tree/?stat").json()["files"], 3);
}

#[test]
fn an_archive_with_a_name_that_leads_out_or_cut_off_changes_nothing() {
    let served = Served::new();
    served.put("/files/tree/keep", b"keep");
    let head = served.head();
    let put = |bytes: &[u8]| served.send("PUT", "/files/tree/?archive=tar", &[], bytes);
    put(&archive(&[("ok", b"x"), ("../../etc/passwd", b"x")])).problem(400, "invalid");
    let whole = archive(&[("ok", &noise(10_000))]);
    put(&whole[..5000]).problem(422, "damaged");
    put(&archive(&[("keep/below", b"x")])).problem(400, "invalid");
    assert_eq!(served.head(), head);
    put(&archive(&[("/abs/x", b"x")])).expect(200);
    assert_eq!(served.get("/files/tree/abs/x").text(), "x");
    assert_eq!(served.get("/files/tree/keep").text(), "keep");
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
    let served = Served::new();
    served.put("/files/tree/keep", b"keep");
    let head = served.head();
    let sent = archive(&[("a", b"a"), ("b", b"b")]);
    for mirror in ["", "&mirror"] {
        let url = format!("/files/tree/?archive=tar{mirror}");
        for len in [0, 512, 1024, 2048, 2560, 100] {
            let problem = served.send("PUT", &url, &[], &sent[..len]).problem(422, "damaged");
            assert!(problem["detail"].as_str().unwrap().starts_with("the archive: "), "{problem}");
        }
        // A header that was changed on its way, and an empty block in the middle.
        let mut changed = sent.clone();
        changed[3] ^= 1;
        served.send("PUT", &url, &[], &changed).problem(422, "damaged");
        let mut parted = sent[..1024].to_vec();
        parted.extend_from_slice(&[0; 512]);
        parted.extend_from_slice(&sent[1024..]);
        served.send("PUT", &url, &[], &parted).problem(422, "damaged");
    }
    assert_eq!(served.head(), head);
}

#[test]
fn what_would_fill_the_memory_or_be_stored_wrong_is_refused() {
    let served = Served::new();
    let put = |bytes: &[u8]| served.send("PUT", "/files/t/?archive=tar", &[], bytes);
    let file = entry(tar::EntryType::Regular, "f", b"f");
    for kind in [
        tar::EntryType::XHeader,
        tar::EntryType::XGlobalHeader,
        tar::EntryType::GNULongName,
        tar::EntryType::GNULongLink,
    ] {
        let bomb = entry(kind, "x", &vec![b'x'; 4_200_000]);
        let problem = put(&whole(&[bomb, file.clone()])).problem(413, "limit");
        assert_eq!((&problem["limit"], &problem["found"]), (&4_194_304.into(), &4_200_000.into()));
    }
    // More than there is.
    put(&whole(&[header(tar::EntryType::Regular, "f", 1 << 40)])).problem(422, "damaged");
    put(&whole(&[header(tar::EntryType::XHeader, "x", 4096)])).problem(422, "damaged");
    put(&whole(&[entry(tar::EntryType::XHeader, "x", b"99 a=b\n"), file.clone()]))
        .problem(422, "damaged");
    let problem =
        put(&whole(&[entry(tar::EntryType::new(b'M'), "f", b"f")])).problem(400, "invalid");
    assert!(problem["detail"].as_str().unwrap().contains("volume"), "{problem}");
    put(&whole(&[entry(tar::EntryType::new(b'Z'), "odd", b"")])).problem(400, "invalid");
    served.get("/files/t/").problem(404, "not-found");
}

/// A file of seven bytes in the form that `records` and `stored` say.
fn sparse(records: &[&str], stored: &[u8]) -> Vec<u8> {
    let size: &[&str] = &["GNU.sparse.size=7", "GNU.sparse.name=holes"];
    let records = [size, records].concat();
    whole(&[pax(&records), entry(tar::EntryType::Regular, "GNUSparseFile.0/holes", stored)])
}

/// The same in the oldest form: the segments, how many of them a block behind the header has, and
/// the size.
fn oldest(segments: &[(u64, u64)], more: usize, size: u64, stored: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::GNUSparse);
    header.set_path("holes").unwrap();
    header.set_size(stored.len() as u64);
    let (first, rest) = segments.split_at(segments.len() - more);
    let mut block = tar::GnuExtSparseHeader::new();
    let gnu = header.as_gnu_mut().unwrap();
    gnu.set_is_extended(more > 0);
    gnu.set_real_size(size);
    let places = gnu.sparse.iter_mut().zip(first).chain(block.sparse.iter_mut().zip(rest));
    for (place, (offset, len)) in places {
        place.set_offset(*offset);
        place.set_length(*len);
    }
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    if more > 0 {
        bytes.extend_from_slice(block.as_bytes());
    }
    bytes.extend_from_slice(stored);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    whole(&[bytes])
}

fn before_bytes(map: &str, bytes: &[u8]) -> Vec<u8> {
    let mut stored = map.as_bytes().to_vec();
    stored.resize(stored.len().next_multiple_of(512), 0);
    stored.extend_from_slice(bytes);
    sparse(&["GNU.sparse.major=1", "GNU.sparse.minor=0"], &stored)
}

#[test]
fn the_holes_of_a_sparse_file_are_zeros_in_every_form() {
    let served = Served::new();
    let several =
        ["GNU.sparse.numblocks=2", "GNU.sparse.offset=1", "GNU.sparse.numbytes=2"].as_slice();
    let several = [several, &["GNU.sparse.offset=5", "GNU.sparse.numbytes=1"]].concat();
    let form = ["GNU.sparse.major=0", "GNU.sparse.minor=1", "GNU.sparse.numblocks=2"].as_slice();
    let one = [form, &["GNU.sparse.map=1,2,5,1"]].concat();
    for sent in [
        sparse(&several, b"abc"),
        sparse(&one, b"abc"),
        before_bytes("2\n1\n2\n5\n1\n", b"abc"),
        before_bytes("4\n1\n1\n2\n1\n5\n1\n7\n0\n", b"abc"),
        oldest(&[(1, 2), (5, 1), (7, 0)], 0, 7, b"abc"),
        oldest(&[(1, 1), (2, 1), (5, 1)], 2, 7, b"abc"),
    ] {
        served.send("PUT", "/files/t/?archive=tar&mirror", &[], &sent).expect(200);
        assert_eq!(served.get("/files/t/holes").body, b"\0ab\0\0c\0");
    }
    for (sent, bytes) in [
        (sparse(&["GNU.sparse.numblocks=0"], b""), [0; 7]),
        (sparse(&["GNU.sparse.map=0,7"], b"abcdefg"), *b"abcdefg"),
        (before_bytes("0\n", b""), [0; 7]),
        (oldest(&[], 0, 7, b""), [0; 7]),
    ] {
        served.send("PUT", "/files/t/?archive=tar&mirror", &[], &sent).expect(200);
        assert_eq!(served.get("/files/t/holes").body, bytes);
    }
}

#[test]
fn a_map_of_a_sparse_file_that_cannot_be_right_is_refused() {
    let served = Served::new();
    let put = |bytes: &[u8]| served.send("PUT", "/files/t/?archive=tar", &[], bytes);
    for sent in [
        sparse(&["GNU.sparse.map=1,2,5,1"], b"abcd"),
        sparse(&["GNU.sparse.map=1,2,5,1"], b"ab"),
        sparse(&["GNU.sparse.map=1,2,2,1"], b"abc"),
        sparse(&["GNU.sparse.map=5,3"], b"abc"),
        sparse(&["GNU.sparse.map=1"], b"a"),
        sparse(&["GNU.sparse.map=a,b"], b"a"),
        sparse(&["GNU.sparse.map=18446744073709551615,18446744073709551615"], b"a"),
        sparse(&["GNU.sparse.numbytes=1"], b"a"),
        sparse(&["GNU.sparse.colour=red"], b"a"),
        sparse(&["GNU.sparse.major=2"], b"a"),
        sparse(&[], b"a"),
        whole(&[pax(&["GNU.sparse.map=0,1"]), entry(tar::EntryType::Regular, "f", b"f")]),
        before_bytes("99999999999999999999\n", b""),
        before_bytes("18446744073709551615\n1\n1\n", b"a"),
        before_bytes("2\n1\n1\n", b"a"),
        before_bytes("", b""),
        sparse(&["GNU.sparse.major=1"], b"1\n0\n1\n"),
        oldest(&[(1, 2), (2, 1)], 0, 7, b"abc"),
        oldest(&[(1, 2)], 0, 2, b"ab"),
        oldest(&[(1, 2)], 0, 7, b"abc"),
    ] {
        put(&sent).problem(422, "damaged");
    }
    put(&oldest(&[(0, 1)], 0, 1 << 63, b"a")).problem(413, "limit");
    // Nothing that is sent costs so much work for so few bytes.
    put(&oldest(&[(0, 1)], 0, 1 << 41, b"a")).problem(413, "limit");
    let map: String = (0..262_145).map(|at| format!("{}\n1\n", at * 2)).collect();
    put(&before_bytes(&format!("262145\n{map}"), &[b'a'; 262_145])).problem(413, "limit");
    served.get("/files/t/").problem(404, "not-found");
}

#[test]
fn a_packed_archive_is_named_as_such() {
    let served = Served::new();
    for (start, program) in [
        (&b"\x1f\x8b\x08"[..], "gzip"),
        (b"\xfd7zXZ\0", "xz"),
        (b"BZh9", "bzip2"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
    ] {
        let sent = [start, &noise(600)].concat();
        let problem = served.send("PUT", "/files/t/?archive=tar", &[], &sent);
        let problem = problem.problem(415, "unsupported");
        assert!(problem["detail"].as_str().unwrap().contains(program), "{problem}");
    }
}

#[test]
fn archives_of_other_programs_are_understood() {
    let served = Served::new();
    let global = b"13 comment=x\n19 mtime=1000000.5\n";
    let global = entry(tar::EntryType::XGlobalHeader, "pax_global_header", global);
    let long = "l".repeat(150);
    let sent = whole(&[
        entry(tar::EntryType::new(b'V'), "the name of the archive", b""),
        global,
        entry(tar::EntryType::Directory, "d/", b""),
        entry(tar::EntryType::new(b'D'), "dumped/", b"Yone\0Ntwo\0\0"),
        pax(&["mtime="]),
        entry(tar::EntryType::Regular, "global/not", b""),
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
    served.send("PUT", "/files/t/?archive=tar", &[], &sent).expect(200);
    assert_eq!(served.get("/files/t/d/two%0Alines").text(), "bytes");
    assert_eq!(served.get("/files/t/dumped?stat").json()["kind"], "directory");
    for (path, time) in
        [("d/sized", "1970-01-12T13:46:40.5Z"), ("global/not", "1970-01-01T00:00:00Z")]
    {
        let stat = served.get(&format!("/files/t/{path}?stat")).json();
        assert_eq!(stat["modified"], time, "{path}");
    }
    let stat = served.get("/files/t/d/two%0Alines?stat").json();
    assert_eq!(stat["modified"], "1969-12-31T23:59:58.5Z");
    assert_eq!(served.get(&format!("/files/t/d/{long}")).text(), "long");
    assert_eq!(served.get("/files/t/d/sized").text(), "abc");
    assert_eq!(served.get("/files/t/old?stat").json()["kind"], "directory");
}

#[test]
fn what_comes_out_goes_in_as_the_same_to_the_nanosecond() {
    let served = Served::new();
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
    served.send("PUT", "/files/one/?archive=tar", &[], &sent).expect(200);
    assert_eq!(served.get("/files/one/?stat").json()["modified"], "1969-12-31T23:59:59.999999999Z");
    let out = served.get("/files/one/?archive=tar").expect(200).body;
    served.send("PUT", "/files/two/?archive=tar", &[], &out).expect(200);
    let one = served.get("/files/one/?stat").json();
    let two = served.get("/files/two/?stat").json();
    assert_eq!((&one["hash"], &one["modified"]), (&two["hash"], &two["modified"]));
    assert_eq!(served.get("/files/two/a?stat").json()["content_type"], "text/x-odd");
    // Sent back, also as a mirror, it changes nothing at all.
    let head = served.head();
    for url in ["/files/one/?archive=tar", "/files/one/?archive=tar&mirror"] {
        served.send("PUT", url, &[], &out).expect(200);
        assert_eq!(served.head(), head);
    }
    // A type that an archive does not say stays; a directory that is there gets its mode and time.
    let again = whole(&[
        entry(tar::EntryType::Directory, "implied", b""),
        entry(tar::EntryType::Regular, "a", b"other"),
    ]);
    for mirror in ["", "&mirror"] {
        let url = format!("/files/one/?archive=tar{mirror}");
        served.send("PUT", &url, &[], &again).expect(200);
        assert_eq!(served.get("/files/one/a?stat").json()["content_type"], "text/x-odd");
        let implied = served.get("/files/one/implied?stat").json();
        assert_eq!(
            (implied["mode"].as_str(), implied["modified"].as_str()),
            (Some("0644"), Some("1970-01-01T00:00:00Z"))
        );
        assert_eq!(served.get("/files/one/?stat").json()["modified"], one["modified"]);
        let left = if mirror.is_empty() { 3 } else { 1 };
        assert_eq!(served.get("/files/one/?stat").json()["files"], left);
    }
}

#[test]
fn files_and_directories_change_places() {
    let served = Served::new();
    served.put("/files/t/d/x", b"x");
    served.put("/files/t/f", b"f");
    let sent = whole(&[
        entry(tar::EntryType::Regular, "d", b"a file now"),
        entry(tar::EntryType::Directory, "f", b""),
        entry(tar::EntryType::Regular, "f/y", b"y"),
    ]);
    served.send("PUT", "/files/t/?archive=tar", &[], &sent).expect(200);
    assert_eq!(served.get("/files/t/d").text(), "a file now");
    assert_eq!(served.get("/files/t/f/y").text(), "y");
    served.send("PUT", "/files/t/d/?archive=tar", &[], &sent).problem(400, "invalid");
}

#[test]
fn an_archive_goes_in_under_conditions_and_by_keys_that_may_only_add() {
    let served = Served::new();
    let sent = archive(&[("a", b"a")]);
    let url = "/files/t/?archive=tar";
    let new = [("if-none-match", "*")];
    served.send("PUT", url, &[("if-match", "*")], &sent).problem(412, "changed");
    served.send("PUT", url, &new, &sent).expect(200);
    served.send("PUT", url, &new, &sent).problem(412, "changed");

    let key = format!("Bearer {}", served.new_key("append-only"));
    let put = |url: &str, bytes: &[u8]| served.bare("PUT", url, &[("authorization", &key)], bytes);
    put(url, &archive(&[("a", b"a"), ("b", b"b")])).expect(200);
    let head = served.head();
    put(url, &archive(&[("c", b"c"), ("a", b"other")])).problem(403, "forbidden");
    put("/files/t/?archive=tar&mirror", &sent).problem(403, "forbidden");
    assert_eq!(served.head(), head);
}

#[test]
fn a_path_that_curl_added_a_name_to_is_explained() {
    let served = Served::new();
    let sent = archive(&[("a", b"a")]);
    let problem = served.send("PUT", "/files/t/x.tar?archive=tar", &[], &sent);
    let problem = problem.problem(400, "invalid");
    assert!(problem["detail"].as_str().unwrap().contains("-T -"), "{problem}");
}

#[test]
fn a_mirror_that_would_delete_most_of_what_is_there_is_refused_unless_it_may() {
    let served = Served::new();
    let names: Vec<String> = (0..12).map(|n| format!("f{n}")).collect();
    let all: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b"x"[..])).collect();
    served.send("PUT", "/files/t/?archive=tar", &[], &archive(&all)).expect(200);
    let head = served.head();
    let put = |query: &str, count: usize| {
        let url = format!("/files/t/?archive=tar&mirror{query}");
        served.send("PUT", &url, &[], &archive(&all[..count]))
    };
    let problem = put("", 5).problem(409, "too-many-deletions");
    assert_eq!([&problem["deleted"], &problem["files"], &problem["allowed"]], [7, 12, 6]);
    put("&max-delete=6", 5).problem(409, "too-many-deletions");
    put("&max-delete=50%25", 5).problem(409, "too-many-deletions");
    put("&allow-empty", 5).problem(409, "too-many-deletions");
    assert_eq!(put("", 0).problem(409, "empty-source")["files"], 12);
    for bad in ["&max-delete=-1", "&max-delete=101%25", "&max-delete=", "&allow-empty=perhaps"] {
        put(bad, 12).problem(400, "invalid");
    }
    assert_eq!(served.head(), head);
    put("", 6).expect(200);
    put("&max-delete=100%25", 5).expect(200);
    put("&allow-empty", 0).expect(200);
    assert_eq!(served.get("/files/t/?stat").json()["files"], 0);
}

#[test]
fn a_file_in_the_place_of_a_directory_of_many_is_refused_unless_it_may() {
    let served = Served::new();
    for n in 0..12 {
        served.put(&format!("/files/t/d/{n}"), b"x");
    }
    let sent = archive(&[("d", b"now a file")]);
    let put =
        |query: &str| served.send("PUT", &format!("/files/t/?archive=tar{query}"), &[], &sent);
    put("").problem(409, "too-many-deletions");
    put("&max-delete=12").expect(200);
    assert_eq!(served.get("/files/t/d").text(), "now a file");
}

#[test]
fn what_records_say_that_cannot_be_kept_is_refused_and_nothing_is_stored() {
    let served = Served::new();
    served.put("/files/t/keep", b"keep");
    let head = served.head();
    let file = entry(tar::EntryType::Regular, "f", b"f");
    let long = format!("SCHILY.xattr.user.long={}", "x".repeat(65_537));
    let many: Vec<String> = (0..400).map(|n| format!("SCHILY.xattr.user.{n:0>240}=x")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let name = format!("SCHILY.xattr.user.{}=x", "n".repeat(251));
    let user = format!("uname={}", "u".repeat(256));
    let cases: [(&[&str], u16); 15] = [
        (&[&long], 413),
        (&many, 413),
        (&[&name], 413),
        (&["SCHILY.xattr.=x"], 422),
        (&[&user, "uid=1", "gid=1"], 413),
        (&["uid=4294967295"], 400),
        (&["uid=-1"], 422),
        (&["gid=99999999999999999999"], 422),
        (&["uid=1", "uid=1"], 422),
        (&["SCHILY.xattr.user.a=1", "SCHILY.xattr.user.a=1"], 422),
        (&["SCHILY.acl.access=user::rw-", "SCHILY.acl.access=user::rw-"], 422),
        (&["SCHILY.acl.access=user::rw-,nonsense"], 400),
        (&["SCHILY.acl.access=user:nobody of this name:rw-"], 400),
        (&["SCHILY.acl.default=user:x:rw-:4294967296"], 400),
        (&["SCHILY.fflags=nodump", "SCHILY.fflags=nodump"], 422),
    ];
    for (records, status) in cases {
        let sent = whole(&[pax(records), file.clone()]);
        let reply = served.send("PUT", "/files/t/?archive=tar", &[], &sent);
        let shown: String = records[0].chars().take(60).collect();
        assert_eq!(reply.status, status, "{shown}: {}", reply.text());
    }
    for records in
        [["SCHILY.devmajor=4294967296", "SCHILY.devminor=1"], ["SCHILY.devmajor=x", "a=b"]]
    {
        let device = entry(tar::EntryType::Char, "dev", b"");
        let reply =
            served.send("PUT", "/files/t/?archive=tar", &[], &whole(&[pax(&records), device]));
        assert!(matches!(reply.status, 400 | 422), "{}", reply.text());
    }
    assert_eq!(served.head(), head);
}

/// A member that is one more path of another.
fn hard_link(name: &str, target: &str) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Link);
    header.set_size(0);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.as_mut_bytes()[157..157 + target.len()].copy_from_slice(target.as_bytes());
    header.set_cksum();
    header.as_bytes().to_vec()
}

#[test]
fn members_that_are_one_file_stay_one_and_those_that_lead_elsewhere_are_refused() {
    let served = Served::new();
    served.put("/files/outside", b"outside");
    let head = served.head();
    let file = |name: &str, bytes: &[u8]| entry(tar::EntryType::Regular, name, bytes);
    let directory = entry(tar::EntryType::Directory, "d/", b"");
    for members in [
        vec![hard_link("a", "../outside")],
        vec![hard_link("a", "absent"), file("b", b"b")],
        vec![hard_link("a", "later"), file("later", b"x")],
        vec![file("a", b"x"), hard_link("a", "a/b")],
        vec![directory.clone(), hard_link("a", "d")],
        vec![hard_link("a", "a")],
    ] {
        let members = [vec![file("first", b"first")], members].concat();
        served.send("PUT", "/files/t/?archive=tar", &[], &whole(&members)).problem(400, "invalid");
        assert_eq!(served.head(), head);
    }
    let members = [
        file("d/a", b"one"),
        hard_link("b", "d/a"),
        hard_link("c", "./b"),
        file("e", b"one"),
        hard_link("gone", "e"),
        // A path of a file that becomes another is one of it no more.
        file("e", b"another"),
        file("x", b"x"),
        hard_link("y", "x"),
        file("y", b"x"),
    ];
    served.send("PUT", "/files/t/?archive=tar", &[], &whole(&members)).expect(200);
    let link = |name: &str| served.get(&format!("/files/t/{name}?stat")).json()["hardlink"].clone();
    assert_eq!((link("d/a")["up"].as_u64(), link("b")["up"].as_u64()), (Some(1), Some(0)));
    assert_eq!((link("d/a")["group"].clone(), link("b")), (link("c")["group"].clone(), link("c")));
    for alone in ["e", "gone", "x", "y"] {
        assert!(link(alone).is_null(), "{alone}: {}", link(alone));
    }
    let sent = served.get("/files/t/?archive=tar").expect(200).body;
    let mut archive = tar::Archive::new(Cursor::new(sent));
    let members: Vec<(String, bool)> = archive
        .entries()
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let linked = entry.header().entry_type() == tar::EntryType::Link;
            (entry.path().unwrap().display().to_string(), linked)
        })
        .collect();
    let linked: Vec<&str> =
        members.iter().filter(|(_, linked)| *linked).map(|(name, _)| name.as_str()).collect();
    assert_eq!(linked, ["c", "d/a"], "{members:?}");
}

#[test]
fn the_attributes_of_the_root_come_with_an_archive_of_it() {
    let served = Served::new();
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::Directory);
    header.set_size(0);
    header.set_mode(0o750);
    header.set_mtime(5);
    header.set_uid(40_001);
    header.set_gid(40_002);
    header.set_username("somebody").unwrap();
    header.as_mut_bytes()[..2].copy_from_slice(b"./");
    header.set_cksum();
    let sent = whole(&[header.as_bytes().to_vec(), entry(tar::EntryType::Regular, "a", b"a")]);
    served.put("/files/before", b"before");
    let head = served.head();
    served.send("PUT", "/files/?archive=tar", &[], &sent).expect(200);
    let root = served.get("/files/?stat").json();
    let found = (&root["mode"], &root["uid"], &root["gid"], &root["user"]);
    assert_eq!(found, (&"0750".into(), &40_001.into(), &40_002.into(), &"somebody".into()));
    let changes = served.get(&format!("/admin/changes?from={head}")).json();
    assert_eq!(changes["items"][0]["path"], "/", "{changes}");
}
