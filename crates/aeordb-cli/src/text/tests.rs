use std::time::Duration;

use super::*;

#[test]
fn sizes_are_cut_to_a_tenth_of_their_unit() {
    for (bytes, shown) in [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (1024 * 1024 - 1, "1023.9 KiB"),
        (1024 * 1024, "1.0 MiB"),
        (231 * 1024 * 1024, "231.0 MiB"),
        (u64::MAX, "15.9 EiB"),
    ] {
        assert_eq!(size(bytes), shown);
    }
    assert_eq!(exact_size(7), "7 B");
    assert_eq!(exact_size(2048), "2.0 KiB (2048 bytes)");
}

#[test]
fn times_are_utc_and_rfc_3339() {
    assert_eq!(time(0), "1970-01-01T00:00:00Z");
    assert_eq!(time(1_705_312_800_123_000_000), "2024-01-15T10:00:00Z");
}

#[test]
fn durations_have_the_digits_that_matter() {
    assert_eq!(duration(Duration::from_millis(12)), "0.012 s");
    assert_eq!(duration(Duration::from_millis(12_345)), "12.3 s");
    assert_eq!(duration(Duration::from_secs(135)), "2 min 15 s");
}

#[test]
fn a_duration_is_a_number_and_a_unit() {
    for (text, milliseconds) in [
        ("250ms", 250),
        ("5", 5000),
        ("5s", 5000),
        ("10m", 600_000),
        ("2h", 7_200_000),
        ("1w", 604_800_000),
    ] {
        assert_eq!(parse_duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
    }
    for text in
        ["", "m", "-1s", "1.5h", "1y", "10 m", "99999999999999999999s", "9999999999999999999w"]
    {
        assert!(parse_duration(text).is_err(), "{text}");
    }
}

#[test]
fn digits_are_grouped_in_threes() {
    assert_eq!(
        [0, 999, 1000, 78_611, 1_000_000].map(count),
        ["0", "999", "1,000", "78,611", "1,000,000"]
    );
}

#[test]
fn a_name_cannot_command_a_terminal() {
    assert_eq!(printable_name(b"a\x1b[31m\nb"), r"a\u{1b}[31m\nb");
    assert_eq!(printable_name(b"caf\xc3\xa9 \xff"), "café \\xff");
    assert_eq!(printable("one\ntwo\x07"), "one\ntwo\\u{7}");
}

#[test]
fn a_word_is_quoted_where_a_shell_would_take_it_apart() {
    assert_eq!(shell("/data/a.aeordb"), "/data/a.aeordb");
    assert_eq!(shell("my data"), "'my data'");
    assert_eq!(shell("it's"), r"'it'\''s'");
    assert_eq!(shell(""), "''");
}

#[test]
fn a_name_is_quoted_where_it_would_not_be_one_line() {
    for (name, piped, shown) in [
        (&b"plain"[..], &b"plain"[..], &b"plain"[..]),
        (b"line\nbreak", b"\"line\\nbreak\"", b"\"line\\nbreak\""),
        (b"tab\there \\ \"", b"\"tab\\there \\\\ \\\"\"", b"\"tab\\there \\\\ \\\"\""),
        (b"back\\slash", b"back\\slash", b"back\\slash"),
        (b"\"starts quoted", b"\"\\\"starts quoted\"", b"\"\\\"starts quoted\""),
        (b"\x1b[31mred\x7f", b"\"\\033[31mred\\177\"", b"\"\\033[31mred\\177\""),
        ("next\u{85}line".as_bytes(), b"\"next\\302\\205line\"", b"\"next\\302\\205line\""),
        (b"caf\xe9", b"caf\xe9", b"\"caf\\351\""),
    ] {
        assert_eq!(&*quoted(name, false), piped);
        assert_eq!(&*quoted(name, true), shown);
    }
}

#[test]
fn modes_look_as_ls_shows_them() {
    for (kind, bits, shown) in [
        ("file", Some(0o644), "-rw-r--r--"),
        ("file", Some(0o4755), "-rwsr-xr-x"),
        ("file", Some(0o2640), "-rw-r-S---"),
        ("directory", Some(0o1777), "drwxrwxrwt"),
        ("directory", Some(0o1770), "drwxrwx--T"),
        ("symlink", None, "-"),
    ] {
        assert_eq!(mode(kind, bits), shown);
    }
}

#[test]
fn an_age_is_told_in_its_two_largest_units() {
    for (seconds, shown) in [(59, "59s"), (3599, "59m"), (93_600, "26h00m"), (190_000, "2d04h")] {
        assert_eq!(age(Duration::from_secs(seconds)), shown);
    }
}
