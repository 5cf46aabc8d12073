//! What the times of file systems are worth: how surely a file that looks as it did is the one that
//! was read before.

use std::collections::HashMap;

use nix::sys::statfs::fstatfs;

use crate::files::beneath::Tree;
use crate::files::scan::Stat;

/// A file that changed this shortly before it was looked at may change again without its times
/// saying so: the clocks of file systems tick this coarsely, in nanoseconds.
const TICK: i64 = 100_000_000;
/// The same where times are whole seconds, or every other second.
const COARSE_TICK: i64 = 2_100_000_000;
/// The same where another machine's clock gives the times.
const DISTANT_TICK: i64 = 60_000_000_000;
const SECOND: i64 = 1_000_000_000;

/// Kinds of file systems, as `statfs` numbers them, whose times are worth less than those of an
/// ordinary one.
const SYSTEMS: [(u64, System); 10] = [
    // FAT and exFAT store no time of the inode's change: after a while it is that of the content.
    (0x4d44, System { changes: Changes::Untold, distant: false }),
    (0x2011_bab0, System { changes: Changes::Untold, distant: false }),
    // Whatever is behind FUSE, 9p and the shared folders of a virtual machine may be such a one.
    (0x6573_5546, System { changes: Changes::Doubtful, distant: true }),
    (0x0102_1997, System { changes: Changes::Doubtful, distant: true }),
    (0x786f_4256, System { changes: Changes::Doubtful, distant: true }),
    // SMB in three numbers, NFS, Ceph.
    (0x517b, System { changes: Changes::Doubtful, distant: true }),
    (0xff53_4d42, System { changes: Changes::Doubtful, distant: true }),
    (0xfe53_4d42, System { changes: Changes::Doubtful, distant: true }),
    (0x6969, System { changes: Changes::Told, distant: true }),
    (0x00c3_6400, System { changes: Changes::Told, distant: true }),
];

/// Whether a file system has a time of the inode's change that no program can set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Changes {
    Told,
    /// It has if there is any file of which it is another than that of the content.
    Doubtful,
    Untold,
}

#[derive(Clone, Copy, Debug)]
struct System {
    changes: Changes,
    /// The times are those of another machine's clock.
    distant: bool,
}

impl System {
    fn of(kind: u64) -> System {
        let known = SYSTEMS.iter().find(|(number, _)| *number == kind);
        known.map_or(System { changes: Changes::Told, distant: false }, |(_, system)| *system)
    }
}

/// The file systems that a walk has met.
#[derive(Default)]
pub struct Clocks {
    systems: HashMap<u64, System>,
}

impl Clocks {
    /// Takes note of the file system that a file is on, and of what the file shows of it.
    pub fn look(&mut self, tree: &Tree, directory: &std::path::Path, stat: &Stat) {
        let system = self.systems.entry(stat.device).or_insert_with(|| {
            let kind = tree.directory(directory).and_then(|directory| fstatfs(&directory));
            let number = kind.map_or(0, |kind| kind.filesystem_type().0 & 0xffff_ffff);
            System::of(u64::try_from(number).unwrap_or(0))
        });
        if system.changes == Changes::Doubtful && stat.ctime != stat.mtime {
            system.changes = Changes::Told;
        }
    }

    /// Whether a file that was looked at is unchanged if it looks as it did.
    pub fn tell(&self, stat: &Stat) -> bool {
        self.systems.get(&stat.device).is_some_and(|system| system.changes == Changes::Told)
    }

    /// How long before a look a change may be that the next change does not show beside, in
    /// nanoseconds.
    pub fn tick(&self, stat: &Stat) -> i64 {
        if self.systems.get(&stat.device).is_none_or(|system| system.distant) {
            DISTANT_TICK
        } else if stat.ctime % SECOND == 0 {
            COARSE_TICK
        } else {
            TICK
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: i64 = 1_700_000_000_123_456_789;

    fn on(kind: u64) -> Clocks {
        Clocks { systems: HashMap::from([(7, System::of(kind))]) }
    }

    fn stat(ctime: i64) -> Stat {
        Stat { size: 1, mtime: AT, ctime, inode: 5, device: 7 }
    }

    fn seen(times: &mut Clocks, ctime: i64) -> bool {
        let place = tempfile::tempdir().unwrap();
        let tree = Tree::open(place.path()).unwrap();
        times.look(&tree, std::path::Path::new(""), &stat(ctime));
        times.tell(&stat(ctime))
    }

    #[test]
    fn a_time_of_change_counts_where_the_file_system_has_one() {
        assert!(seen(&mut on(0xef53), AT), "ext4");
        assert!(!seen(&mut on(0x4d44), AT + 1), "FAT");
        // One file shows that FUSE passes on a time of its own.
        let mut fuse = on(0x6573_5546);
        assert!(!seen(&mut fuse, AT));
        assert!(seen(&mut fuse, AT + 1) && seen(&mut fuse, AT));
    }

    #[test]
    fn coarse_clocks_and_those_of_other_machines_are_given_more_time() {
        let [fine, coarse] = [stat(AT), stat(AT / SECOND * SECOND)];
        assert_eq!(on(0xef53).tick(&fine), TICK);
        assert_eq!(on(0xef53).tick(&coarse), COARSE_TICK);
        assert_eq!(on(0x6969).tick(&fine), DISTANT_TICK);
        assert_eq!(Clocks::default().tick(&fine), DISTANT_TICK);
    }
}
