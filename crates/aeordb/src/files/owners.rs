//! Names of users and groups, which the system is asked for once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use nix::unistd::{Gid, Group, Uid, User};

use crate::limits::OWNER_NAME_LEN_MAX;
use crate::object::Owner;

/// Answers that are kept; whoever has more owners than this is asked for some of them again.
const KNOWN_MAX: usize = 16 * 1024;

/// Answers of the system.
struct Known<K, V>(Mutex<HashMap<K, V>>);

impl<K: Hash + Eq, V: Clone> Known<K, V> {
    fn new() -> Self {
        Known(Mutex::new(HashMap::new()))
    }

    fn get(&self, key: K, ask: impl FnOnce(&K) -> V) -> V {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(&key) {
            return known.clone();
        }
        // Nobody else waits while a directory service is asked.
        let answer = ask(&key);
        let mut known = lock();
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(key, answer.clone());
        answer
    }
}

/// Owners by their numbers.
pub struct Owners {
    numeric: bool,
    known: Known<(u32, u32), Arc<Owner>>,
}

impl Owners {
    /// With `numeric` they have no names.
    pub fn new(numeric: bool) -> Self {
        Owners { numeric, known: Known::new() }
    }

    /// The owner with these numbers of user and group, with the names that the system has for them.
    pub fn of(&self, user: u32, group: u32) -> Arc<Owner> {
        self.known.get((user, group), |_| {
            if self.numeric {
                return Arc::new(Owner { user, group, ..Owner::default() });
            }
            let name = |name: Option<String>| {
                let name = name.filter(|name| name.len() <= OWNER_NAME_LEN_MAX);
                name.unwrap_or_default().into_bytes()
            };
            let ask_user = User::from_uid(Uid::from_raw(user)).ok().flatten();
            let ask_group = Group::from_gid(Gid::from_raw(group)).ok().flatten();
            let user_name = name(ask_user.map(|user| user.name));
            let group_name = name(ask_group.map(|group| group.name));
            Arc::new(Owner { user, group, user_name, group_name })
        })
    }
}

/// Numbers by names.
pub struct Numbers {
    users: Known<Vec<u8>, Option<u32>>,
    groups: Known<Vec<u8>, Option<u32>>,
}

impl Default for Numbers {
    fn default() -> Self {
        Numbers::new()
    }
}

impl Numbers {
    /// Nothing is known yet.
    pub fn new() -> Self {
        Numbers { users: Known::new(), groups: Known::new() }
    }

    /// The number of the user of this name here.
    pub fn user(&self, name: &[u8]) -> Option<u32> {
        self.users.get(name.to_vec(), |name| {
            let name = std::str::from_utf8(name).ok().filter(|name| !name.is_empty())?;
            User::from_name(name).ok().flatten().map(|user| user.uid.as_raw())
        })
    }

    /// The number of the group of this name here.
    pub fn group(&self, name: &[u8]) -> Option<u32> {
        self.groups.get(name.to_vec(), |name| {
            let name = std::str::from_utf8(name).ok().filter(|name| !name.is_empty())?;
            Group::from_name(name).ok().flatten().map(|group| group.gid.as_raw())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_owners_are_those_of_the_system_and_lead_back() {
        let owner = Owners::new(false).of(0, 0);
        assert_eq!((owner.user, owner.group), (0, 0));
        assert_eq!(owner.user_name, b"root");
        let numbers = Numbers::new();
        assert_eq!(numbers.user(&owner.user_name), Some(0));
        assert_eq!(numbers.group(&owner.group_name), Some(0));
        assert_eq!(numbers.user(b"no such user here"), None);
        assert_eq!(numbers.group(b""), None);
        let unknown = Owners::new(false).of(4_000_000_001, 4_000_000_002);
        assert_eq!((unknown.user, &unknown.user_name[..]), (4_000_000_001, &b""[..]));
    }

    #[test]
    fn owners_without_names_are_asked_for_nowhere() {
        let owner = Owners::new(true).of(0, 0);
        assert_eq!(*owner, Owner::default());
    }
}
