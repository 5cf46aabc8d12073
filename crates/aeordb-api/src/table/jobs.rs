//! Long work, and the policies of what stays.

use super::NoQuery;
use crate::Page;
use crate::endpoint::Needs::{Either, Removal, Scope as Having};
use crate::endpoint::{Content, endpoint};
use crate::jobs::{Collect, Forget, Job, Verify};
use crate::keys::Scope;
use crate::parameter::{Word, query};
use crate::retention::{Keep, Policies, Policy};
use crate::space::Measure;

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
    /// Drop versions from history, and names of versions; the next collection gives the bytes back
    StartForget: Post "/admin/forget", Removal(Scope::Admin);
    query NoQuery;
    send Forget;
    reply Job;
    body Content::json::<Forget>();
    answer 202 "The job that does it" Content::json::<Job>();
}

endpoint! {
    /// Measure what takes the space of the database
    StartSpace: Post "/admin/space", Having(Scope::Read);
    query NoQuery;
    send Measure;
    reply Job;
    body Content::json::<Measure>();
    answer 202 "The job that does it" Content::json::<Job>();
}

endpoint! {
    /// Remove the snapshots that rules do not keep: those of the body, or of the database
    StartKeep: Post "/admin/keep", Removal(Scope::Snapshot);
    query NoQuery;
    send Keep;
    reply Job;
    body Content::json::<Keep>();
    answer 202 "The job that does it" Content::json::<Job>();
}

endpoint! {
    /// List the rules of the database for its snapshots
    ListPolicies: Get "/admin/keep", Having(Scope::Read);
    query NoQuery;
    send ();
    reply Policies;
    answer 200 "The rules, by the pattern of names" Content::json::<Policies>();
}

endpoint! {
    /// Keep rules in the database, in the place of those for the same pattern of names
    PutPolicy: Put "/admin/keep", Removal(Scope::Snapshot);
    query NoQuery;
    send Policy;
    reply Policies;
    body Content::json::<Policy>();
    answer 200 "All rules" Content::json::<Policies>();
}

query! {
    /// Which rules.
    PolicyQuery {
        /// those for this pattern of names
        name: Option<Word> = "name",
    }
}

endpoint! {
    /// Remove rules from the database
    RemovePolicy: Delete "/admin/keep", Removal(Scope::Snapshot);
    query PolicyQuery;
    send ();
    reply Policies;
    answer 200 "All other rules" Content::json::<Policies>();
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
