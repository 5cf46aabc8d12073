//! What is at a path as a sealed file: out, in outline, and in again as a patch.

use std::io::{Cursor, Write};
use std::path::Path as LocalPath;
use std::sync::Arc;

use aeordb::backup::diff_from_outline;
use aeordb::db::{Database, Options};
use aeordb::files::{PutOptions, Source, put};
use aeordb::media::{FileMedia, NewFile};
use aeordb::monitor::Monitor;
use aeordb::object::Path;

use crate::served::{Served, noise};

/// The patch that puts `bytes` at `path`, made over the outline of what is there.
fn patch(served: &Served, path: &str, bytes: &[u8]) -> Vec<u8> {
    let reply = served.get(&format!("/files{path}?archive=aeordb&outline")).expect(200);
    assert_eq!(reply.headers["content-type"], "application/vnd.aeordb");
    assert_eq!(reply.headers["aeordb-version"], served.head());
    let mut file = NewFile::new(FileMedia::create(served.path("outline")).unwrap());
    file.write_all(&reply.body).unwrap();
    let options = Options::default();
    let media = Arc::new(file.into_media().unwrap());
    let outline = Database::open_media(media, LocalPath::new("outline"), &options).unwrap();
    let from = outline.reader().unwrap().head();
    let over = Database::over(&outline.reader().unwrap(), from, None, &options).unwrap();
    let source = Source::Stream(Box::new(Cursor::new(bytes.to_vec())));
    let at = Path::parse(path.as_bytes()).unwrap();
    let report =
        put(&over, vec![source], &at, false, &PutOptions::default(), &Monitor::new()).unwrap();
    let mut patch = Vec::new();
    let reader = over.reader().unwrap();
    diff_from_outline(&reader, &from, &report.version, &mut patch, &Monitor::new()).unwrap();
    patch
}

#[test]
fn a_patch_that_is_made_over_an_outline_is_put_if_nothing_else_changed_there() {
    let served = Served::new();
    served.put("/files/docs/a.txt", b"alpha");
    served.put("/files/docs/large", &noise(2_000_000));
    let before = served.head();
    let (first, late) =
        (patch(&served, "/docs/a.txt", b"beta"), patch(&served, "/docs/a.txt", b"?"));
    // What is near is no matter.
    served.put("/files/docs/b.txt", b"b");
    let url = "/files/docs/a.txt?archive=aeordb";
    served.send("PUT", url, &[("if-match", "*")], &first).problem(400, "invalid");
    served.send("PUT", url, &[], &first[..first.len() - 1]).problem(422, "damaged");
    let reply = served.send("PUT", url, &[], &first).expect(200);
    assert_eq!(reply.members(), ["version", "previous", "new_bytes"]);
    assert_eq!(reply.json()["version"], served.head());
    assert_ne!(served.head(), before);
    assert_eq!(served.get("/files/docs/a.txt").text(), "beta");
    assert_eq!(served.get("/files/docs/b.txt").text(), "b");
    served.send("PUT", url, &[], &late).problem(412, "changed");
    served.send("PUT", "/files/x?archive=zip", &[], b"").problem(400, "invalid");
}

/// A path of so many bytes, of names of this letter.
fn long(letter: char, len: usize) -> String {
    let name = format!("/{}", letter.to_string().repeat(199));
    let mut path = name.repeat(len / 200);
    path.extend(name.chars().take(len % 200));
    path
}

#[test]
fn no_door_makes_a_path_of_more_than_4096_bytes_of_two_that_are_shorter() {
    let served = Served::new();
    let (deep, place) = (long('d', 3015), long('p', 1450));
    served.put(&format!("/files{deep}"), b"deep");
    served.put(&format!("/files{place}/there"), b"there");
    let export = served.get(&format!("/files{}/?archive=aeordb", long('d', 200))).expect(200).body;
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(4);
    header.set_mode(0o644);
    tar.append_data(&mut header, deep.trim_start_matches('/'), &b"deep"[..]).unwrap();
    let tar = tar.into_inner().unwrap();
    let before = served.head();
    let from = long('d', 200);
    for archive in [("aeordb", export), ("tar", tar)] {
        let url = format!("/files{place}/new/?archive={}", archive.0);
        served.send("PUT", &url, &[], &archive.1).problem(400, "invalid");
    }
    for op in ["rename", "copy"] {
        let change = format!(r#"{{"op":"{op}","from":"{from}","to":"{place}/new"}}"#);
        let body = format!(r#"{{"changes":[{change}]}}"#);
        let json = [("content-type", "application/json")];
        served.send("POST", "/batch", &json, body.as_bytes()).problem(400, "invalid");
        // In two steps, each of which is short enough by itself.
        let one = format!(r#"{{"op":"copy","from":"{from}","to":"/w/new"}}"#);
        let two = format!(r#"{{"op":"{op}","from":"/w","to":"{place}/new"}}"#);
        let body = format!(r#"{{"changes":[{one},{two}]}}"#);
        served.send("POST", "/batch", &json, body.as_bytes()).problem(400, "invalid");
    }
    assert_eq!(served.head(), before);
}

#[test]
fn what_is_at_a_path_goes_out_and_in_again_as_an_export() {
    let served = Served::new();
    let large = noise(900_000);
    served.put("/files/docs/x/large", &large);
    served.put("/files/other", b"other");
    let out = served.get("/files/docs/?archive=aeordb").expect(200).body;
    let outline = served.get("/files/docs/?archive=aeordb&outline").expect(200).body;
    assert!(outline.len() < 20_000 && out.len() > 900_000);
    served.get("/files/none?archive=aeordb").problem(404, "not-found");
    assert_eq!(served.send("HEAD", "/files/none?archive=aeordb", &[], b"").status, 404);
    for at in ["/files/docs?archive=aeordb", "/files/docs/?archive=tar", "/admin/export"] {
        let head = served.send("HEAD", at, &[], b"").expect(200);
        assert!(!head.headers.contains_key("content-length"), "{at}: only sending it tells");
    }
    let other = Served::new();
    other.put("/files/docs/gone", b"gone");
    other.send("PUT", "/files/docs/?archive=aeordb", &[], &outline).problem(409, "incomplete");
    other.send("PUT", "/files/docs/?archive=aeordb", &[], &out).expect(200);
    assert!(other.get("/files/docs/x/large").body == large);
    other.get("/files/docs/gone").problem(404, "not-found");
    other.get("/files/other").problem(404, "not-found");
}

#[test]
fn an_export_deletes_no_more_than_a_mirrored_archive_would() {
    let (served, elsewhere) = (Served::new(), Served::new());
    for n in 0..10 {
        served.put(&format!("/files/docs/{n}"), b"there");
    }
    let export = || elsewhere.get("/files/docs/?archive=aeordb").expect(200).body;
    elsewhere.put("/files/docs/", b"");
    let none = export();
    elsewhere.put("/files/docs/0", b"there");
    let few = export();
    let head = served.head();
    let put = |flags: &str, bytes: &[u8]| {
        served.send("PUT", &format!("/files/docs/?archive=aeordb{flags}"), &[], bytes)
    };
    let problem = put("", &few).problem(409, "too-many-deletions");
    assert_eq!((&problem["deleted"], &problem["files"]), (&9.into(), &10.into()));
    put("&max-delete=8", &few).problem(409, "too-many-deletions");
    put("&max-delete=89%25", &few).problem(409, "too-many-deletions");
    put("", &none).problem(409, "empty-source");
    assert_eq!(served.head(), head);
    put("&max-delete=9", &few).expect(200);
    put("&allow-empty", &none).expect(200);
    assert_eq!(served.get("/files/docs/?stat").json()["files"], 0);
}

#[test]
fn a_key_that_may_only_append_puts_what_is_new() {
    let served = Served::new();
    served.put("/files/a", b"a");
    let key = format!("Bearer {}", served.new_key("append-only"));
    let put = |path: &str, bytes: &[u8]| {
        let sent = patch(&served, path, bytes);
        let url = format!("/files{path}?archive=aeordb");
        served.bare("PUT", &url, &[("authorization", &key)], &sent)
    };
    put("/a", b"other").problem(403, "forbidden");
    put("/b", b"b").expect(200);
    assert_eq!(served.get("/files/b").text(), "b");
}

#[test]
fn what_a_patch_comes_to_is_named_with_it_by_whoever_may_name_versions() {
    let served = Served::new();
    served.put("/files/a", b"a");
    let sent = patch(&served, "/b", b"b");
    let url = "/files/b?archive=aeordb&snapshot=v1&metadata=%7B%22message%22%3A%22first%22%7D";
    let key = format!("Bearer {}", served.new_key("read,write"));
    served.bare("PUT", url, &[("authorization", &key)], &sent).problem(403, "forbidden");
    served.send("PUT", "/files/b?snapshot=v1", &[], b"b").problem(400, "invalid");
    let bad = "/files/b?archive=aeordb&snapshot=v1&metadata=%5B1%5D";
    served.send("PUT", bad, &[], &sent).problem(400, "invalid");
    served.send("PUT", "/files/b?archive=aeordb&snapshot=HEAD", &[], &sent).problem(400, "invalid");
    let before = served.head();
    assert_eq!(served.get("/admin/snapshots").json()["items"].as_array().unwrap().len(), 0);
    served.send("PUT", url, &[], &sent).expect(200);
    assert_ne!(served.head(), before);
    let named = &served.get("/admin/snapshots").json()["items"][0];
    assert_eq!((&named["name"], &named["version"]), (&"v1".into(), &served.head().into()));
    assert_eq!(named["metadata"]["message"], "first");
    // The name is taken, whatever comes with it.
    let other = patch(&served, "/c", b"c");
    let taken = "/files/c?archive=aeordb&snapshot=v1";
    served.send("PUT", taken, &[], &other).problem(409, "exists");
    served.get("/files/c").problem(404, "not-found");
    // What is there already is named as well.
    served.send("PUT", "/files/b?archive=aeordb&snapshot=v2", &[], &sent).expect(200);
    assert_eq!(served.get("/admin/snapshots").json()["items"][1]["version"], served.head());
}
