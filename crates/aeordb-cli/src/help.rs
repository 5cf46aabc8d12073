//! The help of the program itself. That of a verb stands in its file in `cmd`.

/// Below the help of the program itself.
pub const PROGRAM: &str = "\
A database is one file (--database, or AEORDB_DATABASE). Every state of its tree is a version, \
named by the hash of its content. HEAD is the current version; a snapshot is a name for one.

Where a VERSION is asked for, give HEAD, HEAD~2 (two changes ago), '@{2026-11-01T12:00}' or \
'@{2 days ago}' (what HEAD was then), a snapshot's name, latest (the newest snapshot), a version's \
hash, or the first 8 or more digits of it. Readers take --at VERSION, and VERSION:PATH names a \
path in a version: behind a name that has / or : itself, VERSION:/PATH. A path that starts with / \
is taken as it is, colons and all.

The main job, from one machine to another:
  aeordb put ~/documents /documents             load a directory
  aeordb snapshot create v1                     name this version
  aeordb export --output full.aeordb            one file that holds all of it
  aeordb put --mirror ~/documents /documents    load it again, later
  aeordb diff --from v1 --output patch.aeordb   one file that holds what changed
  aeordb import --database other.aeordb --file full.aeordb --file patch.aeordb --promote
  aeordb get --database other.aeordb /documents restored

Data and reports go to standard output, everything else to standard error. With --json a report \
is one JSON object, a listing is one JSON object a line, and an error is a JSON object on \
standard error.

Exit codes:
    0  done
    1  failed
    2  the command line cannot be meant
    3  done, but some inputs could not be read, or some changes were left out
   10  the database, path, version or name does not exist
   11  another process is writing to the database
   12  the key is missing, is another, or does not allow this
   13  a patch does not follow HEAD or the file before it, or HEAD was moved
   14  stored bytes are damaged
   15  something is already there and is not replaced
   16  the version would be incomplete
   17  what is put is empty, or more would be deleted than is allowed
   18  the newest backup is older than it may be
   20  a newer aeordb made the file, and this one does not know what it needs
  130  interrupted
  141  whoever read the output stopped reading";
