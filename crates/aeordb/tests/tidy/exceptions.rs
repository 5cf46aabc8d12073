//! What does not keep a rule yet. The lists only get shorter.

/// Files with longer lines, and the longest of each.
pub const LINES: &[(&str, usize)] = &[
    ("crates/aeordb-cli/src/cmd/serve.rs", 154),
    ("crates/aeordb/src/backup/tests/chains.rs", 119),
    ("crates/aeordb/src/object/chunker/tests.rs", 116),
    ("crates/aeordb/src/object/list/tests.rs", 120),
    ("crates/aeordb/src/object/record/tests.rs", 117),
    ("crates/aeordb/src/object/tree/tests/damage.rs", 137),
];

/// Longer files, and their lines.
pub const FILES: &[(&str, usize)] = &[
    ("crates/aeordb-server/tests/it/tar.rs", 600),
    ("crates/aeordb/src/backup/tests/hostile.rs", 600),
    ("crates/aeordb/src/files/get/place.rs", 600),
    ("crates/aeordb/src/files/get/walk.rs", 560),
    ("crates/aeordb/tests/it/salvage.rs", 550),
];

/// Longer functions, and their lines.
pub const FUNCTIONS: &[(&str, usize)] = &[
    ("crates/aeordb-api/src/library/describe.rs plain", 70),
    ("crates/aeordb-cli/src/exit.rs hint", 150),
    (
        "crates/aeordb-cli/tests/it/attributes.rs a_change_of_anything_that_is_recorded_is_listed_and_said",
        70,
    ),
    ("crates/aeordb-server/src/metrics.rs text", 70),
    ("crates/aeordb-server/src/service/tarball/read.rs entry", 70),
    (
        "crates/aeordb-server/tests/it/page.rs an_export_and_a_patch_travel_to_another_server_and_are_promoted_there",
        80,
    ),
    ("crates/aeordb/src/backup/diff.rs write", 80),
    (
        "crates/aeordb/src/backup/tests/chains.rs a_chain_reads_imports_and_combines_to_its_last_version",
        70,
    ),
    ("crates/aeordb/src/db/bulk/mod.rs into_edit", 80),
    ("crates/aeordb/src/files/get/walk.rs step", 80),
    ("crates/aeordb/src/files/put.rs put_one", 110),
    ("crates/aeordb/src/files/walk.rs step", 80),
    ("crates/aeordb/src/format/tests.rs every_table_of_bytes_is_the_layout_of_its_struct", 90),
    ("crates/aeordb/src/gc.rs collect_once", 70),
];

/// Names of several types of one crate.
pub const TYPES: &[&str] = &[
    "benches Bar",
    "benches Kind",
    "benches Results",
    "benches Step",
    "crates/aeordb Change",
    "crates/aeordb Damage",
    "crates/aeordb Difference",
    "crates/aeordb Entries",
    "crates/aeordb Entry",
    "crates/aeordb Found",
    "crates/aeordb Head",
    "crates/aeordb Known",
    "crates/aeordb Links",
    "crates/aeordb Names",
    "crates/aeordb NewFile",
    "crates/aeordb Part",
    "crates/aeordb Place",
    "crates/aeordb Purpose",
    "crates/aeordb Record",
    "crates/aeordb Root",
    "crates/aeordb Roots",
    "crates/aeordb Seen",
    "crates/aeordb Source",
    "crates/aeordb Target",
    "crates/aeordb Walk",
    "crates/aeordb Wanted",
    "crates/aeordb-server Records",
];

/// Uses of what stands further down the table of ARCHITECTURE.md.
pub const ARROWS: &[&str] = &[];

/// Circles of files.
pub const CIRCLES: &[&str] = &[
    "error.rs hash.rs",
    "files/beneath.rs files/extended.rs files/scan.rs",
    "files/load.rs files/put.rs",
    "log/heal.rs log/index.rs log/run_writer.rs",
];
