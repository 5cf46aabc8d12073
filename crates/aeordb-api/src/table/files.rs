//! Files by path.

use schemars::{Schema, SchemaGenerator, json_schema};

use super::{NoQuery, paged};
use crate::Page;
use crate::endpoint::Needs::{Removal, Scope as Having};
use crate::endpoint::{BACKUP, Content, OCTETS, TAR, endpoint};
use crate::files::{Batch, Edit, StoredDirectory, StoredFile, StoredTree};
use crate::item::{Entry, PathEntry, Stat};
use crate::keys::Scope;
use crate::parameter::{
    Archive, Deletions, Limit, Metadata, NameBytes, PathBytes, Token, Word, query,
};
use crate::versions::PathVersion;

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
        /// the versions that changed what is at the path, newest first
        log: bool = "log",
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
    let log = schemas.subschema_for::<Page<PathVersion>>();
    any_of(&[entries, paths, schemas.subschema_for::<Stat>(), log, Schema::default()])
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
        /// with an archive that removes: how many of the files that are there may be deleted, or a
        /// share such as `20%`; half of ten or more if not said
        max_delete: Option<Deletions> = "max-delete",
        /// with an archive that removes: one without files may replace files
        allow_empty: bool = "allow-empty",
        /// with `archive=aeordb`: name the version that comes of it, in the same commit; needs the
        /// scope snapshot as well
        snapshot: Option<Word> = "snapshot",
        /// with `snapshot`: what else is to be said of it, an object of text in JSON
        metadata: Option<Metadata> = "metadata",
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

paged!(ReadQuery);
