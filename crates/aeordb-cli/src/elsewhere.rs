//! What the verbs of other tools are called here. Whoever comes from restic, Borg, Kopia, git or a
//! shell types what they know, and is told the command that does it, not one that is spelled alike.

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Verbs of other tools, and what does the same here.
const VERBS: &[(&[&str], &str)] = &[
    (
        &["backup", "create", "add", "save", "store", "commit", "upload", "archive", "write"],
        "`aeordb put LOCAL /PATH` loads files, `aeordb snapshot create NAME` names what there is",
    ),
    (
        &["restore", "extract", "checkout", "download", "switch", "unpack"],
        "`aeordb get VERSION:/PATH LOCAL` writes files; `aeordb promote VERSION` makes an earlier \
         version HEAD again",
    ),
    (
        &["init", "rcreate", "repo-create", "repository", "repo", "connect"],
        "no step before the first: `aeordb put LOCAL /` or `aeordb import FILE` makes the database",
    ),
    (
        &["snapshots", "archives", "rlist", "repo-list", "tag", "tags", "branch", "bookmark"],
        "`aeordb snapshot list` shows all names, `aeordb snapshot create NAME` gives one",
    ),
    (&["list", "dir", "ll", "tree", "ls-files", "ls-tree"], "`aeordb ls [-r] [-l] PATH`"),
    (&["fsck", "scrub", "validate", "test"], "`aeordb verify [--deep]`"),
    (&["dump", "show", "read", "print", "cat-file", "type"], "`aeordb cat VERSION:/PATH`"),
    (
        &["prune", "expire", "maintenance", "vacuum", "cleanup", "clean"],
        "`aeordb keep` and `aeordb forget` drop versions, `aeordb gc` gives back the space that \
         nothing needs, `aeordb compact` makes the file as small as it can be",
    ),
    (&["delete", "del", "remove", "unlink"], "`aeordb rm PATH`, or `aeordb snapshot delete NAME`"),
    (&["rename", "move"], "`aeordb mv FROM TO`"),
    (&["copy"], "`aeordb cp FROM TO`, or `aeordb export` and `aeordb import` between databases"),
    (
        &["clone", "push", "bundle", "send", "export-tar", "backup-to"],
        "`aeordb export --output FILE` writes a version, `aeordb diff V1 V2 --output FILE` a patch",
    ),
    (
        &["pull", "fetch", "receive", "apply", "merge", "import-tar", "load", "unbundle"],
        "`aeordb import FILE... --promote`, with --merge onto a HEAD that went on",
    ),
    (&["history", "reflog", "versions"], "`aeordb log`"),
    (&["reset", "revert", "rollback", "undo"], "`aeordb promote HEAD~1`: back to what HEAD was"),
    (
        &["status", "stats", "size", "usage"],
        "`aeordb info` says what the database holds, `aeordb du` how large its directories are",
    ),
    (
        &["mount", "umount"],
        "`aeordb ls` and `aeordb cat` read without unpacking, `aeordb serve` gives it to programs",
    ),
    (
        &["unlock", "break-lock", "with-lock"],
        "nothing to do: a lock ends with the process that holds it",
    ),
    (
        &["recover", "rescue", "rebuild-index", "repack", "migrate", "upgrade"],
        "`aeordb verify --deep` says what is damaged, `aeordb salvage --output NEW.aeordb` makes a \
         database of what is sound; an index that is damaged gets made anew by itself",
    ),
    (
        &["rewrite", "recreate"],
        "`aeordb compact` makes the file anew, `aeordb salvage` a new one of what is sound",
    ),
    (&["server", "daemon", "web", "ui"], "`aeordb serve`"),
    (&["password", "passwd", "token", "user"], "`aeordb key create`"),
    (&["changes", "compare"], "`aeordb diff V1 V2`"),
];

/// What does here what `verb` does elsewhere.
fn here(verb: &str) -> Option<&'static str> {
    VERBS.iter().find(|(names, _)| names.contains(&verb)).map(|(_, here)| *here)
}

/// Puts a verb of ours in the place of a guess by spelling. A flag that is not there is not a value
/// that wants `--` before it, so that guess goes too.
pub fn explain(error: &mut clap::Error) {
    match (error.kind(), error.get(ContextKind::InvalidSubcommand)) {
        (ErrorKind::InvalidSubcommand, Some(ContextValue::String(verb))) => {
            let Some(here) = here(&verb.to_ascii_lowercase()) else { return };
            error.remove(ContextKind::SuggestedSubcommand);
            let tip = StyledStr::from(format!("here that is {here}"));
            error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
        }
        (ErrorKind::UnknownArgument, _) => {
            error.remove(ContextKind::Suggested);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
