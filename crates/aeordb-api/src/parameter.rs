//! Parameters of a URL's query: what they are called, what they take, how they are read and written.

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde_json::{Value as Json, json};

use crate::backups::{OnConflict, Side};
use crate::value::{BACKUP_PATTERN, PATH_PATTERN};

/// Most items of a page.
pub const LIMIT_MAX: u32 = 10_000;
/// What says yes or no.
const SWITCH: [&str; 5] = ["true", "false", "1", "0", ""];
/// The sides of a merge.
const SIDES: [&str; 2] = ["ours", "theirs"];

/// One parameter, as the description shows it.
#[derive(Clone, Copy, Debug)]
pub struct Described {
    /// What it is called.
    pub name: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// True if it must be there.
    pub required: bool,
    /// The schema of its values.
    pub schema: fn() -> Json,
}

/// All parameters of a call.
pub trait Query: Default + Clone + Debug + Send + Sync + 'static {
    /// Each of them.
    const PARAMETERS: &'static [Described];

    /// Reads them: names and values with nothing encoded any more, each name at most once and one
    /// of these. The error says what one cannot mean, even where it makes no difference.
    fn read(pairs: &[(String, Vec<u8>)]) -> Result<Self, String>;

    /// Those that are there.
    fn write(&self) -> Vec<(&'static str, Vec<u8>)>;
}

/// Parameters that say which page.
pub trait Paged: Query {
    /// Goes to the page that starts there.
    fn go_to(&mut self, cursor: String);
}

/// Something that a parameter says.
pub trait Value: Sized {
    /// The schema of its values.
    fn schema() -> Json;
    /// Reads it; the error names the parameter.
    fn parse(name: &str, value: &[u8]) -> Result<Self, String>;
    /// Its bytes.
    fn bytes(&self) -> Vec<u8>;
}

/// A parameter that may be there or not, or must be.
pub trait Parameter: Sized {
    /// True if it must be there.
    const REQUIRED: bool;
    /// The schema of its values.
    fn schema() -> Json;
    /// Reads it, if it is there.
    fn read(name: &str, value: Option<&[u8]>) -> Result<Self, String>;
    /// Its bytes, if it is to be there.
    fn write(&self) -> Option<Vec<u8>>;
}

impl<V: Value> Parameter for Option<V> {
    const REQUIRED: bool = false;

    fn schema() -> Json {
        V::schema()
    }

    fn read(name: &str, value: Option<&[u8]>) -> Result<Self, String> {
        value.map(|value| V::parse(name, value)).transpose()
    }

    fn write(&self) -> Option<Vec<u8>> {
        self.as_ref().map(V::bytes)
    }
}

/// Says yes or no: `?name`, `?name=true` and `?name=1` say yes.
impl Parameter for bool {
    const REQUIRED: bool = false;

    fn schema() -> Json {
        json!({ "type": "string", "enum": SWITCH })
    }

    fn read(name: &str, value: Option<&[u8]>) -> Result<Self, String> {
        value.map_or(Ok(false), |value| switch(name, text(name, value)?))
    }

    fn write(&self) -> Option<Vec<u8>> {
        self.then(|| b"true".to_vec())
    }
}

/// What names a version where one must be named.
impl Parameter for Word {
    const REQUIRED: bool = true;

    fn schema() -> Json {
        <Word as Value>::schema()
    }

    fn read(name: &str, value: Option<&[u8]>) -> Result<Self, String> {
        Word::parse(name, value.ok_or_else(|| format!("{name}= is missing"))?)
    }

    fn write(&self) -> Option<Vec<u8>> {
        Some(self.bytes())
    }
}

fn text<'v>(name: &str, value: &'v [u8]) -> Result<&'v str, String> {
    std::str::from_utf8(value).map_err(|_| format!("the parameter '{name}' is not UTF-8"))
}

fn switch(name: &str, text: &str) -> Result<bool, String> {
    match text {
        "false" | "0" => Ok(false),
        "" | "true" | "1" => Ok(true),
        other => Err(format!("{name}={other} is not true or false")),
    }
}

/// What names a version: a snapshot, a hash or its beginning, HEAD, HEAD~n, latest or @{TIME}.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Word(pub String);

impl Value for Word {
    fn schema() -> Json {
        json!({ "type": "string", "minLength": 1 })
    }

    fn parse(name: &str, value: &[u8]) -> Result<Self, String> {
        match text(name, value)? {
            "" => Err(format!("{name}= says nothing")),
            word => Ok(Word(word.to_owned())),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.clone().into()
    }
}

/// What the server gave out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token(pub String);

impl Value for Token {
    fn schema() -> Json {
        json!({ "type": "string", "minLength": 1 })
    }

    fn parse(name: &str, value: &[u8]) -> Result<Self, String> {
        match text(name, value)? {
            "" => Err(format!("{name}= says nothing")),
            text => Ok(Token(text.to_owned())),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.clone().into()
    }
}

/// The name of a backup.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BackupName(pub String);

impl Value for BackupName {
    fn schema() -> Json {
        json!({ "type": "string", "pattern": BACKUP_PATTERN })
    }

    fn parse(name: &str, value: &[u8]) -> Result<Self, String> {
        Ok(BackupName(text(name, value)?.to_owned()))
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.clone().into()
    }
}

/// The bytes of a path of the database.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PathBytes(pub Vec<u8>);

impl Value for PathBytes {
    fn schema() -> Json {
        json!({ "type": "string", "minLength": 1, "pattern": PATH_PATTERN })
    }

    fn parse(_: &str, value: &[u8]) -> Result<Self, String> {
        Ok(PathBytes(value.to_vec()))
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.clone()
    }
}

/// Bytes of a name or path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NameBytes(pub Vec<u8>);

impl Value for NameBytes {
    fn schema() -> Json {
        json!({ "type": "string" })
    }

    fn parse(_: &str, value: &[u8]) -> Result<Self, String> {
        Ok(NameBytes(value.to_vec()))
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.clone()
    }
}

/// How many items a page may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limit(pub u32);

impl Limit {
    /// As many as are wanted, but no more than there may be.
    pub fn up_to(wanted: usize) -> Self {
        Limit(u32::try_from(wanted).map_or(LIMIT_MAX, |wanted| wanted.clamp(1, LIMIT_MAX)))
    }
}

impl Value for Limit {
    fn schema() -> Json {
        json!({ "type": "integer", "minimum": 1, "maximum": LIMIT_MAX })
    }

    fn parse(name: &str, value: &[u8]) -> Result<Self, String> {
        let text = text(name, value)?;
        let number = text.parse().ok().filter(|number| (1..=LIMIT_MAX).contains(number));
        number
            .map(Limit)
            .ok_or_else(|| format!("{name}={text} is not a number from 1 to {LIMIT_MAX}"))
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.to_string().into()
    }
}

/// The form of an archive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Archive {
    /// A tar archive.
    Tar,
    /// A sealed file of ours.
    Aeordb,
}

impl Archive {
    const ALL: [(&'static str, Archive); 2] = [("tar", Archive::Tar), ("aeordb", Archive::Aeordb)];

    fn name(self) -> &'static str {
        match self {
            Archive::Tar => "tar",
            Archive::Aeordb => "aeordb",
        }
    }
}

impl Value for Archive {
    fn schema() -> Json {
        json!({ "type": "string", "enum": Self::ALL.map(|(name, _)| name) })
    }

    fn parse(name: &str, value: &[u8]) -> Result<Self, String> {
        let text = text(name, value)?;
        let found = Self::ALL.into_iter().find(|(word, _)| *word == text);
        let words = Self::ALL.map(|(word, _)| word).join(", ");
        found.map(|(_, archive)| archive).ok_or_else(|| format!("{name}={text} is not {words}"))
    }

    fn bytes(&self) -> Vec<u8> {
        self.name().into()
    }
}

/// How many files may be deleted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deletions {
    /// This many.
    Files(u64),
    /// So many of a hundred.
    Percent(u8),
}

impl Value for Deletions {
    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^([0-9]{1,18}|[0-9]{1,2}%|100%)$" })
    }

    fn parse(name: &str, value: &[u8]) -> Result<Self, String> {
        let text = text(name, value)?;
        let share = text.strip_suffix('%');
        let digits = share.unwrap_or(text);
        let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        let found = match share {
            _ if !is_plain => None,
            Some("100") => Some(Deletions::Percent(100)),
            Some(digits) if digits.len() <= 2 => digits.parse().ok().map(Deletions::Percent),
            None if digits.len() <= 18 => digits.parse().ok().map(Deletions::Files),
            _ => None,
        };
        let wanted = "neither a number of files nor a share such as 20%";
        found.ok_or_else(|| format!("{name}={text} is {wanted}"))
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Deletions::Files(files) => files.to_string().into(),
            Deletions::Percent(percent) => format!("{percent}%").into(),
        }
    }
}

/// What is said of something: an object of text.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Metadata(pub BTreeMap<String, String>);

impl Value for Metadata {
    fn schema() -> Json {
        // An object without white space and escapes: what else JSON has for it is taken, too.
        let text = r#""[^"\\\x00-\x1f]*""#;
        let pattern = format!(r"^\{{({text}:{text}(,{text}:{text})*)?\}}$");
        json!({ "type": "string", "contentMediaType": "application/json", "pattern": pattern })
    }

    fn parse(name: &str, value: &[u8]) -> Result<Self, String> {
        let parsed = serde_json::from_str(text(name, value)?);
        parsed.map(Metadata).map_err(|_| format!("{name}= is not an object of text in JSON"))
    }

    fn bytes(&self) -> Vec<u8> {
        // Text alone can be written always.
        serde_json::to_vec(&self.0).unwrap_or_default()
    }
}

impl Value for OnConflict {
    fn schema() -> Json {
        let words = [&SWITCH[..], &SIDES].concat();
        json!({ "type": "string", "enum": words })
    }

    fn parse(name: &str, value: &[u8]) -> Result<Self, String> {
        match text(name, value)? {
            "ours" => Ok(OnConflict::Side(Side::Ours)),
            "theirs" => Ok(OnConflict::Side(Side::Theirs)),
            other => switch(name, other).map(OnConflict::Merge),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            OnConflict::Merge(merge) => merge.to_string().into(),
            OnConflict::Side(Side::Ours) => b"ours".to_vec(),
            OnConflict::Side(Side::Theirs) => b"theirs".to_vec(),
        }
    }
}

/// The parameters of a call: each member with its meaning, its type, and what it is called.
macro_rules! query {
    (
        $(#[doc = $doc:literal])+
        $query:ident {
            $($(#[doc = $meaning:literal])+ $member:ident: $type:ty = $name:literal,)*
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Default, PartialEq, Eq, Debug)]
        pub struct $query {
            $($(#[doc = $meaning])+ pub $member: $type,)*
        }

        impl $crate::parameter::Query for $query {
            const PARAMETERS: &'static [$crate::parameter::Described] = &[
                $($crate::parameter::Described {
                    name: $name,
                    meaning: concat!($($meaning,)+),
                    required: <$type as $crate::parameter::Parameter>::REQUIRED,
                    schema: <$type as $crate::parameter::Parameter>::schema,
                },)*
            ];

            fn read(pairs: &[(String, Vec<u8>)]) -> Result<Self, String> {
                let _found = |name: &str| {
                    let found = pairs.iter().find(|(key, _)| key == name);
                    found.map(|(_, value)| value.as_slice())
                };
                Ok($query {
                    $($member: $crate::parameter::Parameter::read($name, _found($name))?,)*
                })
            }

            fn write(&self) -> Vec<(&'static str, Vec<u8>)> {
                let all: Vec<(&'static str, Option<Vec<u8>>)> = vec![
                    $(($name, $crate::parameter::Parameter::write(&self.$member)),)*
                ];
                all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
            }
        }
    };
}

pub(crate) use query;
