//! What of an item is another than it was.

use std::fmt;

use crate::object::attributes::{KnownSets, is_list};
use crate::object::{AttributeSet, Item, Owner, XattrValue};
use crate::store::ReadEntries;

/// Something of an item that is another than it was.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Difference {
    /// What it is: a file, a directory, a link.
    Kind,
    /// The number of bytes of a file.
    Size,
    /// The bytes of a file.
    Content,
    /// What a symbolic link leads to.
    Target,
    /// The numbers of a device.
    Device,
    /// Permissions.
    Mode,
    /// Its user, by number or name.
    Owner,
    /// Its group, by number or name.
    Group,
    /// The time of the last modification.
    Time,
    /// Flags of its inode.
    Flags,
    /// An access control list.
    Acl,
    /// The extended attribute of this name.
    Xattr(Vec<u8>),
    /// Owner, flags or extended attributes: what they were or are cannot be read.
    Attributes,
    /// Which other paths are the same file.
    HardLink,
    /// What the bytes of a file are said to be.
    ContentType,
    /// What a user said of a file.
    Metadata,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Difference::Kind => "kind",
            Difference::Size => "size",
            Difference::Content => "content",
            Difference::Target => "target",
            Difference::Device => "device",
            Difference::Mode => "mode",
            Difference::Owner => "owner",
            Difference::Group => "group",
            Difference::Time => "time",
            Difference::Flags => "flags",
            Difference::Acl => "acl",
            Difference::Xattr(name) => {
                return write!(f, "xattr {}", String::from_utf8_lossy(name).escape_debug());
            }
            Difference::Attributes => "attributes",
            Difference::HardLink => "hard link",
            Difference::ContentType => "content type",
            Difference::Metadata => "metadata",
        })
    }
}

/// What of an item is another than it was; of directories, not what is below them.
pub fn differences<S: ReadEntries + ?Sized>(
    sets: &mut KnownSets<'_, S>,
    old: &Item,
    new: &Item,
) -> Vec<Difference> {
    let mut found = of_kind(old, new);
    let (before, after) = (old.attributes(), new.attributes());
    let mut differ = |differ: bool, what: Difference| found.extend(differ.then_some(what));
    differ(before.mode != after.mode, Difference::Mode);
    differ(before.mtime != after.mtime, Difference::Time);
    differ(before.link != after.link, Difference::HardLink);
    if before.set != after.set {
        let mut of = |set| sets.of(set);
        let both = of(before.set.as_ref()).and_then(|old| Ok((old, of(after.set.as_ref())?)));
        match both {
            Ok((old, new)) => of_sets(&old, &new, &mut found),
            Err(_) => found.push(Difference::Attributes),
        }
    }
    found.sort();
    found.dedup();
    found
}

fn of_kind(old: &Item, new: &Item) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut differ = |differ: bool, what: Difference| found.extend(differ.then_some(what));
    match (old, new) {
        (Item::File(old), Item::File(new)) => {
            differ(old.size != new.size, Difference::Size);
            differ(old.content_hash != new.content_hash, Difference::Content);
            differ(old.content_type != new.content_type, Difference::ContentType);
            differ(old.metadata != new.metadata, Difference::Metadata);
        }
        (Item::Symlink(old), Item::Symlink(new)) => {
            differ(old.target != new.target, Difference::Target);
        }
        (Item::Special(old), Item::Special(new)) => {
            differ(old.what.name() != new.what.name(), Difference::Kind);
            differ(old.what.device() != new.what.device(), Difference::Device);
        }
        (Item::Directory(_), Item::Directory(_)) => {}
        _ => differ(true, Difference::Kind),
    }
    found
}

fn of_sets(old: &AttributeSet, new: &AttributeSet, found: &mut Vec<Difference>) {
    let mut differ = |differ: bool, what: Difference| found.extend(differ.then_some(what));
    let user = |owner: &Owner| (owner.user, owner.user_name.clone());
    let group = |owner: &Owner| (owner.group, owner.group_name.clone());
    let (before, after) = (old.owner.as_ref(), new.owner.as_ref());
    differ(before.map(user) != after.map(user), Difference::Owner);
    differ(before.map(group) != after.map(group), Difference::Group);
    differ(old.flags != new.flags, Difference::Flags);
    for name in old.xattrs.keys().chain(new.xattrs.keys()) {
        let of = |set: &AttributeSet| -> Option<XattrValue> { set.xattrs.get(name).cloned() };
        let what = match is_list(name) {
            true => Difference::Acl,
            false => Difference::Xattr(name.clone()),
        };
        differ(of(old) != of(new), what);
    }
}
