//! The calls, each once.

mod backups;
mod files;
mod jobs;
mod versions;

use serde_json::Value;

use crate::Page;
use crate::endpoint::Needs::{Key as AnyKey, Nothing, Removal};
use crate::endpoint::{Content, Description, endpoint};
use crate::keys::{CreatedKey, Key, NewKey, Scope};
use crate::parameter::{Limit, Token, query};
use crate::server::{Health, Ready};

pub use backups::*;
pub use files::*;
pub use jobs::*;
pub use versions::*;

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
        Description::of::<ReadSnapshot>(),
        Description::of::<ChangeSnapshot>(),
        Description::of::<DeleteSnapshot>(),
        Description::of::<ListHistory>(),
        Description::of::<ListChanges>(),
        Description::of::<StartVerify>(),
        Description::of::<StartCollect>(),
        Description::of::<StartForget>(),
        Description::of::<StartKeep>(),
        Description::of::<StartSpace>(),
        Description::of::<ListPolicies>(),
        Description::of::<PutPolicy>(),
        Description::of::<RemovePolicy>(),
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
        $(impl $crate::parameter::Paged for $query {
            fn go_to(&mut self, cursor: String) {
                self.cursor = Some($crate::parameter::Token(cursor));
            }
        })+
    };
}

use paged;

paged!(PageQuery);

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
