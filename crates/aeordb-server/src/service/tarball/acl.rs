//! Access control lists: as the kernel keeps them, and as the text that archives have. An entry of
//! the text is `TAG:NAME:RIGHTS`, and a fourth field with the number of who is named, which holds
//! wherever the archive goes.

/// Version, then entries of tag, rights, and user or group, all little-endian.
const VERSION: u32 = 2;
const HEADER_LEN: usize = 4;
const ENTRY_LEN: usize = 8;
/// The user or group of an entry that names none.
const NOBODY: u32 = u32::MAX;
/// Tags, the words for them, and whether their entries name somebody.
const TAGS: [(u16, &str, bool); 6] = [
    (0x01, "user", false),
    (0x02, "user", true),
    (0x04, "group", false),
    (0x08, "group", true),
    (0x10, "mask", false),
    (0x20, "other", false),
];
const RIGHTS: [(u16, char); 3] = [(4, 'r'), (2, 'w'), (1, 'x')];

/// A list as text; nothing for bytes that are no such list.
pub fn text(list: &[u8]) -> Option<String> {
    let (version, entries) = list.split_first_chunk::<HEADER_LEN>()?;
    let (entries, rest) = entries.as_chunks::<ENTRY_LEN>();
    if u32::from_le_bytes(*version) != VERSION || !rest.is_empty() || entries.is_empty() {
        return None;
    }
    let entry = |[a, b, c, d, who @ ..]: &[u8; ENTRY_LEN]| {
        let (tag, rights) = (u16::from_le_bytes([*a, *b]), u16::from_le_bytes([*c, *d]));
        let (_, word, names) = TAGS.iter().find(|(known, ..)| *known == tag)?;
        let who = u32::from_le_bytes(*who);
        if rights & !0o7 != 0 || *names == (who == NOBODY) {
            return None;
        }
        let letter = |(bit, letter): (u16, char)| if rights & bit == 0 { '-' } else { letter };
        let rights: String = RIGHTS.into_iter().map(letter).collect();
        Some(match names {
            true => format!("{word}:{who}:{rights}:{who}"),
            false => format!("{word}::{rights}"),
        })
    };
    let entries: Option<Vec<String>> = entries.iter().map(entry).collect();
    Some(entries?.join(","))
}

/// True for a list that says no more than permission bits do.
pub fn is_mode(list: &[u8]) -> bool {
    let entries = list.split_first_chunk::<HEADER_LEN>().map_or(list, |(_, entries)| entries);
    let (entries, _) = entries.as_chunks::<ENTRY_LEN>();
    entries.iter().all(|[a, b, ..]| matches!(u16::from_le_bytes([*a, *b]), 0x01 | 0x04 | 0x20))
}

/// The list that a text says. `number` knows the number of a user, or of a group, of this name. What
/// is wrong with it else.
pub fn list(
    text: &str,
    number: impl Fn(&str, &str) -> Option<u32>,
) -> std::result::Result<Vec<u8>, String> {
    let mut entries = Vec::new();
    for line in text.split([',', '\n']) {
        // What people are told of rights that a mask takes away.
        let entry = line.split('#').next().unwrap_or_default().trim();
        if entry.is_empty() {
            continue;
        }
        let bad = || format!("an access control list with the entry '{}'", entry.escape_debug());
        let fields: Vec<&str> = entry.split(':').collect();
        let (word, name, rights, who) = match fields.as_slice() {
            [word, name, rights] => (*word, *name, *rights, None),
            [word, name, rights, who] => (*word, *name, *rights, Some(*who)),
            // Some write `mask:rwx` and `other:rwx`.
            [word @ ("mask" | "other"), rights] => (*word, "", *rights, None),
            _ => return Err(bad()),
        };
        let names = !name.is_empty();
        let tag = TAGS.iter().find(|(_, known, named)| (*known, *named) == (word, names));
        let (tag, ..) = tag.ok_or_else(bad)?;
        let who = match (names, who.map(str::parse::<u32>)) {
            (false, _) => NOBODY,
            (true, Some(number)) => number.map_err(|_| bad())?,
            (true, None) => {
                let number = name.parse().ok().or_else(|| number(word, name));
                number.ok_or_else(|| {
                    format!(
                        "an access control list that names the {word} '{}', who is not known here \
                         (tar --numeric-owner writes numbers)",
                        name.escape_debug()
                    )
                })?
            }
        };
        if names && who == NOBODY {
            return Err(bad());
        }
        entries.push((*tag, who, of(rights).ok_or_else(bad)?));
    }
    // As the kernel wants them.
    entries.sort_unstable();
    let mut list = VERSION.to_le_bytes().to_vec();
    for (tag, who, rights) in entries {
        list.extend([tag.to_le_bytes(), rights.to_le_bytes()].concat());
        list.extend(who.to_le_bytes());
    }
    Ok(list)
}

fn of(rights: &str) -> Option<u16> {
    let bit = |letter: char| match letter {
        '-' => Some(0),
        letter => RIGHTS.iter().find(|(_, known)| *known == letter).map(|(bit, _)| *bit),
    };
    (!rights.is_empty()).then(|| rights.chars().try_fold(0, |all, one| Some(all | bit(one)?)))?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nobody(_: &str, _: &str) -> Option<u32> {
        None
    }

    #[test]
    fn a_list_goes_to_text_with_numbers_and_back() {
        let text_of =
            "user::rwx,user:40005:r--:40005,group::r-x,group:7:-w-:7,mask::rwx,other::---";
        let bytes = list(text_of, nobody).unwrap();
        assert_eq!(bytes.len(), HEADER_LEN + 6 * ENTRY_LEN);
        assert_eq!(text(&bytes).unwrap(), text_of);
        // As other programs write it.
        let others = "other:---\nmask::rwx #effective\ngroup:staff:-w-\ngroup::r-x\nuser::rwx\n\
                      user:40005:r--";
        let known = |sort: &str, name: &str| (sort == "group" && name == "staff").then_some(7);
        assert_eq!(list(others, known).unwrap(), bytes);
        assert!(
            !is_mode(&bytes) && is_mode(&list("user::rw-,group::r--,other::r--", nobody).unwrap())
        );
    }

    #[test]
    fn what_is_no_list_is_none() {
        for bytes in [&b""[..], &[2, 0, 0, 0], &[3, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255]] {
            assert_eq!(text(bytes), None, "{bytes:?}");
        }
        for wrong in
            ["user", "user:", "x::rwx", "user::rwz", "user::", "mask:a:r--", "user:a:r--:b"]
        {
            assert!(list(wrong, nobody).is_err(), "{wrong}");
        }
        let unknown = list("user:lisa:r--", nobody).unwrap_err();
        assert!(unknown.contains("'lisa'") && unknown.contains("--numeric-owner"), "{unknown}");
    }
}
