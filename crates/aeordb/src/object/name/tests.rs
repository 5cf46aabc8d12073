use super::*;

#[test]
fn names_are_bytes_with_few_exceptions() {
    for good in [
        &b"a"[..],
        b"...",
        b".a",
        b"a b",
        b"\xff\xfe",
        b"a\\b",
        b"C:",
        b"\r\n",
        b"nul",
        &[b'x'; 255],
    ] {
        assert_eq!(Name::new(good).unwrap().as_bytes(), good);
    }
    for bad in [&b""[..], b".", b"..", b"/", b"a/b", b"a\0", &[b'x'; 256]] {
        assert!(matches!(Name::new(bad), Err(Error::Invalid(_))), "{bad:?} was taken");
    }
}

#[test]
fn a_refused_name_is_named_without_its_control_characters() {
    let error = Name::new(b"a/\n").unwrap_err().to_string();
    assert_eq!(error, "name 'a/\\n' has a slash in it");
}
