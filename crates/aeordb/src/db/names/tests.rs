use super::*;

#[test]
fn names_as_people_write_them_are_taken() {
    let names = "v1 host/daily 2026-11-01T12:00 2026-11-01T12:00:30+01:00 20261101 a@b user@host \
                 R\u{e4}der HEADER latest/1 v1.2.3 cafe decade";
    for name in names.split_whitespace() {
        check_snapshot_name(name).unwrap();
    }
    check_snapshot_name(&"n".repeat(255)).unwrap();
}

#[test]
fn a_refused_name_is_told_why() {
    for (name, why) in [
        ("", "1 to 255 bytes"),
        (&"n".repeat(256), "1 to 255 bytes"),
        ("a b", "white space"),
        ("a\nb", "white space"),
        ("v~1", "'~'"),
        ("/a", "begin or end"),
        ("a/", "begin or end"),
        (":a", "begin or end"),
        ("a:", "begin or end"),
        ("a:/b", "a path follows"),
        ("a@{1}", "a time"),
        ("v1..v2", "two versions"),
        ("a//b", "URLs"),
        ("a/./b", "URLs"),
        ("HEAD", "reserved"),
        ("latest", "reserved"),
        ("-a", "reserved"),
        ("deadbeef", "hash"),
    ] {
        let refused = check_snapshot_name(name).unwrap_err().to_string();
        assert!(refused.contains(why), "{name}: {refused}");
    }
}

#[test]
fn a_filter_asks_the_whole_name_and_all_metadata() {
    let metadata = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
    };
    let filter = SnapshotFilter::new(Some("host/*"), metadata(&[("kind", "nightly")])).unwrap();
    assert!(filter.takes("host/a/b", &metadata(&[("kind", "nightly"), ("x", "y")])));
    assert!(!filter.takes("host/a", &metadata(&[("kind", "weekly")])));
    assert!(!filter.takes("a-host/a", &metadata(&[("kind", "nightly")])));
    assert!(SnapshotFilter::default().takes("anything", &BTreeMap::new()));
    let refused = SnapshotFilter::new(Some("a["), BTreeMap::new()).unwrap_err().to_string();
    assert!(refused.contains("a["), "{refused}");
}
