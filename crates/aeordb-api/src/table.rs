//! The calls, each once.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use crate::Page;
use crate::backups::{
    Backup, Export, Import, Info, NewExport, NewImport, NewPatch, OnConflict, Patch,
};
use crate::endpoint::Needs::{Either, Key as AnyKey, Nothing, Removal, Scope as Having};
use crate::endpoint::{BACKUP, Content, Description, OCTETS, TAR, endpoint};
use crate::files::{Batch, Edit, StoredDirectory, StoredFile, StoredTree};
use crate::item::{Entry, PathEntry, Stat};
use crate::jobs::{Collect, Job, Verify};
use crate::keys::{CreatedKey, Key, NewKey, Scope};
use crate::parameter::{
    Archive, BackupName, Deletions, Limit, NameBytes, Paged, PathBytes, Token, Word, query,
};
use crate::server::{Health, Overlay, Ready};
use crate::versions::{Changes, HistoryEntry, NewSnapshot, Promote, Promotion, Snapshot};

/// All calls, in the order of the description.
pub fn table() -> Vec<Description> {
    vec![
        Description::of::<GetHealth>(),
        Description::of::<GetReady>(),
        Description::of::<GetMetrics>(),
        Description::of::<GetDescription>(),
        Description::of::<ReadFiles>(),
        Description::of::<PutFiles>(),
        Description::of::<DeleteFiles>(),
        Description::of::<MoveFiles>(),
        Description::of::<PostBatch>(),
        Description::of::<GetInfo>(),
        Description::of::<WriteExport>(),
        Description::of::<WritePatch>(),
        Description::of::<PromoteVersion>(),
        Description::of::<ImportFiles>(),
        Description::of::<StreamExport>(),
        Description::of::<StreamPatch>(),
        Description::of::<LayOverlay>(),
        Description::of::<RemoveOverlay>(),
        Description::of::<ListBackups>(),
        Description::of::<GetBackup>(),
        Description::of::<DeleteBackup>(),
        Description::of::<ListSnapshots>(),
        Description::of::<CreateSnapshot>(),
        Description::of::<DeleteSnapshot>(),
        Description::of::<ListHistory>(),
        Description::of::<ListChanges>(),
        Description::of::<StartVerify>(),
        Description::of::<StartCollect>(),
        Description::of::<ListJobs>(),
        Description::of::<GetJob>(),
        Description::of::<CancelJob>(),
        Description::of::<ListKeys>(),
        Description::of::<CreateKey>(),
        Description::of::<RevokeKey>(),
    ]
}

query! {
    /// No parameters.
    NoQuery {}
}

query! {
    /// Which page.
    PageQuery {
        /// the `next` of the page before
        cursor: Option<Token> = "cursor",
        /// 1 to 10000 items
        limit: Option<Limit> = "limit",
    }
}

/// Parameters that have a cursor.
macro_rules! paged {
    ($($query:ty),+) => {
        $(impl Paged for $query {
            fn go_to(&mut self, cursor: String) {
                self.cursor = Some(Token(cursor));
            }
        })+
    };
}

paged!(PageQuery, ReadQuery, ChangesQuery);

endpoint! {
    /// Whether the process runs
    GetHealth: Get "/healthz", Nothing;
    query NoQuery;
    send ();
    reply Health;
    answer 200 "It runs" Content::json::<Health>();
}

endpoint! {
    /// Whether requests are served
    GetReady: Get "/readyz", AnyKey;
    query NoQuery;
    send ();
    reply Ready;
    answer 200 "They are" Content::json::<Ready>();
}

endpoint! {
    /// Counters for Prometheus
    GetMetrics: Get "/metrics", AnyKey;
    query NoQuery;
    send ();
    reply ();
    answer 200 "The counters" Content::Bytes("text/plain");
}

endpoint! {
    /// This description
    GetDescription: Get "/openapi.json", AnyKey;
    query NoQuery;
    send ();
    reply Value;
    answer 200 "OpenAPI 3.1" Content::json::<serde_json::Map<String, Value>>();
}

query! {
    /// What of a path is read.
    ReadQuery {
        /// read this version instead of HEAD
        version: Option<Word> = "version",
        /// read this snapshot instead of HEAD
        snapshot: Option<Word> = "snapshot",
        /// read with this overlay
        with: Option<Token> = "with",
        /// what is recorded of the path, instead of its bytes or entries
        stat: bool = "stat",
        /// `tar`: a directory as an archive; `aeordb`: what is there as an export
        archive: Option<Archive> = "archive",
        /// with `archive=aeordb`: without the bytes of files
        outline: bool = "outline",
        /// list everything below a directory
        recursive: bool = "recursive",
        /// list only names that start so; with `recursive`, paths below the directory
        prefix: Option<NameBytes> = "prefix",
        /// list only names after this one; without `recursive`
        after: Option<NameBytes> = "after",
        /// the `next` of the page before
        cursor: Option<Token> = "cursor",
        /// 1 to 10000 items
        limit: Option<Limit> = "limit",
    }
}

/// What a path that is read replies in JSON: a page of a directory, what is recorded, or the bytes
/// of a file of JSON, which may be anything.
fn read(schemas: &mut SchemaGenerator) -> Schema {
    let entries = schemas.subschema_for::<Page<Entry>>();
    let paths = schemas.subschema_for::<Page<PathEntry>>();
    any_of(&[entries, paths, schemas.subschema_for::<Stat>(), Schema::default()])
}

/// What was put where nothing was.
fn created(schemas: &mut SchemaGenerator) -> Schema {
    let file = schemas.subschema_for::<StoredFile>();
    any_of(&[file, schemas.subschema_for::<StoredDirectory>()])
}

/// What was put.
fn stored(schemas: &mut SchemaGenerator) -> Schema {
    let (file, edit) = (schemas.subschema_for::<StoredFile>(), schemas.subschema_for::<Edit>());
    let tree = schemas.subschema_for::<StoredTree>();
    any_of(&[file, edit, tree, schemas.subschema_for::<StoredDirectory>()])
}

fn any_of(schemas: &[Schema]) -> Schema {
    json_schema!({ "anyOf": schemas })
}

endpoint! {
    /// Read a file, list a directory, or fetch it as a tar archive
    ReadFiles: Get "/files/{*path}", Having(Scope::Read);
    query ReadQuery;
    send ();
    reply ();
    answer 200 "The bytes of a file" Content::Bytes(OCTETS);
    answer 200 "A page of a directory" Content::Json(read);
    answer 200 "What is there as an archive" Content::Bytes(TAR);
    answer 200 "What is there as an export" Content::Bytes(BACKUP);
    answer 206 "A part of a file" Content::Bytes(OCTETS);
    answer 304 "The file has the tag of If-None-Match" Content::None;
}

query! {
    /// What is put.
    PutQuery {
        /// `tar`: the body is an archive, unpacked as one commit; `aeordb`: it is a patch of what
        /// is there
        archive: Option<Archive> = "archive",
        /// with `archive=tar`: remove what is not in it
        mirror: bool = "mirror",
        /// with `archive=tar`: how many of the files that are there may be deleted, or a share such
        /// as `20%`; half of ten or more if not said
        max_delete: Option<Deletions> = "max-delete",
        /// with `archive=tar`: an archive without files may replace files
        allow_empty: bool = "allow-empty",
    }
}

endpoint! {
    /// Put a file; with a slash at the end make a directory, or unpack a tar archive into it
    PutFiles: Put "/files/{*path}", Having(Scope::Write), conditional;
    query PutQuery;
    send ();
    reply ();
    body Content::Bytes(OCTETS);
    answer 201 "It was not there" Content::Json(created);
    answer 200 "It was replaced" Content::Json(stored);
}

query! {
    /// What is removed.
    DeleteQuery {
        /// also a directory, with everything in it
        recursive: bool = "recursive",
    }
}

endpoint! {
    /// Remove a file or directory
    DeleteFiles: Delete "/files/{*path}", Removal(Scope::Write), conditional;
    query DeleteQuery;
    send ();
    reply ();
    answer 204 "It is gone from HEAD" Content::None;
}

query! {
    /// Where it goes.
    MoveQuery {
        /// the new path
        rename_to: Option<PathBytes> = "rename-to",
        /// the path of the copy
        copy_to: Option<PathBytes> = "copy-to",
        /// copy out of this version
        version: Option<Word> = "version",
        /// replace a file that is there
        force: bool = "force",
    }
}

endpoint! {
    /// Rename or copy a file or directory
    MoveFiles: Post "/files/{*path}", Having(Scope::Write), conditional;
    query MoveQuery;
    send ();
    reply Edit;
    answer 200 "What was done" Content::json::<Edit>();
}

endpoint! {
    /// Make many changes as one commit; If-Match says what HEAD must still be
    PostBatch: Post "/batch", Removal(Scope::Write), conditional;
    query NoQuery;
    send Batch;
    reply Edit;
    body Content::json::<Batch>();
    answer 200 "What was done" Content::json::<Edit>();
}

endpoint! {
    /// What the database is, of which version, how large
    GetInfo: Get "/admin/info", Having(Scope::Read);
    query NoQuery;
    send ();
    reply Info;
    answer 200 "The counts of the file" Content::json::<Info>();
}

endpoint! {
    /// Write a version to a file of the backup directory
    WriteExport: Post "/admin/export", Having(Scope::Export);
    query NoQuery;
    send NewExport;
    reply Export;
    body Content::json::<NewExport>();
    answer 201 "What the export holds" Content::json::<Export>();
}

endpoint! {
    /// Write the difference of two versions to a file of the backup directory
    WritePatch: Post "/admin/diff", Having(Scope::Export);
    query NoQuery;
    send NewPatch;
    reply Patch;
    body Content::json::<NewPatch>();
    answer 201 "What the patch holds" Content::json::<Patch>();
}

endpoint! {
    /// Make a version HEAD; If-Match says what HEAD must still be
    PromoteVersion: Post "/admin/promote", Removal(Scope::Promote), conditional;
    query NoQuery;
    send Promote;
    reply Promotion;
    body Content::json::<Promote>();
    answer 200 "HEAD now and before" Content::json::<Promotion>();
}

query! {
    /// What becomes of the files of a body.
    ImportQuery {
        /// make the imported version HEAD (where the body is the files)
        promote: bool = "promote",
        /// apply a patch whatever HEAD is (where the body is the files)
        force: bool = "force",
        /// name the imported version (where the body is the files)
        snapshot: Option<Word> = "snapshot",
        /// apply the changes of a patch to HEAD (where the body is the files); what both changed
        /// is left out, or with `ours` or `theirs` becomes that
        merge: Option<OnConflict> = "merge",
        /// with promote: first make a patch of this name in the backup directory, which leads back
        /// (where the body is the files)
        undo: Option<BackupName> = "undo",
    }
}

endpoint! {
    /// Import exports and patches, in order, as one change: files of the backup directory, or the
    /// body, which is one file or several one after another
    ImportFiles: Post "/admin/import", Having(Scope::Import), conditional;
    query ImportQuery;
    send NewImport;
    reply Import;
    body Content::json::<NewImport>();
    body Content::Bytes(BACKUP);
    answer 200 "What was imported" Content::json::<Import>();
}

query! {
    /// Which version goes out.
    ExportQuery {
        /// a snapshot instead of HEAD
        snapshot: Option<Word> = "snapshot",
        /// a version instead of HEAD
        hash: Option<Word> = "hash",
        /// only what is at this path
        path: Option<PathBytes> = "path",
        /// read with this overlay
        with: Option<Token> = "with",
    }
}

endpoint! {
    /// Stream an export
    StreamExport: Get "/admin/export", Having(Scope::Export);
    query ExportQuery;
    send ();
    reply ();
    answer 200 "The export" Content::Bytes(BACKUP);
}

query! {
    /// Which difference goes out.
    DiffQuery {
        /// the version to start from
        from: Word = "from",
        /// the version to arrive at; HEAD
        to: Option<Word> = "to",
        /// only what is at this path
        path: Option<PathBytes> = "path",
        /// read with this overlay
        with: Option<Token> = "with",
    }
}

endpoint! {
    /// Stream a patch
    StreamPatch: Get "/admin/diff", Having(Scope::Export);
    query DiffQuery;
    send ();
    reply ();
    answer 200 "The patch" Content::Bytes(BACKUP);
}

query! {
    /// Where an overlay lies.
    OverlayQuery {
        /// lay it on this overlay
        on: Option<Token> = "on",
    }
}

endpoint! {
    /// Lay a patch on the database without importing it; `with=ID` then reads with it
    LayOverlay: Post "/admin/overlays", Having(Scope::Import);
    query OverlayQuery;
    send ();
    reply Overlay;
    body Content::Bytes(BACKUP);
    answer 201 "Its name, and the version that is HEAD in it" Content::json::<Overlay>();
}

endpoint! {
    /// Take an overlay away; one that is not read for ten minutes goes by itself
    RemoveOverlay: Delete "/admin/overlays/{id}", Having(Scope::Import);
    query NoQuery;
    send ();
    reply ();
    answer 204 "It is gone" Content::None;
}

endpoint! {
    /// List the backups, and other files beside them
    ListBackups: Get "/admin/backups", Having(Scope::Export);
    query PageQuery;
    send ();
    reply Page<Backup>;
    answer 200 "A page of them, by name" Content::json::<Page<Backup>>();
}

endpoint! {
    /// Fetch a backup, or a range of it
    GetBackup: Get "/admin/backups/{name}", Having(Scope::Export);
    query NoQuery;
    send ();
    reply ();
    answer 200 "The backup" Content::Bytes(BACKUP);
    answer 206 "A part of it" Content::Bytes(BACKUP);
    answer 304 "It has the tag of If-None-Match" Content::None;
}

endpoint! {
    /// Remove a backup, or another file beside them
    DeleteBackup: Delete "/admin/backups/{name}", Removal(Scope::Export);
    query NoQuery;
    send ();
    reply ();
    answer 204 "It is gone" Content::None;
}

endpoint! {
    /// List the snapshots
    ListSnapshots: Get "/admin/snapshots", Having(Scope::Read);
    query PageQuery;
    send ();
    reply Page<Snapshot>;
    answer 200 "A page of them, by name" Content::json::<Page<Snapshot>>();
}

endpoint! {
    /// Name HEAD, or another version
    CreateSnapshot: Post "/admin/snapshots", Having(Scope::Snapshot);
    query NoQuery;
    send NewSnapshot;
    reply Snapshot;
    body Content::json::<NewSnapshot>();
    answer 201 "The snapshot" Content::json::<Snapshot>();
    answer 200 "It was there already" Content::json::<Snapshot>();
}

endpoint! {
    /// Take a name away
    DeleteSnapshot: Delete "/admin/snapshots/{name}", Removal(Scope::Snapshot);
    query NoQuery;
    send ();
    reply ();
    answer 204 "It is gone" Content::None;
}

endpoint! {
    /// What HEAD was, newest first, and what was imported
    ListHistory: Get "/admin/history", Having(Scope::Read);
    query PageQuery;
    send ();
    reply Page<HistoryEntry>;
    answer 200 "A page of it" Content::json::<Page<HistoryEntry>>();
}

query! {
    /// Which changes.
    ChangesQuery {
        /// the version to start from
        from: Word = "from",
        /// the version to arrive at; HEAD
        to: Option<Word> = "to",
        /// only what is at this path
        path: Option<PathBytes> = "path",
        /// read with this overlay
        with: Option<Token> = "with",
        /// the `next` of the page before
        cursor: Option<Token> = "cursor",
        /// 1 to 10000 items
        limit: Option<Limit> = "limit",
    }
}

endpoint! {
    /// The changes between two versions
    ListChanges: Get "/admin/changes", Having(Scope::Read);
    query ChangesQuery;
    send ();
    reply Changes;
    answer 200 "A page of them, by path" Content::json::<Changes>();
}

endpoint! {
    /// Check the database for damage
    StartVerify: Post "/admin/verify", Having(Scope::Read);
    query NoQuery;
    send Verify;
    reply Job;
    body Content::json::<Verify>();
    answer 202 "The job that does it" Content::json::<Job>();
}

endpoint! {
    /// Give the space back that no kept version needs
    StartCollect: Post "/admin/gc", Removal(Scope::Gc);
    query NoQuery;
    send Collect;
    reply Job;
    body Content::json::<Collect>();
    answer 202 "The job that does it" Content::json::<Job>();
}

endpoint! {
    /// List the jobs that the key may look at, newest first
    ListJobs: Get "/admin/jobs", Either(Scope::Read, Scope::Gc);
    query NoQuery;
    send ();
    reply Page<Job>;
    answer 200 "All that are remembered" Content::json::<Page<Job>>();
}

endpoint! {
    /// Look at a job; with Accept: text/event-stream follow it to its end
    GetJob: Get "/admin/jobs/{id}", Either(Scope::Read, Scope::Gc);
    query NoQuery;
    send ();
    reply Job;
    answer 200 "How far it is" Content::json::<Job>();
    answer 200 "How far it is, again and again" Content::Bytes("text/event-stream");
}

endpoint! {
    /// Cancel a job, or forget one that has ended: with gc any, else one that the key started
    CancelJob: Delete "/admin/jobs/{id}", Either(Scope::Read, Scope::Gc);
    query NoQuery;
    send ();
    reply ();
    answer 204 "It is forgotten" Content::None;
    answer 202 "It stops at its next safe point" Content::json::<Job>();
}

endpoint! {
    /// List the keys, without their secrets
    ListKeys: Get "/admin/keys", Removal(Scope::Keys);
    query NoQuery;
    send ();
    reply Page<Key>;
    answer 200 "All keys, revoked ones too" Content::json::<Page<Key>>();
}

endpoint! {
    /// Make a key; it is shown once
    CreateKey: Post "/admin/keys", Removal(Scope::Keys);
    query NoQuery;
    send NewKey;
    reply CreatedKey;
    body Content::json::<NewKey>();
    answer 201 "The key" Content::json::<CreatedKey>();
}

endpoint! {
    /// Revoke a key
    RevokeKey: Delete "/admin/keys/{id}", Removal(Scope::Keys);
    query NoQuery;
    send ();
    reply Key;
    answer 200 "The key, which opens nothing now" Content::json::<Key>();
}
