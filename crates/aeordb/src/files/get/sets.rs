//! Owner, extended attributes and flags of what is restored: what a set says, as this machine takes
//! it.

use std::collections::HashMap;
use std::ffi::CString;
use std::os::fd::BorrowedFd;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use nix::errno::Errno;
use nix::sys::stat::{FileStat, Mode, SFlag};
use nix::unistd::{Gid, Uid};
use rustix::fs::{IFlags, fgetxattr_query, fremovexattr, ioctl_getflags, ioctl_setflags};

use super::attributes::{Lacks, System, Target};
use crate::db::Reader;
use crate::error::{Error, Result};
use crate::files::extended::{Extended, KeepOptions};
use crate::files::owners::Numbers;
use crate::hash::AttributesId;
use crate::object::attributes::{LISTS, flags, is_list};
use crate::object::{AttributeSet, Owner};

/// Sets that are remembered: a tree has few.
const KNOWN_MAX: usize = 1024;

/// Flags of a file that nothing can be linked to.
const FIXED: u64 = flags::APPEND | flags::IMMUTABLE;

/// The attributes that anybody may write who may write to the file.
const OF_USERS: &[u8] = b"user.";

/// An owner that is to be another one here: `FROM:TO`, both a name or a number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OwnerMap {
    from: String,
    to: String,
}

impl FromStr for OwnerMap {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once(':') {
            Some((from, to)) if !from.is_empty() && !to.is_empty() && !to.contains(':') => {
                Ok(OwnerMap { from: from.into(), to: to.into() })
            }
            _ => Err(Error::invalid(format!("'{text}' is not FROM:TO, two names or numbers"))),
        }
    }
}

/// What is restored beside bytes, mode and time.
#[derive(Clone, Default, Debug)]
pub struct Wanted {
    /// What of it at all.
    pub keep: KeepOptions,
    /// Users that are others here.
    pub users: Vec<OwnerMap>,
    /// Groups that are others here.
    pub groups: Vec<OwnerMap>,
}

/// Users or groups that are others here: names or numbers, and what they are.
struct Mapped(Vec<(String, u32)>);

impl Mapped {
    fn new(maps: &[OwnerMap], what: &str, ask: impl Fn(&[u8]) -> Option<u32>) -> Result<Mapped> {
        let resolve = |map: &OwnerMap| {
            let number = map.to.parse().ok().filter(|number| *number != u32::MAX);
            let number = number.or_else(|| ask(map.to.as_bytes()));
            let unknown = || Error::invalid(format!("there is no {what} '{}' here", map.to));
            Ok((map.from.clone(), number.ok_or_else(unknown)?))
        };
        Ok(Mapped(maps.iter().map(resolve).collect::<Result<_>>()?))
    }

    fn get(&self, number: u32, name: &[u8]) -> Option<u32> {
        let is_it = |from: &str| from.as_bytes() == name || from.parse() == Ok(number);
        self.0.iter().find(|(from, _)| is_it(from)).map(|(_, to)| *to)
    }
}

/// A set, and whose the file is to be here.
struct Known {
    set: AttributeSet,
    /// User and group.
    owner: Option<(u32, u32)>,
    /// That is the owner that was recorded.
    same: bool,
}

/// Sets of a database, as this machine takes them.
pub struct Sets {
    reader: Reader,
    keep: KeepOptions,
    users: Mapped,
    groups: Mapped,
    numbers: Numbers,
    known: Mutex<HashMap<AttributesId, Arc<Known>>>,
}

impl Sets {
    /// `Invalid` if somebody is to be a user or a group that is not known here.
    pub fn new(reader: &Reader, wanted: &Wanted) -> Result<Sets> {
        let numbers = Numbers::new();
        Ok(Sets {
            reader: reader.clone(),
            keep: wanted.keep,
            users: Mapped::new(&wanted.users, "user", |name| numbers.user(name))?,
            groups: Mapped::new(&wanted.groups, "group", |name| numbers.group(name))?,
            numbers,
            known: Mutex::new(HashMap::new()),
        })
    }

    /// What this set says. One that cannot be read is told, and then says nothing.
    pub fn of(&self, id: Option<&AttributesId>, lacks: &mut Lacks) -> Extra<'_> {
        let id = id.filter(|_| self.keep.owner || self.keep.xattrs);
        let Some(id) = id else { return Extra::nothing() };
        let lock = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(id) {
            return self.extra(known.clone());
        }
        let set = match AttributeSet::read(self.reader.view(), id) {
            Ok(set) => set,
            Err(error) => {
                lacks.tell(format!("without its owner and extended attributes: {error}"));
                return Extra::nothing();
            }
        };
        let known = Arc::new(self.resolve(set));
        let mut all = lock();
        if all.len() >= KNOWN_MAX {
            all.clear();
        }
        all.insert(*id, known.clone());
        self.extra(known)
    }

    fn extra(&self, known: Arc<Known>) -> Extra<'_> {
        let known = Some((known, &self.reader));
        Extra { known, keeps_xattrs: self.keep.xattrs, later: 0 }
    }

    fn resolve(&self, mut set: AttributeSet) -> Known {
        if !self.keep.owner {
            set.owner = None;
        }
        if !self.keep.xattrs {
            set.xattrs.clear();
            set.flags = 0;
        }
        let mut same = true;
        let owner = set.owner.as_ref().map(|owner| {
            let Owner { user, group, user_name, group_name } = owner;
            let mut resolve = |mapped: Option<u32>, known: &dyn Fn() -> Option<u32>, number| {
                same &= mapped.is_none();
                let known = || if self.keep.numeric { None } else { known() };
                mapped.or_else(known).unwrap_or(number)
            };
            let mapped = self.users.get(*user, user_name);
            let user = resolve(mapped, &|| self.numbers.user(user_name), *user);
            let mapped = self.groups.get(*group, group_name);
            let group = resolve(mapped, &|| self.numbers.group(group_name), *group);
            (user, group)
        });
        Known { set, owner, same }
    }
}

/// What a set says of one file.
pub struct Extra<'s> {
    known: Option<(Arc<Known>, &'s Reader)>,
    keeps_xattrs: bool,
    /// Flags that are set later.
    later: u64,
}

impl Extra<'_> {
    /// Nothing is said.
    pub fn nothing() -> Self {
        Extra { known: None, keeps_xattrs: false, later: 0 }
    }

    /// The same without the flags with which a file gets no more paths: they are set when it has all.
    pub fn linkable(self) -> Self {
        Extra { later: FIXED, ..self }
    }

    /// True if the file gets no more paths once its flags are set.
    pub fn is_fixed(&self) -> bool {
        self.flags() & FIXED != 0
    }

    /// Gives what looks as it was `found` to its owner. True if that is the owner that it had when it
    /// was put.
    pub fn set_owner(
        &self,
        system: &System,
        target: Target<'_>,
        found: &FileStat,
        lacks: &mut Lacks,
    ) -> bool {
        let Some((known, _)) = &self.known else { return false };
        let Some((user, group)) = known.owner else { return false };
        let user = (user != found.st_uid).then(|| Uid::from_raw(user));
        let group = (group != found.st_gid).then(|| Gid::from_raw(group));
        if user.is_none() && group.is_none() {
            return known.same;
        }
        let changed = (system.set_owner)(target, user, group);
        if changed.is_err() && user.is_some() && group.is_some() {
            // Whoever may not give a file away may give it to a group of his.
            let _ = (system.set_owner)(target, None, group);
        }
        match changed {
            Ok(()) => known.same,
            Err(errno) => {
                lacks.count("owner", errno.desc());
                false
            }
        }
    }

    /// Whether what looks so would be as it says. Whoever is not `root` could not make all of it so,
    /// and is only asked for what he could; nothing is asked of what a system gives files by itself.
    pub fn is_kept_by(&self, owner: (u32, u32), found: &Extended, root: bool) -> bool {
        let Some((known, _)) = &self.known else { return true };
        if root && known.owner.is_some_and(|wanted| wanted != owner) {
            return false;
        }
        if !self.keeps_xattrs {
            return true;
        }
        let counts = |name: &&Vec<u8>| root || name.starts_with(OF_USERS) || is_list(name);
        let given =
            |name: &Vec<u8>| name.starts_with(b"security.") && name != b"security.capability";
        let stored = &known.set.xattrs;
        if root && known.set.flags != found.flags {
            return false;
        }
        let is_more = |name: &Vec<u8>| !stored.contains_key(name) && !given(name);
        if found.xattrs.keys().filter(counts).any(is_more) {
            return false;
        }
        for (name, value) in stored.iter().filter(|(name, _)| counts(name)) {
            let same = match found.xattrs.get(name) {
                Some(found) => value.is(found),
                None => false,
            };
            if !same {
                return false;
            }
        }
        true
    }

    /// Removes the lists that what is open got from the directory that it was made in, and that are
    /// not among those that it will get.
    pub fn remove_lists(&self, handle: BorrowedFd<'_>) {
        let Some((known, _)) = &self.known else { return };
        if !self.keeps_xattrs {
            return;
        }
        for list in LISTS {
            if !known.set.xattrs.contains_key(list) {
                // What has none says so, and what cannot be removed is told by its mode.
                let _ = fremovexattr(handle, list);
            }
        }
    }

    /// Sets the extended attributes: those of users, which need the right to write, or all others,
    /// which a later change of mode or owner would take away.
    pub fn set_xattrs(
        &self,
        system: &System,
        target: Target<'_>,
        of_users: bool,
        lacks: &mut Lacks,
    ) {
        let Some((known, reader)) = &self.known else { return };
        for (name, value) in &known.set.xattrs {
            if name.starts_with(OF_USERS) != of_users {
                continue;
            }
            let kind = kind_of(name);
            let Ok(c_name) = CString::new(name.as_slice()) else { continue };
            let value = match value.read(reader.view()) {
                Ok(value) => value,
                Err(error) => {
                    lacks.tell(format!("without its {kind}: {error}"));
                    continue;
                }
            };
            let set = match (system.set_xattr)(target, &c_name, &value) {
                Err(Errno::EACCES) if of_users => {
                    allow_writing(system, target, || (system.set_xattr)(target, &c_name, &value))
                }
                set => set,
            };
            if let Err(errno) = set {
                lacks.count(&kind, errno.desc());
            }
        }
    }

    /// Sets the flags of an open file or directory: nothing about it can be changed then.
    pub fn set_flags(&self, handle: BorrowedFd<'_>, lacks: &mut Lacks) {
        let wanted = self.flags();
        if wanted == 0 {
            return;
        }
        let bit = |flag, bit| if wanted & flag != 0 { bit } else { IFlags::empty() };
        let wanted = bit(flags::APPEND, IFlags::APPEND)
            | bit(flags::IMMUTABLE, IFlags::IMMUTABLE)
            | bit(flags::NODUMP, IFlags::NODUMP);
        let set = ioctl_getflags(handle).and_then(|found| {
            if found.contains(wanted) { Ok(()) } else { ioctl_setflags(handle, found | wanted) }
        });
        if let Err(error) = set {
            lacks.count("flags", Errno::from_raw(error.raw_os_error()).desc());
        }
    }

    /// Bits of [`flags`].
    pub fn flags(&self) -> u64 {
        self.known.as_ref().map_or(0, |(known, _)| known.set.flags & !self.later)
    }
}

/// True if what is made in this directory gets a list.
pub fn has_default_list(directory: BorrowedFd<'_>) -> bool {
    let [_, default] = LISTS;
    fgetxattr_query(directory, default).is_ok_and(|len| len > 0)
}

/// What a count of what is missing calls an attribute.
fn kind_of(name: &[u8]) -> String {
    match name {
        b"system.posix_acl_access" | b"system.posix_acl_default" => "access control list".into(),
        b"security.capability" => "capabilities".into(),
        name => format!("attribute {}", String::from_utf8_lossy(name).escape_debug()),
    }
}

/// Does what needs the right to write to a file that its owner may not write to.
fn allow_writing(
    system: &System,
    target: Target<'_>,
    set: impl FnOnce() -> nix::Result<()>,
) -> nix::Result<()> {
    let Target::Open(handle) = target else { return Err(Errno::EACCES) };
    let found = nix::sys::stat::fstat(handle)?;
    let mode = Mode::from_bits_truncate(found.st_mode & !SFlag::S_IFMT.bits());
    (system.set_mode)(handle, mode | Mode::S_IWUSR)?;
    let outcome = set();
    (system.set_mode)(handle, mode)?;
    outcome
}
