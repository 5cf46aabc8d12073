//! Records of extended headers: `LENGTH KEY=VALUE` and a line feed each, in which the length counts
//! itself.

/// Records, one after another.
#[derive(Default)]
pub struct Records(Vec<u8>);

impl Records {
    /// Adds a record.
    pub fn push(&mut self, key: &str, value: &[u8]) {
        self.push_bytes(key.as_bytes(), value);
    }

    /// Adds a record whose key may be no text.
    pub fn push_bytes(&mut self, key: &[u8], value: &[u8]) {
        let rest = key.len() + value.len() + " =\n".len();
        let mut len = rest;
        while len != rest + len.to_string().len() {
            len = rest + len.to_string().len();
        }
        self.0.extend_from_slice(format!("{len} ").as_bytes());
        self.0.extend_from_slice(key);
        self.0.push(b'=');
        self.0.extend_from_slice(value);
        self.0.push(b'\n');
    }

    /// Adds all of `other`.
    pub fn extend(&mut self, other: &Records) {
        self.0.extend_from_slice(&other.0);
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As they stand in an extended header.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The key and the value of the first record, and what follows it.
pub fn record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = bytes.iter().position(|byte| *byte == b' ')?;
    let len: usize = std::str::from_utf8(bytes.get(..space)?).ok()?.parse().ok()?;
    let (record, rest) = bytes.split_at_checked(len)?;
    let record = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    Some((record.get(..equals)?, record.get(equals + 1..)?, rest))
}

/// Seconds since 1970 as pax writes them, a decimal fraction with a sign, in nanoseconds.
pub fn nanoseconds(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (seconds, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(seconds) || !digits(fraction) {
        return None;
    }
    let fraction: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let whole = i128::from(seconds.parse::<u64>().ok()?) * 1_000_000_000;
    i64::try_from((whole + fraction.parse::<i128>().ok()?) * sign).ok()
}

/// A time as pax writes it.
pub fn seconds(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let size = nanoseconds.unsigned_abs();
    format!("{sign}{}.{:09}", size / 1_000_000_000, size % 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::{Records, nanoseconds, record, seconds};

    #[test]
    fn times_are_exact_before_and_after_1970() {
        for (text, time) in [
            ("0", 0),
            ("1700000000", 1_700_000_000_000_000_000),
            ("1700000000.5", 1_700_000_000_500_000_000),
            ("1.000000001", 1_000_000_001),
            ("1.0000000019", 1_000_000_001),
            ("-1.5", -1_500_000_000),
            ("-0.25", -250_000_000),
        ] {
            assert_eq!(nanoseconds(text), Some(time), "{text}");
            assert_eq!(nanoseconds(&seconds(time)), Some(time), "{text}");
        }
        for time in [i64::MIN, -1, i64::MAX] {
            assert_eq!(nanoseconds(&seconds(time)), Some(time));
        }
        for text in ["", "x", "1.x", "--1", "-", ".", "1.5.5", "99999999999999999999"] {
            assert_eq!(nanoseconds(text), None, "{text}");
        }
    }

    #[test]
    fn a_record_is_as_long_as_it_says() {
        assert_eq!(record(b"8 a=b\nc\nrest"), Some((&b"a"[..], &b"b\nc"[..], &b"rest"[..])));
        for bytes in [&b""[..], b"8", b"8 a=b\n", b"6 a=b", b"x a=b\n", b"3 a\n", b"0 a=b\n"] {
            assert_eq!(record(bytes), None, "{bytes:?}");
        }
        // Also where its length makes its length longer.
        for len in (0..20).chain(85..110).chain(985..1010) {
            let (mut records, value) = (Records::default(), vec![b'\n'; len]);
            records.push("key", &value);
            assert_eq!(record(records.as_bytes()), Some((&b"key"[..], &value[..], &b""[..])));
        }
    }
}
