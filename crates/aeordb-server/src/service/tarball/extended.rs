//! Owner, device numbers, flags, access control lists and extended attributes: records that the
//! programs which know them share, read and written.

use std::collections::BTreeMap;
use std::sync::Arc;

use aeordb::files::{Numbers, is_kept};
use aeordb::internals::object::attributes::{Extended, LISTS, flags};
use aeordb::object::{Device, Owner};
use tar::Header;

use super::acl;
use super::pax::Records;
use super::read::damaged;
use crate::service::problem::Problem;

/// What stands before the name of an attribute.
const XATTR: &str = "SCHILY.xattr.";
/// The lists, as text, in the order of [`LISTS`].
const ACLS: [&str; 2] = ["SCHILY.acl.access", "SCHILY.acl.default"];
/// The list of the file itself.
const ACCESS: &[u8] = LISTS[0];
const FLAGS: &str = "SCHILY.fflags";
const MAJOR: &str = "SCHILY.devmajor";
const MINOR: &str = "SCHILY.devminor";
/// What is beyond a number of 7 octal digits.
const NUMBER_END: u32 = 1 << 21;
/// Bytes of the fields of a header for names of owners.
const NAME_LEN: usize = 32;

/// What records say of it. Each is there once at most: of two nobody could say which is meant.
#[derive(Clone, Default)]
pub struct Said {
    uid: Option<u64>,
    gid: Option<u64>,
    user: Option<Vec<u8>>,
    group: Option<Vec<u8>>,
    major: Option<u64>,
    minor: Option<u64>,
    flags: Option<String>,
    lists: [Option<String>; 2],
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Said {
    /// What this says, and of all else what `others` says: whose files are, of all entries of an
    /// archive.
    pub fn or_owner_of(mut self, others: &Said) -> Said {
        self.uid = self.uid.or(others.uid);
        self.gid = self.gid.or(others.gid);
        self.user = self.user.or_else(|| others.user.clone());
        self.group = self.group.or_else(|| others.group.clone());
        self
    }

    /// Takes a record; false if it is of something else.
    pub fn take(&mut self, key: &[u8], value: &[u8]) -> Result<bool, Problem> {
        let Ok(name) = std::str::from_utf8(key) else { return self.take_xattr(key, value) };
        match name {
            "uid" => once(&mut self.uid, key, number(key, value)?)?,
            "gid" => once(&mut self.gid, key, number(key, value)?)?,
            "uname" => once(&mut self.user, key, value.to_vec())?,
            "gname" => once(&mut self.group, key, value.to_vec())?,
            MAJOR => once(&mut self.major, key, number(key, value)?)?,
            MINOR => once(&mut self.minor, key, number(key, value)?)?,
            FLAGS => once(&mut self.flags, key, text(key, value)?.to_owned())?,
            _ => {
                let list = ACLS.iter().position(|known| *known == name);
                match list.and_then(|at| self.lists.get_mut(at)) {
                    Some(list) => once(list, key, text(key, value)?.to_owned())?,
                    None => return self.take_xattr(key, value),
                }
            }
        }
        Ok(true)
    }

    fn take_xattr(&mut self, key: &[u8], value: &[u8]) -> Result<bool, Problem> {
        let Some(name) = key.strip_prefix(XATTR.as_bytes()) else { return Ok(false) };
        let name = decoded(name);
        if name.is_empty() {
            return Err(damaged("an extended attribute without a name"));
        }
        if !is_kept(&name) {
            return Ok(true);
        }
        match self.xattrs.insert(name, value.to_vec()) {
            None => Ok(true),
            Some(_) => Err(twice(key)),
        }
    }

    /// Owner, flags and extended attributes of the entry with this header; `known` says whether its
    /// owner is.
    pub fn extended(
        &self,
        header: &Header,
        known: bool,
        numbers: &Numbers,
    ) -> Result<Extended, Problem> {
        let mut extended = Extended { xattrs: self.xattrs.clone(), ..Extended::default() };
        if known {
            extended.owner = self.owner(header)?.map(Arc::new);
        }
        extended.flags = self.flags.as_deref().map_or(0, bits);
        for (list, name) in self.lists.iter().zip(LISTS) {
            let Some(list) = list.as_deref().filter(|list| !list.trim().is_empty()) else {
                continue;
            };
            let number = |sort: &str, name: &str| match sort {
                "user" => numbers.user(name.as_bytes()),
                _ => numbers.group(name.as_bytes()),
            };
            let list = acl::list(list, number).map_err(Problem::invalid)?;
            // One that names nobody is the mode over again: no system keeps it.
            if ACCESS != name || !acl::is_mode(&list) {
                extended.xattrs.insert(name.to_vec(), list);
            }
        }
        Ok(extended)
    }

    fn owner(&self, header: &Header) -> Result<Option<Owner>, Problem> {
        let old = header.as_old();
        let of = |said: Option<u64>, field: &[u8], what: &str| {
            let blank = field.iter().all(|byte| matches!(byte, 0 | b' '));
            let found = match said {
                Some(number) => Some(number),
                None if blank => None,
                None => Some(
                    match what {
                        "user" => header.uid(),
                        _ => header.gid(),
                    }
                    .map_err(|error| damaged(format!("the number of a {what}: {error}")))?,
                ),
            };
            found.map(|number| narrow(number, u32::MAX - 1, &format!("of a {what}"))).transpose()
        };
        let (user, group) = (of(self.uid, &old.uid, "user")?, of(self.gid, &old.gid, "group")?);
        let (Some(user), Some(group)) = (user, group) else { return Ok(None) };
        let name = |said: &Option<Vec<u8>>, field: Option<&[u8]>| {
            said.clone().or_else(|| field.map(Vec::from)).unwrap_or_default()
        };
        let user_name = name(&self.user, header.username_bytes());
        let group_name = name(&self.group, header.groupname_bytes());
        Ok(Some(Owner { user, group, user_name, group_name }))
    }

    /// The numbers of a device.
    pub fn device(&self, header: &Header) -> Result<Device, Problem> {
        let of = |said: Option<u64>, field: std::io::Result<Option<u32>>| match said {
            Some(number) => narrow(number, u32::MAX, "of a device"),
            None => {
                let number = field.map_err(|error| damaged(format!("a device: {error}")))?;
                number.ok_or_else(|| damaged("a device without its numbers"))
            }
        };
        let major = of(self.major, header.device_major())?;
        Ok(Device { major, minor: of(self.minor, header.device_minor())? })
    }
}

fn once<T>(place: &mut Option<T>, key: &[u8], value: T) -> Result<(), Problem> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(twice(key)),
    }
}

fn twice(key: &[u8]) -> Problem {
    let key = String::from_utf8_lossy(key);
    damaged(format!("a header has {} twice", key.escape_debug()))
}

fn text<'v>(key: &[u8], value: &'v [u8]) -> Result<&'v str, Problem> {
    let key = String::from_utf8_lossy(key);
    std::str::from_utf8(value).map_err(|_| damaged(format!("{key} is not text")))
}

fn number(key: &[u8], value: &[u8]) -> Result<u64, Problem> {
    let bad = |_| damaged(format!("{} is no number", String::from_utf8_lossy(key)));
    text(key, value)?.parse().map_err(bad)
}

fn narrow(number: u64, most: u32, of: &str) -> Result<u32, Problem> {
    let fits = u32::try_from(number).ok().filter(|number| *number <= most);
    fits.ok_or_else(|| Problem::invalid(format!("{number} is no number {of}")))
}

/// The name of an attribute: a key cannot have an equals sign in it.
fn decoded(name: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        decoded.push(match (first, after.split_at_checked(2)) {
            (b'%', Some((b"3D", after))) => {
                rest = after;
                b'='
            }
            (b'%', Some((b"25", after))) => {
                rest = after;
                b'%'
            }
            _ => *first,
        });
    }
    decoded
}

/// The same the other way. What need not be encoded is not: bsdtar takes names as they are.
fn encoded(name: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(name.len());
    for (at, byte) in name.iter().enumerate() {
        let after = name.get(at + 1..).unwrap_or_default();
        match byte {
            b'=' => encoded.extend(b"%3D"),
            b'%' if after.starts_with(b"3D") || after.starts_with(b"25") => encoded.extend(b"%25"),
            byte => encoded.push(*byte),
        }
    }
    encoded
}

/// Words for flags: ours first, then others that mean them.
const WORDS: [(u64, &[&str]); 3] = [
    (flags::APPEND, &["sappnd", "sappend", "uappnd", "uappend"]),
    (flags::IMMUTABLE, &["schg", "schange", "simmutable", "uchg", "uchange", "uimmutable"]),
    (flags::NODUMP, &["nodump"]),
];

/// The flags among these words that a restore can set.
fn bits(text: &str) -> u64 {
    let bit = |word: &str| WORDS.iter().find(|(_, words)| words.contains(&word.trim()));
    text.split(',').filter_map(bit).fold(0, |all, (bit, _)| all | bit)
}

/// Adds what a header cannot say of an owner; says into the header what it can.
pub fn write_owner(owner: Option<&Owner>, header: &mut Header, records: &mut Records) {
    let nobody = Owner::default();
    let Owner { user, group, user_name, group_name } = owner.unwrap_or(&nobody);
    header.set_uid((*user).into());
    header.set_gid((*group).into());
    for (key, number) in [("uid", *user), ("gid", *group)] {
        if number >= NUMBER_END {
            records.push(key, number.to_string().as_bytes());
        }
    }
    let Some(ustar) = header.as_ustar_mut() else { return };
    let fields = [("uname", user_name, &mut ustar.uname), ("gname", group_name, &mut ustar.gname)];
    for (key, name, field) in fields {
        if name.len() < NAME_LEN && name.is_ascii() {
            field.iter_mut().zip(name).for_each(|(to, from)| *to = *from);
        } else {
            records.push(key, name);
        }
    }
}

/// Puts the numbers of a device into a header, and adds those that are too large for it.
pub fn write_device(device: Device, header: &mut Header, records: &mut Records) {
    let Some(ustar) = header.as_ustar_mut() else { return };
    ustar.set_device_major(device.major.min(NUMBER_END - 1));
    ustar.set_device_minor(device.minor.min(NUMBER_END - 1));
    for (key, number) in [(MAJOR, device.major), (MINOR, device.minor)] {
        if number >= NUMBER_END {
            records.push(key, number.to_string().as_bytes());
        }
    }
}

/// Adds flags, lists and extended attributes.
pub fn write(flags: u64, xattrs: &BTreeMap<Vec<u8>, Vec<u8>>, records: &mut Records) {
    let words: Vec<&str> = WORDS
        .iter()
        .filter(|(bit, _)| flags & bit != 0)
        .filter_map(|(_, words)| words.first().copied())
        .collect();
    if !words.is_empty() {
        records.push(FLAGS, words.join(",").as_bytes());
    }
    for (name, value) in xattrs {
        let list = LISTS.iter().position(|list| list == name);
        let key = list.and_then(|at| ACLS.get(at));
        match key.zip(acl::text(value)) {
            Some((key, text)) => records.push(key, text.as_bytes()),
            None => records.push_bytes(&[XATTR.as_bytes(), &encoded(name)].concat(), value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_attributes_and_words_for_flags_go_out_and_come_back() {
        for name in
            [&b"user.a=b"[..], b"user.100%", b"user.%3D", b"user.%2525", b"user.%", b"user.\xff="]
        {
            assert_eq!(decoded(&encoded(name)), name);
            assert!(!encoded(name).contains(&b'='));
        }
        for flags in 0..=flags::ALL {
            let mut records = Records::default();
            write(flags, &BTreeMap::new(), &mut records);
            let mut said = Said::default();
            if let Some((key, value, _)) = super::super::pax::record(records.as_bytes()) {
                assert!(said.take(key, value).unwrap());
                assert!(said.take(key, value).is_err(), "twice");
            }
            assert_eq!(said.flags.as_deref().map_or(0, bits), flags);
        }
        assert_eq!(bits("uchg, hidden,nodump"), flags::IMMUTABLE | flags::NODUMP);
    }
}
