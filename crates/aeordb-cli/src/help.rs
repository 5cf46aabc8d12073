//! The parts of the help texts that teach by example. `args` attaches them to the verbs.

/// Below the help of the program itself.
pub const PROGRAM: &str = "\
A database is one file (--database, or AEORDB_DATABASE). Every state of its tree is a version, \
named by the hash of its content. HEAD is the current version; a snapshot is a name for one.

Where a VERSION is asked for, give HEAD, HEAD~2 (two changes ago), a snapshot's name, a version's \
hash, or the first 8 or more digits of it. Readers take --at VERSION, and VERSION:PATH names a \
path in a version. A path that starts with / is taken as it is, colons and all.

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
   12  the key is missing or does not allow this
   13  a patch does not follow HEAD or the file before it, or HEAD was moved
   14  stored bytes are damaged
   15  something is already there and is not replaced
   16  the version would be incomplete
   17  what is put is empty, or more would be deleted than is allowed
   20  a newer aeordb made the file, and this one does not know what it needs
  130  interrupted
  141  whoever read the output stopped reading";

pub const SERVE: &str = "\
Makes the database if it is not there. If it has no key yet, one that may do everything is made \
and shown once. Everything but /healthz needs a key: Authorization: Bearer KEY. GET /openapi.json \
describes all calls. A port without an address is one of this machine alone. SIGTERM ends the server when it has finished what it accepted, SIGHUP reads \
the certificate again, or ends a server that has none.

Examples:
  aeordb serve --database data.aeordb
  aeordb serve --listen 0.0.0.0:443 --tls-cert chain.pem --tls-key key.pem
  curl -H \"Authorization: Bearer $AEORDB_API_KEY\" http://127.0.0.1:3000/files/";

pub const KEY: &str = "\
Scopes: read, write, snapshot, export, import, promote, gc, keys, admin (all of them). Presets: \
append-only (write and snapshot, nothing that removes or replaces), backup (export only).

While a server serves the database, keys are made through it: --server URL, with a key in \
AEORDB_API_KEY that has the scope keys.

Examples:
  aeordb key create --name laptop --scope read,write
  aeordb key list
  aeordb key revoke 5f0q9d1u2k7v3m8s";

pub const KEY_CREATE: &str = "\
Examples:
  aeordb key create --name laptop --scope read,write --expires 90d
  aeordb key create --name nightly --scope backup --server http://127.0.0.1:3000";

pub const KEY_LIST: &str = "\
Examples:
  aeordb key list";

pub const KEY_REVOKE: &str = "\
Examples:
  aeordb key revoke 5f0q9d1u2k7v3m8s";

pub const PUT_USAGE: &str = "\
aeordb put [OPTIONS] <LOCAL>... <PATH>
       aeordb put [OPTIONS] --from-command <PATH> -- <COMMAND> [ARGUMENT]...";

pub const PUT: &str = "\
One directory's content lands under PATH. One file lands at PATH, or inside it when PATH is a \
directory or ends with a slash. Several land inside PATH under their own names. Everything is one \
commit: all of it or nothing.

What is surely unchanged since the last put is not read again; what a put saw is remembered in \
$XDG_CACHE_HOME/aeordb or ~/.cache/aeordb. --rehash reads everything.

--mirror removes what LOCAL does not have. A LOCAL without files, as a mount point whose file system \
is not there, and a mirror that would delete more than half of ten or more files are refused \
(exit code 17) unless --max-delete allows it, for instance 500 or 80%. --dry-run lists what would \
happen, as `aeordb diff` does, and changes nothing.

--from-command stores what a command prints, and nothing if it fails. What is empty does not replace \
a file that is not, unless --allow-empty says so; of what is piped to `aeordb put -` nobody knows \
whether its command failed.

Examples:
  aeordb put ~/documents /documents
  aeordb put --mirror ~/documents /documents    also removes what is gone
  aeordb put report.pdf notes.txt /documents/
  aeordb put --mirror --dry-run ~/documents /documents
  aeordb put --from-command /dumps/shop.sql -- pg_dump shop
  pg_dump shop | aeordb put - /dumps/shop.sql --content-type application/sql";

pub const GET: &str = "\
A directory's content lands in LOCAL, a file becomes LOCAL. Bytes, modes, times, symbolic links \
and empty directories come back as they were. Nothing is overwritten without --force, and nothing \
is written outside LOCAL.

Examples:
  aeordb get /documents restored
  aeordb get --at v1 /documents/report.pdf report-v1.pdf
  aeordb get v1:/ everything-of-v1
  aeordb get / copy --database backup.aeordb    straight out of a backup
  aeordb get /x . --database full.aeordb --with p1.aeordb --with p2.aeordb";

pub const LS: &str = "\
A name with control characters stands in double quotes with the escapes of C, so that every line is \
one name; -z gives names as they are.

Examples:
  aeordb ls /documents
  aeordb ls -l v1:/documents
  aeordb ls -r                       everything, with absolute paths
  aeordb ls --limit 100 /photos      a page of a large directory
  aeordb ls --limit 100 --after img-0099.jpg /photos     and the next one
  aeordb ls -r --json | jq .size";

pub const CAT: &str = "\
All paths are looked up before the first byte is written.

Examples:
  aeordb cat /documents/notes.txt
  aeordb cat v1:/documents/notes.txt | diff - notes.txt
  aeordb cat /logs/1.gz /logs/2.gz > logs.gz";

pub const RM: &str = "\
Earlier versions keep what is removed; `aeordb gc` gives space back once no kept version needs it.

Examples:
  aeordb rm /documents/draft.txt
  aeordb rm -r /old /older
  aeordb rm -r --dry-run /old        only lists what would go";

pub const MV: &str = "\
Examples:
  aeordb mv /draft.txt /final.txt
  aeordb mv /final.txt /documents/
  aeordb mv --force /new.conf /app.conf";

pub const CP: &str = "\
Nothing is stored twice: a copy costs a few bytes whatever its size. FROM may be in an earlier \
version, which brings it back.

Examples:
  aeordb cp /documents /documents-2024
  aeordb cp v1:/documents/report.pdf /documents/report-v1.pdf
  aeordb cp --force --at HEAD~1 /app.conf /app.conf";

pub const STAT: &str = "\
Examples:
  aeordb stat /documents/report.pdf
  aeordb stat v1:/ --json";

pub const DU: &str = "\
Sizes are the bytes of the files as they were put, not what they take in the database.

Examples:
  aeordb du
  aeordb du -sh /documents /photos
  aeordb du --at v1 -a /documents";

pub const SNAPSHOT: &str = "\
Examples:
  aeordb snapshot create v1
  aeordb snapshot list
  aeordb snapshot delete v1";

pub const SNAPSHOT_CREATE: &str = "\
Examples:
  aeordb snapshot create v1
  aeordb snapshot create before-upgrade --at HEAD~1 --meta reason='schema 12'";

pub const SNAPSHOT_LIST: &str = "\
Examples:
  aeordb snapshot list
  aeordb snapshot list --json | jq -r .name";

pub const SNAPSHOT_DELETE: &str = "\
Only the name goes. The version stays as long as HEAD, another snapshot or kept history holds it.

Examples:
  aeordb snapshot delete v1";

pub const LOG: &str = "\
Examples:
  aeordb log
  aeordb log -n 10
  aeordb diff --from HEAD~1          what the newest change did";

pub const EXPORT: &str = "\
The file holds this one version and nothing else: no history, no deleted files, no voids. It is a \
database of its own that can be listed, read and verified, and `aeordb import` makes one \
that grows of it. An existing OUTPUT is never overwritten, and a failed export leaves none behind.

With --path the file holds that directory or file alone, at its own path: what is imported and \
promoted elsewhere is found where it was.

Examples:
  aeordb export --database data.aeordb --output backup.aeordb
  aeordb export --database data.aeordb --output backup.aeordb --snapshot v1
  aeordb export --output - | ssh host 'cat > backup.aeordb'
  aeordb export --path /documents --output documents.aeordb";

pub const DIFF: &str = "\
Without --output the changes are listed, one a line: A (added), M (modified), D (deleted) and the \
path, or R (renamed), the old path, a tab and the new path. With --output they become a patch \
that `aeordb import` applies wherever HEAD is the version it starts from.

With --path only what is at that path counts: the patch leads from that part of one version to that \
part of the other, as `aeordb export --path` gives them.

Examples:
  aeordb diff v1                                          what changed since v1
  aeordb diff v1..v2                                      as --from v1 --to v2
  aeordb diff --from v1 --to v2 --output patch-v1-v2.aeordb
  aeordb diff --from v1 --output - | ssh host aeordb import --file - --promote
  aeordb diff --from v1 --path /documents --output documents-patch.aeordb
  aeordb diff --from HEAD~1 -d full.aeordb --with p1.aeordb     what the patch changes";

pub const IMPORT: &str = "\
Every entry is hashed and the version is proved complete before anything becomes visible. Several \
files (a full export, then its patches in order) are one import: all of them or nothing. The \
database is created if it does not exist. HEAD stays where it is without --promote.

A patch is for the version it starts from. --force applies it whatever HEAD is, and gives exactly \
the version that the patch leads to. --merge gives another: HEAD with the changes of the patch. \
Paths that HEAD has as the patch's base has them become what the patch says; paths that both \
changed are conflicts, which are listed and left out (exit code 3), or resolved with --theirs or \
--ours. For that the version that the patch starts from must be in the database, or in a full \
export given before the patch.

--undo writes the patch that leads back before anything is changed; `aeordb import --file UNDO \
--promote` brings back exactly the old version.

Examples:
  aeordb import --database restored.aeordb --file full.aeordb --promote
  aeordb import --database restored.aeordb full.aeordb patch-v1-v2.aeordb --promote
  ssh host aeordb export --output - | aeordb import --file - --promote
  aeordb import --file patch.aeordb --promote --undo undo.aeordb
  aeordb import --file patch.aeordb --merge --promote          onto a HEAD that went on";

pub const COMBINE: &str = "\
A full export and the patches that follow it become one full export of the last version, as if it \
had been exported then. Patches alone become one patch, from the version that the first starts \
from to the one that the last leads to; whatever they have in common is in it once. No database is \
needed, every link is checked, and what the patches bring goes through a temporary file (TMPDIR).

A patch that was combined of patches alone still has what the versions between needed. With --base, \
the full export or database that the patches are for, it has only what its version needs.

Examples:
  aeordb combine --output new.aeordb full.aeordb p1.aeordb p2.aeordb
  aeordb combine --output week.aeordb mon.aeordb tue.aeordb wed.aeordb
  aeordb combine --output week.aeordb --base full.aeordb mon.aeordb tue.aeordb wed.aeordb
  aeordb combine --output - full.aeordb p1.aeordb | ssh host 'cat > new.aeordb'";

pub const PROMOTE: &str = "\
The version must be complete in the database. The old HEAD stays in the history.

Examples:
  aeordb promote --hash abc123def456
  aeordb promote --hash HEAD~1                            back to where HEAD was
  aeordb promote v2 --expect v1                           only if HEAD is still v1";

pub const INFO: &str = "\
Of several files it also draws which follows which, and where a patch has nothing to stand on. \
--changes lists what a patch does to which path, without its base.

Examples:
  aeordb info backups/*.aeordb
  aeordb info patch.aeordb --json | jq -r .base
  aeordb info --changes patch.aeordb";

pub const VERIFY: &str = "\
Looks at the structure and the checksum of every block. --deep also decompresses every entry, \
checks it against its name, and proves every version complete. Damage is exit code 14.

A patch alone cannot prove what it compressed against its base; with its base (--with, in order, \
if that is a full export and patches) it is proved as an import would.

Examples:
  aeordb verify --database data.aeordb
  aeordb verify --deep backup.aeordb
  aeordb verify --database p2.aeordb --with full.aeordb --with p1.aeordb";

pub const SALVAGE: &str = "\
Reads the damaged file from front to back and never writes to it. Every entry that has its hash goes \
to the new database, and every version that HEAD, snapshots and history name is kept: whole, or \
without what it has lost, under the same name. An export is salvaged the same way.

What is lost is listed, a line each: LOST, the version, and the path. A directory that is listed has \
lost what was in it, or names that nobody knows. The exit code is 0 if nothing is lost, 3 if something \
is, and 14 if there is nothing to save; then no new database is made. --from names files that may \
have what is missing: an entry is the same wherever it lies.

Keys of a server are kept only if the last commit is sound: an earlier one would bring revoked keys \
back.

Examples:
  aeordb salvage --database damaged.aeordb --output rescued.aeordb
  aeordb salvage --database damaged.aeordb --output rescued.aeordb --from full.aeordb
  aeordb verify --deep rescued.aeordb";

pub const GC: &str = "\
Keeps what HEAD, snapshots and the kept history reach, versions that were imported but not \
promoted among them. Readers and copies are not disturbed: what this collection frees is released by \
the next one, or at once where it is much or the disk is full.

Examples:
  aeordb gc --dry-run
  aeordb gc";

pub const COMPACT: &str = "\
The new file holds what HEAD, snapshots and the kept history reach, and the keys of a server; it has \
the owner and the mode of the old one, and takes its place in one step, once it is whole, checked \
and on the disk. Until then nothing is changed, so the disk needs room for both. Readers keep the \
file that they have open. No server can have the database open; `aeordb gc` works through one, and \
needs no room.

A symbolic link goes on leading to the database. A file with several names (hard links) is refused.

Examples:
  aeordb compact --dry-run
  aeordb compact --database data.aeordb";

pub const COMPLETIONS: &str = "\
Examples:
  aeordb completions bash > ~/.local/share/bash-completion/completions/aeordb
  aeordb completions zsh > ~/.zfunc/_aeordb
  aeordb completions fish > ~/.config/fish/completions/aeordb.fish";

pub const MAN: &str = "\
Examples:
  aeordb man | man -l -
  aeordb man snapshot create > aeordb-snapshot-create.1";
