//! Versions: which is HEAD, their names, what changed.

use super::{NoQuery, PageQuery, paged};
use crate::Page;
use crate::endpoint::Needs::{Removal, Scope as Having};
use crate::endpoint::{Content, endpoint};
use crate::keys::Scope;
use crate::parameter::{Limit, PathBytes, Token, Word, query};
use crate::versions::{
    Changes, EditSnapshot, HistoryEntry, NewSnapshot, Promote, Promotion, Snapshot,
};

endpoint! {
    /// Make a version HEAD; If-Match says what HEAD must still be
    PromoteVersion: Post "/admin/promote", Removal(Scope::Promote), conditional;
    query NoQuery;
    send Promote;
    reply Promotion;
    body Content::json::<Promote>();
    answer 200 "HEAD now and before" Content::json::<Promotion>();
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
    /// Look at one snapshot
    ReadSnapshot: Get "/admin/snapshots/{*name}", Having(Scope::Read);
    query NoQuery;
    send ();
    reply Snapshot;
    answer 200 "The snapshot" Content::json::<Snapshot>();
}

endpoint! {
    /// Rename a snapshot, change its metadata, hold or release it
    ChangeSnapshot: Post "/admin/snapshots/{*name}", Removal(Scope::Snapshot);
    query NoQuery;
    send EditSnapshot;
    reply Snapshot;
    body Content::json::<EditSnapshot>();
    answer 200 "The snapshot as it is now" Content::json::<Snapshot>();
}

endpoint! {
    /// Take a name away
    DeleteSnapshot: Delete "/admin/snapshots/{*name}", Removal(Scope::Snapshot);
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

paged!(ChangesQuery);
