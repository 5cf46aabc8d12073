use std::os::unix::ffi::OsStrExt;

use super::*;

fn read(text: &str) -> (Option<String>, String) {
    let location = location(OsStr::new(text)).unwrap();
    (location.version, String::from_utf8(location.path.as_bytes().to_vec()).unwrap())
}

fn in_version(version: &str, path: &str) -> (Option<String>, String) {
    (Some(version.to_owned()), path.to_owned())
}

fn in_head(path: &str) -> (Option<String>, String) {
    (None, path.to_owned())
}

#[test]
fn a_version_stands_before_a_colon() {
    assert_eq!(read("v1:/docs/a"), in_version("v1", "/docs/a"));
    assert_eq!(read("v1:docs/a"), in_version("v1", "/docs/a"));
    assert_eq!(read("HEAD~2:/"), in_version("HEAD~2", "/"));
    assert_eq!(read("v1:"), in_version("v1", "/"));
}

#[test]
fn a_version_may_have_colons_of_its_own_before_an_absolute_path() {
    assert_eq!(read("daily:10:30:/a"), in_version("daily:10:30", "/a"));
}

#[test]
fn a_version_may_have_slashes_of_its_own_before_an_absolute_path() {
    assert_eq!(read("host/daily:/etc/a"), in_version("host/daily", "/etc/a"));
    assert_eq!(read("host/daily:"), in_version("host/daily", "/"));
    assert_eq!(read("2026-11-01T12:00:/a:b/c:/d"), in_version("2026-11-01T12:00", "/a:b/c:/d"));
    assert_eq!(read("2026-11-01T12:00:"), in_version("2026-11-01T12:00", "/"));
    // Without the slash the first colon ends the name, and none behind a slash does.
    assert_eq!(read("v1:a:b"), in_version("v1", "/a:b"));
    assert_eq!(read("host/daily:etc"), in_head("/host/daily:etc"));
}

#[test]
fn a_time_may_have_colons_and_slashes_of_its_own() {
    let noon = "@{2026-11-01T12:00[Europe/Berlin]}";
    assert_eq!(read(&format!("{noon}:a")), in_version(noon, "/a"));
    assert_eq!(read(&format!("{noon}:/a:/b")), in_version(noon, "/a:/b"));
    assert_eq!(read(&format!("HEAD{noon}:")), in_version(&format!("HEAD{noon}"), "/"));
}

#[test]
fn colons_behind_the_first_slash_belong_to_the_path() {
    assert_eq!(read("/v1:/docs"), in_head("/v1:/docs"));
    assert_eq!(read("/a:b"), in_head("/a:b"));
    assert_eq!(read("a/b:c"), in_head("/a/b:c"));
    assert_eq!(read("v1:/a:/b"), in_version("v1", "/a:/b"));
    assert_eq!(read(":/a"), in_head("/:/a"));
}

#[test]
fn slashes_at_the_ends_may_be_given_or_not() {
    for same in ["/docs", "docs", "docs/", "/docs/"] {
        assert_eq!(read(same), in_head("/docs"), "{same}");
    }
    assert_eq!(read("/"), in_head("/"));
}

#[test]
fn names_need_not_be_text() {
    let bytes = OsStr::from_bytes(b"v1:/\xff\xfe");
    let location = location(bytes).unwrap();
    assert_eq!(location.version.as_deref(), Some("v1"));
    assert_eq!(location.path.as_bytes(), b"/\xff\xfe");
    assert!(super::location(OsStr::from_bytes(b"\xff:/a")).is_err());
}

#[test]
fn only_head_is_written_to() {
    assert!(target(OsStr::new("v1:/a")).is_err());
    assert!(target(OsStr::new("")).is_err());
    let inside = target(OsStr::new("/a:b/")).unwrap();
    assert!(inside.is_directory && inside.path.as_bytes() == b"/a:b");
    assert!(!target(OsStr::new("/a")).unwrap().is_directory);
    assert!(target(OsStr::new("/")).unwrap().is_directory);
}
