//! Permission bits. Where a file has an access control list, the system shows the mask of that list
//! in the place of the group's bits: what anybody at all that it names may have. Where the list is
//! not restored, these would give the group what somebody else was given.

/// The attribute that is the list.
pub const LIST: &str = "system.posix_acl_access";
const VERSION: u32 = 2;
/// Version, then entries of tag, rights and user or group, all little-endian.
const HEADER_LEN: usize = 4;
const ENTRY_LEN: usize = 8;
const TAG_OWNING_GROUP: u16 = 0x04;

const GROUP_SHIFT: u32 = 3;
const GROUP: u32 = 0o070;

/// The permission bits of a file with this list, where the system shows `mode`.
pub fn with_list(mode: u32, list: &[u8]) -> u32 {
    match group_of(list) {
        Some(group) => mode & (!GROUP | group << GROUP_SHIFT),
        None => mode,
    }
}

/// Whether the bits of the group may be the mask of a list: what that forbids nobody has.
pub fn may_be_mask(mode: u32) -> bool {
    mode & GROUP != 0
}

/// What the list gives the group that owns the file.
fn group_of(list: &[u8]) -> Option<u32> {
    let (version, entries) = list.split_first_chunk::<HEADER_LEN>()?;
    if u32::from_le_bytes(*version) != VERSION {
        return None;
    }
    let (entries, _) = entries.as_chunks::<ENTRY_LEN>();
    let rights = entries.iter().find_map(|[tag @ .., a, b, _, _, _, _]| {
        (u16::from_le_bytes(*tag) == TAG_OWNING_GROUP).then(|| u16::from_le_bytes([*a, *b]))
    });
    rights.map(|rights| u32::from(rights) & 0o7)
}

#[cfg(test)]
pub mod tests {
    use super::*;

    const TAG_OWNER: u16 = 0x01;
    const TAG_USER: u16 = 0x02;
    const TAG_MASK: u16 = 0x10;
    const TAG_OTHERS: u16 = 0x20;
    const NOBODY: u32 = u32::MAX;

    /// A list that gives the owner all, `users` users and the mask `named`, and the group `group`.
    pub fn list(users: u32, named: u16, group: u16) -> Vec<u8> {
        let mut list = VERSION.to_le_bytes().to_vec();
        let mut push = |tag: u16, rights: u16, who: u32| {
            list.extend([tag.to_le_bytes(), rights.to_le_bytes()].concat());
            list.extend(who.to_le_bytes());
        };
        push(TAG_OWNER, 7, NOBODY);
        (0..users).for_each(|user| push(TAG_USER, named, 1000 + user));
        push(TAG_OWNING_GROUP, group, NOBODY);
        push(TAG_MASK, named, NOBODY);
        push(TAG_OTHERS, 0, NOBODY);
        list
    }

    #[test]
    fn a_list_that_is_none_changes_nothing() {
        let whole = list(1, 6, 4);
        assert_eq!(with_list(0o767, &whole), 0o747);
        assert_eq!(with_list(0o767, &[]), 0o767);
        assert_eq!(with_list(0o767, &whole[..HEADER_LEN + ENTRY_LEN + 7]), 0o767);
        let mut other = whole;
        other[0] = 3;
        assert_eq!(with_list(0o767, &other), 0o767);
    }
}
