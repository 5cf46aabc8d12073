use proptest::prelude::*;

use super::*;

fn path(text: &str) -> Path {
    text.parse().unwrap()
}

#[test]
fn a_path_is_normalised_and_a_trailing_slash_is_remembered_apart() {
    for (given, kept, slash) in [
        ("/", "/", true),
        ("a", "/a", false),
        ("/a", "/a", false),
        ("/a/", "/a", true),
        ("a/b/", "/a/b", true),
        ("/ä/...", "/ä/...", false),
    ] {
        let (parsed, found) = Path::parse_with_slash(given.as_bytes()).unwrap();
        assert_eq!((parsed.as_bytes(), found), (kept.as_bytes(), slash), "{given}");
    }
}

#[test]
fn paths_that_could_mean_another_place_are_refused() {
    let long = "/x".repeat(2049);
    for bad in
        ["", "//", "a//b", "//a", "/a//", "./a", "/a/.", "/..", "a/../b", "a\0b", "/\0", &long]
    {
        assert!(matches!(Path::parse(bad.as_bytes()), Err(Error::Invalid(_))), "{bad:?} was taken");
    }
    assert!(Path::parse(&vec![b'a'; 256]).is_err());
}

#[test]
fn a_path_of_exactly_the_limit_is_taken() {
    let longest = "/x".repeat(2048);
    assert_eq!(path(&longest).components().count(), 2048);
    assert!(path(&longest).join(&Name::new(b"y").unwrap()).is_err());
}

#[test]
fn bytes_that_are_not_text_survive() {
    let odd = Path::parse(b"/\xff/b\xfe").unwrap();
    assert_eq!(odd.as_bytes(), b"/\xff/b\xfe");
    assert_eq!(odd.name().unwrap(), b"b\xfe");
    assert_eq!(odd.to_string(), "/\u{fffd}/b\u{fffd}");
}

#[test]
fn parent_name_and_join_fit_together() {
    assert_eq!(path("/").parent(), None);
    assert_eq!(path("/").name(), None);
    assert_eq!(path("/").components().count(), 0);
    for text in ["/a", "/a/b", "/a/b/c.d"] {
        let whole = path(text);
        let name = Name::new(whole.name().unwrap()).unwrap();
        assert_eq!(whole.parent().unwrap().join(&name).unwrap(), whole);
    }
}

#[test]
fn a_directory_sorts_right_before_everything_below_it() {
    let mut paths = ["/b", "/a.b", "/a/z", "/a", "/a/b/c", "/", "/a-", "/a/b", "/ab"].map(path);
    paths.sort();
    let texts: Vec<_> = paths.iter().map(Path::to_string).collect();
    assert_eq!(texts, ["/", "/a", "/a/b", "/a/b/c", "/a/z", "/a-", "/a.b", "/ab", "/b"]);
}

#[test]
fn a_path_contains_itself_and_what_is_below_it_only() {
    for (outer, inner, expect) in [
        ("/", "/", true),
        ("/", "/a", true),
        ("/a", "/a", true),
        ("/a", "/a/b", true),
        ("/a", "/ab", false),
        ("/a/b", "/a", false),
    ] {
        assert_eq!(path(outer).contains(&path(inner)), expect, "{outer} {inner}");
    }
}

proptest! {
    #[test]
    fn the_order_is_that_of_the_components(a in "(/[a./-]{1,3}x){1,3}", b in "(/[a./-]{1,3}x){1,3}") {
        if let (Ok(a), Ok(b)) = (Path::parse(a.as_bytes()), Path::parse(b.as_bytes())) {
            prop_assert_eq!(a.cmp(&b), a.components().cmp(b.components()));
        }
    }

    #[test]
    fn any_bytes_are_refused_or_kept_as_they_are(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok((path, slash)) = Path::parse_with_slash(&bytes) {
            let mut again = path.as_bytes().to_vec();
            if slash && !path.is_root() {
                again.push(b'/');
            }
            prop_assert!(again == bytes || again[1..] == bytes[..]);
        }
    }
}
