use proptest::prelude::*;

use super::{LineDiff, Mark};

/// The difference as it is written, to be read again.
fn unified(before: &[u8], after: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    let lines = LineDiff::between(before, after);
    let written: Result<(), ()> = lines.unified(&mut |mark, line| {
        all.extend(match mark {
            Mark::Range => &b""[..],
            Mark::Same => b" ",
            Mark::Removed => b"-",
            Mark::Added => b"+",
            Mark::NoBreak => b"\\",
        });
        all.extend(line);
        all.push(b'\n');
        Ok(())
    });
    written.unwrap();
    all
}

/// What a difference makes of a text: a reader of the format that shares nothing with the writer.
fn applied(before: &[u8], difference: &[u8]) -> Vec<u8> {
    let old: Vec<&[u8]> = before.split_inclusive(|byte| *byte == b'\n').collect();
    let (mut at, mut new, mut last) = (0, Vec::new(), b'@');
    for line in difference.split_inclusive(|byte| *byte == b'\n') {
        match line[0] {
            b'@' => {
                let text = std::str::from_utf8(line).unwrap();
                let range = text.split(' ').nth(1).unwrap().trim_start_matches('-');
                let (from, count) = range.split_once(',').unwrap_or((range, "1"));
                let from: usize = from.parse().unwrap();
                let from = if count == "0" { from } else { from - 1 };
                new.extend(old[at..from].concat());
                at = from;
            }
            b' ' => {
                assert_eq!(
                    old[at].strip_suffix(b"\n").unwrap_or(old[at]),
                    &line[1..line.len() - 1]
                );
                new.extend(&line[1..]);
                at += 1;
            }
            b'-' => at += 1,
            b'+' => new.extend(&line[1..]),
            b'\\' if last != b'-' => assert_eq!(new.pop(), Some(b'\n')),
            _ => (),
        }
        last = line[0];
    }
    new.extend(old[at..].concat());
    new
}

#[test]
fn ranges_are_counted_as_patch_counts_them() {
    assert_eq!(unified(b"", b"one\ntwo\n"), b"@@ -0,0 +1,2 @@\n+one\n+two\n");
    assert_eq!(unified(b"one\n", b""), b"@@ -1 +0,0 @@\n-one\n");
    let before = b"1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n";
    let after = b"1\n2\n3\n4\nfive\n6\n7\n8\n9\n10\n";
    let expected = b"@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n";
    assert_eq!(unified(before, after), expected);
    assert_eq!(unified(before, before), b"");
}

#[test]
fn a_line_break_that_the_end_lacks_is_told() {
    let expected = b"@@ -1 +1 @@\n-a\n+a\n\\ No newline at end of file\n";
    assert_eq!(unified(b"a\n", b"a"), expected);
}

fn texts() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof!["[ab]?".prop_map(String::into_bytes), Just(vec![0xff, b'\r'])];
    (prop::collection::vec(line, 0..40), any::<bool>()).prop_map(|(lines, ended)| {
        let mut text = lines.join(&b'\n');
        if ended {
            text.push(b'\n');
        }
        text
    })
}

proptest! {
    #[test]
    fn a_difference_makes_the_newer_text_of_the_older(before in texts(), after in texts()) {
        let difference = unified(&before, &after);
        let made = applied(&before, &difference);
        prop_assert_eq!(made, after, "{}", String::from_utf8_lossy(&difference));
    }
}
