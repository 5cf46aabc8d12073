//! Hashes, times, modes and names as text.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE64, HEXLOWER};
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize, Serializer};

/// What a hash looks like.
pub const DIGEST_PATTERN: &str = "^[0-9a-f]{64}$";
/// What the name of a backup looks like.
pub const BACKUP_PATTERN: &str = "^[0-9A-Za-z_-][0-9A-Za-z._-]{0,127}$";
/// What a path of the database looks like, with or without a slash before it.
pub const PATH_PATTERN: &str = r"^/?((?!\.{1,2}(/|$))[^/\x00]+(/(?!\.{1,2}(/|$))[^/\x00]+)*/?)?$";

/// A BLAKE3 hash: of a version, of a directory's index, of bytes. 64 lowercase digits as text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// Text that is no hash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotADigest;

impl fmt::Display for NotADigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a hash of 64 lowercase hexadecimal digits")
    }
}

impl std::error::Error for NotADigest {}

impl FromStr for Digest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| NotADigest)?;
        bytes.try_into().map(Digest).map_err(|_| NotADigest)
    }
}

/// Nanoseconds since 1970, as RFC 3339 in UTC with all digits that are not zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Time(pub i64);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(time) => write!(f, "{time}"),
            Err(_) => write!(f, "{}", self.0),
        }
    }
}

/// Text that is no time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotATime(String);

impl fmt::Display for NotATime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' is no RFC 3339 time", self.0)
    }
}

impl std::error::Error for NotATime {}

impl FromStr for Time {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        let time: Option<Timestamp> = text.parse().ok();
        let nanoseconds = time.and_then(|time| i64::try_from(time.as_nanosecond()).ok());
        nanoseconds.map(Time).ok_or_else(|| NotATime(text.into()))
    }
}

/// The last bits of a mode, as `chmod` takes them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mode(pub u32);

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0 & 0o7777)
    }
}

/// Text that is no mode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotAMode;

impl fmt::Display for NotAMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a mode in octal digits")
    }
}

impl std::error::Error for NotAMode {}

impl FromStr for Mode {
    type Err = NotAMode;

    fn from_str(text: &str) -> Result<Self, NotAMode> {
        u32::from_str_radix(text, 8).map(Mode).map_err(|_| NotAMode)
    }
}

/// Values that are text in JSON.
macro_rules! as_text {
    ($type:ty, $name:literal, $schema:tt) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }

        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

as_text!(Digest, "Digest", { "type": "string", "pattern": DIGEST_PATTERN });
as_text!(Time, "Time", { "type": "string", "format": "date-time" });
as_text!(Mode, "Mode", { "type": "string", "pattern": "^[0-7]{4}$" });

/// A name or path as it stands in JSON.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Name {
    /// As text; what is no text in it is replaced.
    pub text: String,
    /// All its bytes in base64, where it is not text.
    pub b64: Option<String>,
}

/// What is not base64, though it says that it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadName;

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name is no base64")
    }
}

impl std::error::Error for BadName {}

impl Name {
    /// Bytes as a name.
    pub fn new(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Name { text: text.into(), b64: None },
            Err(_) => Name {
                text: String::from_utf8_lossy(bytes).into_owned(),
                b64: Some(BASE64.encode(bytes)),
            },
        }
    }

    /// The bytes of a name.
    pub fn bytes(text: &str, b64: Option<&str>) -> Result<Vec<u8>, BadName> {
        match b64 {
            None => Ok(text.into()),
            Some(encoded) => BASE64.decode(encoded.as_bytes()).map_err(|_| BadName),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_and_rfc_3339() {
        let time = Time(1_705_312_800_123_000_000);
        assert_eq!(time.to_string(), "2024-01-15T10:00:00.123Z");
        assert_eq!("2024-01-15T11:00:00.123+01:00".parse(), Ok(time));
        for extreme in [i64::MIN, i64::MAX].map(Time) {
            assert!(extreme.to_string().ends_with('Z'), "{extreme}");
            assert_eq!(extreme.to_string().parse(), Ok(extreme));
        }
        assert_eq!(
            "tomorrow".parse::<Time>().unwrap_err().to_string(),
            "'tomorrow' is no RFC 3339 time"
        );
    }

    #[test]
    fn modes_are_shown_as_chmod_takes_them() {
        assert_eq!(Mode(0o100_644).to_string(), "0644");
        assert_eq!("4755".parse(), Ok(Mode(0o4755)));
    }

    #[test]
    fn a_name_that_is_not_text_is_also_given_in_base64() {
        assert_eq!(Name::new(b"/a"), Name { text: "/a".into(), b64: None });
        let name = Name::new(b"/\xff");
        assert_eq!((name.text.as_str(), name.b64.as_deref()), ("/\u{fffd}", Some("L/8=")));
        assert_eq!(Name::bytes(&name.text, name.b64.as_deref()), Ok(b"/\xff".to_vec()));
        assert_eq!(Name::bytes("x", Some("?")), Err(BadName));
    }

    #[test]
    fn a_hash_is_64_lowercase_digits_and_nothing_else() {
        let text = "00ff".repeat(16);
        assert_eq!(text.parse::<Digest>().unwrap().to_string(), text);
        for wrong in ["", "00", &text.to_uppercase(), &format!("{text}00")] {
            assert_eq!(wrong.parse::<Digest>(), Err(NotADigest));
        }
    }
}
