//! Backups, imports and overlays.

use super::{NoQuery, PageQuery};
use crate::Page;
use crate::backups::{
    Backup, Export, Import, Info, NewExport, NewImport, NewPatch, OnConflict, Patch,
};
use crate::endpoint::Needs::{Removal, Scope as Having};
use crate::endpoint::{BACKUP, Content, endpoint};
use crate::keys::Scope;
use crate::parameter::{BackupName, PathBytes, Token, Word, query};
use crate::server::Overlay;

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
