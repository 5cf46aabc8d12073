//! What is at a path as a sealed file: out, in outline, and in again as a patch.

use std::io::{Cursor, Write};
use std::path::Path as LocalPath;
use std::sync::Arc;

use aeordb::backup::diff_from_outline;
use aeordb::db::{Database, Options};
use aeordb::files::{PutOptions, Source, put};
use aeordb::media::{FileMedia, NewFile};
use aeordb::object::Path;
use aeordb::watch::Watch;

use crate::house::{House, noise};

/// The patch that puts `bytes` at `path`, made over the outline of what is there.
fn patch(house: &House, path: &str, bytes: &[u8]) -> Vec<u8> {
    let reply = house.get(&format!("/files{path}?archive=aeordb&outline")).expect(200);
    assert_eq!(reply.headers["content-type"], "application/vnd.aeordb");
    assert_eq!(reply.headers["aeordb-version"], house.head());
    let mut file = NewFile::new(FileMedia::create(house.path("outline")).unwrap());
    file.write_all(&reply.body).unwrap();
    let options = Options::default();
    let media = Arc::new(file.into_media().unwrap());
    let outline = Database::open_media(media, LocalPath::new("outline"), &options).unwrap();
    let from = outline.reader().unwrap().head();
    let over = Database::over(&outline.reader().unwrap(), from, None, &options).unwrap();
    let source = Source::Stream(Box::new(Cursor::new(bytes.to_vec())));
    let at = Path::parse(path.as_bytes()).unwrap();
    let report =
        put(&over, vec![source], &at, false, &PutOptions::default(), &Watch::new()).unwrap();
    let mut patch = Vec::new();
    let reader = over.reader().unwrap();
    diff_from_outline(&reader, &from, &report.version, &mut patch, &Watch::new()).unwrap();
    patch
}

#[test]
fn a_patch_that_is_made_over_an_outline_is_put_if_nothing_else_changed_there() {
    let house = House::new();
    house.put("/files/docs/a.txt", b"alpha");
    house.put("/files/docs/large", &noise(2_000_000));
    let before = house.head();
    let (first, late) = (patch(&house, "/docs/a.txt", b"beta"), patch(&house, "/docs/a.txt", b"?"));
    // What is near is no matter.
    house.put("/files/docs/b.txt", b"b");
    let url = "/files/docs/a.txt?archive=aeordb";
    house.send("PUT", url, &[("if-match", "*")], &first).problem(400, "invalid");
    house.send("PUT", url, &[], &first[..first.len() - 1]).problem(422, "damaged");
    let reply = house.send("PUT", url, &[], &first).expect(200);
    assert_eq!(reply.members(), ["version", "previous", "new_bytes"]);
    assert_eq!(reply.json()["version"], house.head());
    assert_ne!(house.head(), before);
    assert_eq!(house.get("/files/docs/a.txt").text(), "beta");
    assert_eq!(house.get("/files/docs/b.txt").text(), "b");
    house.send("PUT", url, &[], &late).problem(412, "changed");
    house.send("PUT", "/files/x?archive=zip", &[], b"").problem(400, "invalid");
}

#[test]
fn what_is_at_a_path_goes_out_and_in_again_as_an_export() {
    let house = House::new();
    let large = noise(900_000);
    house.put("/files/docs/x/large", &large);
    house.put("/files/other", b"other");
    let out = house.get("/files/docs/?archive=aeordb").expect(200).body;
    let outline = house.get("/files/docs/?archive=aeordb&outline").expect(200).body;
    assert!(outline.len() < 20_000 && out.len() > 900_000);
    house.get("/files/none?archive=aeordb").problem(404, "not-found");
    assert_eq!(house.send("HEAD", "/files/none?archive=aeordb", &[], b"").status, 404);
    for at in ["/files/docs?archive=aeordb", "/files/docs/?archive=tar", "/admin/export"] {
        let head = house.send("HEAD", at, &[], b"").expect(200);
        assert!(!head.headers.contains_key("content-length"), "{at}: only sending it tells");
    }
    let other = House::new();
    other.put("/files/docs/gone", b"gone");
    other.send("PUT", "/files/docs/?archive=aeordb", &[], &outline).problem(409, "incomplete");
    other.send("PUT", "/files/docs/?archive=aeordb", &[], &out).expect(200);
    assert!(other.get("/files/docs/x/large").body == large);
    other.get("/files/docs/gone").problem(404, "not-found");
    other.get("/files/other").problem(404, "not-found");
}

#[test]
fn a_key_that_may_only_append_grafts_what_is_new() {
    let house = House::new();
    house.put("/files/a", b"a");
    let key = format!("Bearer {}", house.new_key("append-only"));
    let put = |path: &str, bytes: &[u8]| {
        let sent = patch(&house, path, bytes);
        let url = format!("/files{path}?archive=aeordb");
        house.bare("PUT", &url, &[("authorization", &key)], &sent)
    };
    put("/a", b"other").problem(403, "forbidden");
    put("/b", b"b").expect(200);
    assert_eq!(house.get("/files/b").text(), "b");
}
