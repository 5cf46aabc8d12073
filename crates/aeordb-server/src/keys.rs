//! API keys: `aeor_<public id>_<secret>`. The secret is shown once; the database keeps its hash,
//! in system data, which is in no version and in no export.

use std::collections::HashMap;

use aeordb::db::{Database, Purpose, Reader};
use aeordb::error::{Error, Result};
use aeordb::internals::object::encoding::{Decoder, Encoder};
use aeordb::internals::random;
use aeordb::object::Path;
pub use aeordb_api::keys::Scope;
use aeordb_api::keys::{self as api, scope_words};
use aeordb_api::{Name, Time};
use data_encoding::BASE32_DNSSEC;

/// What the keys of system data start with.
const PREFIX: &[u8] = b"key/";
/// What the keys of system data start with that hold what a key may do at one path. A program that does
/// not know them finds a key without rights.
const WITHIN: &[u8] = b"key-within/";
/// Stands in the place of the scopes of such a key.
const ELSEWHERE: u16 = 1 << 15;
/// First part of every API key.
const BRAND: &str = "aeor_";
/// Random bytes of a public id.
const ID_LEN: usize = 10;
/// Random bytes of a secret.
const SECRET_LEN: usize = 32;
/// Longest name of a key, in bytes.
const NAME_LEN_MAX: usize = 255;

/// The scopes that a key for one path may have.
const OF_A_PATH: [Scope; 3] = [Scope::Read, Scope::Write, Scope::Snapshot];

/// What a key may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rights {
    scopes: u16,
    /// It may add, but not remove or replace, nor move HEAD back.
    pub append_only: bool,
}

impl Rights {
    /// The right to do everything.
    pub fn admin() -> Self {
        Rights { scopes: bit(Scope::Admin), append_only: false }
    }

    /// Reads `read,write` or a preset: `append-only` (write and snapshot, nothing that removes),
    /// `backup` (export, nothing that removes).
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let mut rights = Rights::default();
        for word in words {
            let word = word.trim();
            match word {
                "append-only" => {
                    rights.scopes |= bit(Scope::Write) | bit(Scope::Snapshot);
                    rights.append_only = true;
                }
                "backup" => {
                    rights.scopes |= bit(Scope::Export);
                    rights.append_only = true;
                }
                _ => match Scope::ALL.into_iter().find(|scope| scope.name() == word) {
                    Some(scope) => rights.scopes |= bit(scope),
                    None => return Err(unknown_scope(word)),
                },
            }
        }
        if rights.scopes == 0 {
            return Err(Error::invalid("a key needs a scope"));
        }
        if rights.append_only && rights.has(Scope::Gc) {
            return Err(Error::invalid("a key that only appends cannot have gc or admin"));
        }
        Ok(rights)
    }

    /// True if `scope` is among them.
    pub fn has(&self, scope: Scope) -> bool {
        self.scopes & (bit(scope) | bit(Scope::Admin)) != 0
    }

    /// True if whoever has these may give `others` away.
    pub fn include(&self, others: &Rights) -> bool {
        Scope::ALL.into_iter().all(|scope| others.scopes & bit(scope) == 0 || self.has(scope))
            && (others.append_only || !self.append_only)
    }

    /// Refuses what is not for one path alone. What a key replaces at its path must stay in history.
    fn check_within(&self) -> Result<()> {
        let others = Scope::ALL.into_iter().filter(|scope| !OF_A_PATH.contains(scope));
        match others.into_iter().find(|scope| self.scopes & bit(*scope) != 0) {
            Some(scope) => Err(Error::invalid(format!(
                "a key for one path has no scope {}: it is for all of the database",
                scope.name()
            ))),
            None => Ok(()),
        }
    }

    /// What is left of it at a path of its own: nothing is lost there that is replaced, since only
    /// others can take it from history.
    pub fn at_its_path(self) -> Self {
        Rights { append_only: false, ..self }
    }

    /// The names of the scopes, and `append-only` where that holds.
    pub fn names(&self) -> Vec<&'static str> {
        let scopes = Scope::ALL.into_iter().filter(|scope| self.scopes & bit(*scope) != 0);
        let restriction = self.append_only.then_some("append-only");
        scopes.map(Scope::name).chain(restriction).collect()
    }
}

fn unknown_scope(word: &str) -> Error {
    Error::invalid(format!("scope '{word}' is none of {}", scope_words().join(", ")))
}

/// The bit that is stored: the position among all scopes.
fn bit(scope: Scope) -> u16 {
    Scope::ALL.iter().position(|other| *other == scope).map_or(0, |position| 1 << position)
}

/// What is kept of a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Key {
    /// The public id: names the key in logs and lists.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// What it may do.
    pub rights: Rights,
    /// The path at and below which it may do that, and nothing elsewhere.
    pub within: Option<Path>,
    /// When it was made, in nanoseconds since 1970.
    pub created_at: i64,
    /// From when on it opens nothing.
    pub expires_at: Option<i64>,
    /// Since when it opens nothing.
    pub revoked_at: Option<i64>,
    /// BLAKE3 of the secret.
    hash: [u8; 32],
}

/// A key that is wanted.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// What its owner calls it.
    pub name: String,
    /// What it may do.
    pub rights: Rights,
    /// The path at and below which it may do that, and nothing elsewhere.
    pub within: Option<Path>,
    /// From when on it opens nothing, in nanoseconds since 1970.
    pub expires_at: Option<i64>,
}

/// The path that a key is to be for.
pub fn within(new: &api::NewKey) -> Result<Option<Path>> {
    let path = new.path().map_err(|_| Error::invalid("the path of the key is no base64"))?;
    path.map(|path| Path::parse(&path)).transpose()
}

/// Makes a key, durable when this returns. The text is the key itself, known nowhere else.
pub fn create(database: &Database, new: NewKey) -> Result<(Key, String)> {
    let NewKey { name, rights, within, expires_at } = new;
    if name.is_empty() || name.len() > NAME_LEN_MAX || name.chars().any(char::is_control) {
        return Err(Error::invalid("the name of a key must have 1 to 255 bytes, none for control"));
    }
    if within.is_some() {
        rights.check_within()?;
    }
    let created_at = database.clock().now();
    if expires_at.is_some_and(|end| end <= created_at) {
        return Err(Error::invalid("a key cannot expire before it is made"));
    }
    let (id, secret) = (random_text::<ID_LEN>()?, random_text::<SECRET_LEN>()?);
    let hash = *blake3::hash(secret.as_bytes()).as_bytes();
    let key = Key { id, name, rights, within, created_at, expires_at, revoked_at: None, hash };
    let mut writer = database.writer()?;
    if let Some(within) = key.encode_within() {
        writer.set_system(&key.place_within(), Some(within))?;
    }
    writer.set_system(&key.place(), Some(key.encode()))?;
    writer.commit()?;
    let text = format!("{BRAND}{}_{secret}", key.id);
    Ok((key, text))
}

/// All keys, revoked ones too, by id.
pub fn list(reader: &Reader) -> Result<Vec<Key>> {
    let found = reader.system(PREFIX)?;
    found
        .iter()
        .map(|(place, value)| {
            let mut key = Key::decode(place, value)?;
            if let Some((_, within)) = reader.system(&key.place_within())?.first() {
                key.decode_within(within)?;
            }
            Ok(key)
        })
        .collect()
}

/// Makes a key open nothing from now on, for somebody who may do what `by` says; `None` if
/// the key may do more than that. Revoking it again changes nothing.
pub fn revoke(database: &Database, id: &str, by: &Rights) -> Result<Option<Key>> {
    let mut writer = database.writer_for(Purpose::Removal)?;
    let place = [PREFIX, id.as_bytes()].concat();
    let value = writer.system(&place)?.ok_or_else(|| Error::not_found(format!("key {id}")))?;
    let mut key = Key::decode(&place, &value)?;
    if let Some(within) = writer.system(&key.place_within())? {
        key.decode_within(&within)?;
    }
    if !by.include(&key.rights) {
        return Ok(None);
    }
    if key.revoked_at.is_none() {
        key.revoked_at = Some(database.clock().now());
        writer.set_system(&place, Some(key.encode()))?;
        writer.commit()?;
    }
    Ok(Some(key))
}

/// Removes a key that nobody knows, as if it had never been made.
pub fn forget(database: &Database, id: &str) -> Result<()> {
    let mut writer = database.writer()?;
    for prefix in [PREFIX, WITHIN] {
        writer.set_system(&[prefix, id.as_bytes()].concat(), None)?;
    }
    writer.commit()?;
    Ok(())
}

fn random_text<const LEN: usize>() -> Result<String> {
    Ok(BASE32_DNSSEC.encode(&random::bytes::<LEN>()?))
}

impl Key {
    fn place(&self) -> Vec<u8> {
        [PREFIX, self.id.as_bytes()].concat()
    }

    fn place_within(&self) -> Vec<u8> {
        [WITHIN, self.id.as_bytes()].concat()
    }

    /// What it may do, and where, if that is not everywhere.
    fn encode_within(&self) -> Option<Vec<u8>> {
        let mut value = Vec::new();
        let mut encoder = Encoder::new(&mut value);
        encoder.varint(self.rights.scopes.into());
        encoder.bytes(self.within.as_ref()?.as_bytes());
        Some(value)
    }

    fn decode_within(&mut self, value: &[u8]) -> Result<()> {
        let mut decoder = Decoder::new("the path of a key", value);
        let scopes = decoder.varint_in("scopes", 0, u64::from(ELSEWHERE - 1))?;
        let path = decoder.bytes_in("a path", 1, aeordb::internals::limits::PATH_LEN_MAX)?;
        self.within = Some(Path::parse(path)?);
        decoder.finish()?;
        self.rights.scopes = u16::try_from(scopes).unwrap_or(0);
        Ok(())
    }

    /// As everybody may see it.
    pub fn shown(&self) -> api::Key {
        let path = self.within.as_ref().map(|path| Name::new(path.as_bytes()));
        api::Key {
            id: self.id.clone(),
            name: self.name.clone(),
            scopes: self.rights.names().into_iter().map(Into::into).collect(),
            path_b64: path.as_ref().and_then(|path| path.b64.clone()),
            path: path.map(|path| path.text),
            created_at: Time(self.created_at),
            expires_at: self.expires_at.map(Time),
            revoked_at: self.revoked_at.map(Time),
        }
    }

    /// True if it opens something at `now`, in nanoseconds since 1970.
    pub fn is_valid(&self, now: i64) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }

    fn encode(&self) -> Vec<u8> {
        let mut value = Vec::new();
        let mut encoder = Encoder::new(&mut value);
        encoder.varint(0);
        encoder.bytes(self.name.as_bytes());
        let scopes = if self.within.is_some() { ELSEWHERE } else { self.rights.scopes };
        encoder.varint(scopes.into());
        encoder.varint(self.rights.append_only.into());
        encoder.i64(self.created_at);
        for time in [self.expires_at, self.revoked_at] {
            encoder.varint(time.is_some().into());
            encoder.i64(time.unwrap_or_default());
        }
        encoder.hash(&aeordb::hash::Hash::new(self.hash));
        value
    }

    fn decode(place: &[u8], value: &[u8]) -> Result<Self> {
        let mut decoder = Decoder::new("a key", value);
        decoder.varint_in("the version of a key", 0, 0)?;
        let name = String::from_utf8_lossy(decoder.bytes_in("a name", 1, NAME_LEN_MAX)?).into();
        let scopes = decoder.varint_in("scopes", 0, u64::from(u16::MAX))?;
        let append_only = decoder.varint_in("a flag", 0, 1)? == 1;
        let created_at = decoder.i64()?;
        let mut times = [None; 2];
        for time in &mut times {
            let is_some = decoder.varint_in("a flag", 0, 1)? == 1;
            let value = decoder.i64()?;
            *time = is_some.then_some(value);
        }
        let hash = *decoder.hash()?.as_bytes();
        decoder.finish()?;
        let [expires_at, revoked_at] = times;
        let id = place.strip_prefix(PREFIX).unwrap_or(place);
        Ok(Key {
            id: String::from_utf8_lossy(id).into(),
            name,
            rights: Rights { scopes: u16::try_from(scopes).unwrap_or(0), append_only },
            within: None,
            created_at,
            expires_at,
            revoked_at,
            hash,
        })
    }
}

/// The keys that a server knows.
#[derive(Clone, Default, Debug)]
pub struct KeyRing(HashMap<String, Key>);

impl KeyRing {
    /// The keys of a database.
    pub fn read(reader: &Reader) -> Result<Self> {
        Ok(KeyRing(list(reader)?.into_iter().map(|key| (key.id.clone(), key)).collect()))
    }

    /// These keys and `key`, in place of what it was before.
    pub fn with(&self, key: Key) -> Self {
        let mut keys = self.clone();
        keys.0.insert(key.id.clone(), key);
        keys
    }

    /// True if there is no key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key that `text` is, if it opens something at `now`. Takes as long for an unknown id as
    /// for a wrong secret; hashes are compared in constant time.
    pub fn open(&self, text: &str, now: i64) -> Option<&Key> {
        let (id, secret) =
            text.strip_prefix(BRAND).and_then(|rest| rest.split_once('_')).unwrap_or(("", text));
        let found = blake3::hash(secret.as_bytes());
        let key = self.0.get(id);
        let stored = key.map_or([0; 32], |key| key.hash);
        // The comparison of this type is constant in time.
        let same = found == blake3::Hash::from_bytes(stored);
        key.filter(|key| same && key.is_valid(now))
    }
}

#[cfg(test)]
mod tests;
