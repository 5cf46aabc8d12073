//! What a call is: its method and path, who may make it, what it takes and what it replies.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::keys::Scope;
use crate::parameter::{Described, Query};

/// Any bytes.
pub const OCTETS: &str = "application/octet-stream";
/// The type of exports and patches.
pub const BACKUP: &str = "application/vnd.aeordb";
/// The type of tar archives.
pub const TAR: &str = "application/x-tar";
/// The header that says which version a reply shows or made.
pub const VERSION_HEADER: &str = "aeordb-version";

/// What is done to a resource.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    /// It is read; HEAD too.
    Get,
    /// It is put there.
    Put,
    /// Something is done with it.
    Post,
    /// It is removed.
    Delete,
}

impl Method {
    /// As it stands in a request.
    pub fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Put => "PUT",
            Method::Post => "POST",
            Method::Delete => "DELETE",
        }
    }
}

/// What a key needs for a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Needs {
    /// No key at all.
    Nothing,
    /// Any key that is valid.
    Key,
    /// A key with this scope.
    Scope(Scope),
    /// A key with one of these scopes.
    Either(Scope, Scope),
    /// A key with this scope that is not restricted to appending.
    Removal(Scope),
}

/// What a body or a reply consists of.
#[derive(Clone, Copy, Debug)]
pub enum Content {
    /// Nothing.
    None,
    /// JSON of this schema.
    Json(fn(&mut SchemaGenerator) -> Schema),
    /// Bytes of this type.
    Bytes(&'static str),
}

impl Content {
    /// JSON of this type.
    pub fn json<T: JsonSchema>() -> Self {
        Content::Json(|schemas| schemas.subschema_for::<T>())
    }
}

/// A reply of success.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// What it means.
    pub what: &'static str,
    /// What the reply consists of.
    pub content: Content,
}

/// A call.
pub trait Endpoint {
    /// What the query says.
    type Query: Query;
    /// The body, where it is JSON; else `()`.
    type Body;
    /// The reply, where it is JSON of one type; else `()`.
    type Reply;

    /// The method.
    const METHOD: Method;
    /// The path; what varies is in braces.
    const PATH: &'static str;
    /// What a key needs.
    const NEEDS: Needs;
    /// True if `If-Match` and `If-None-Match` are looked at; otherwise a change with them is
    /// refused.
    const CONDITIONAL: bool;
    /// What it does, in a line.
    const SUMMARY: &'static str;

    /// The bodies that it takes.
    fn bodies() -> Vec<Content>;
    /// The replies of success.
    fn answers() -> Vec<Answer>;
}

/// Where a call is made: `place` is what varies of the path, with nothing encoded.
pub fn url<E: Endpoint>(place: &[u8], query: &E::Query) -> String {
    let (path, varies) = E::PATH.split_once('{').map_or((E::PATH, false), |(path, _)| (path, true));
    let mut url = path.to_owned();
    if varies {
        url.push_str(&percent_encoded(place));
    }
    for (number, (name, value)) in query.write().into_iter().enumerate() {
        url.push(if number == 0 { '?' } else { '&' });
        url.push_str(name);
        url.push('=');
        url.push_str(&percent_encoded(&value));
    }
    url
}

/// What stands in a URL as it is: unreserved characters (RFC 3986, 2.3) and slashes.
const PLAIN: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Bytes as a part of a URL, slashes as they are.
pub fn percent_encoded(bytes: &[u8]) -> String {
    percent_encode(bytes, PLAIN).to_string()
}

/// A call as a value.
#[derive(Clone, Debug)]
pub struct Description {
    /// The method.
    pub method: Method,
    /// The path; what varies is in braces.
    pub path: &'static str,
    /// What a key needs.
    pub needs: Needs,
    /// True if `If-Match` and `If-None-Match` are looked at.
    pub conditional: bool,
    /// What it does, in a line.
    pub summary: &'static str,
    /// The parameters of the query.
    pub query: &'static [Described],
    /// The bodies that it takes.
    pub bodies: Vec<Content>,
    /// The replies of success.
    pub answers: Vec<Answer>,
}

impl Description {
    /// Of this call.
    pub fn of<E: Endpoint>() -> Self {
        Description {
            method: E::METHOD,
            path: E::PATH,
            needs: E::NEEDS,
            conditional: E::CONDITIONAL,
            summary: E::SUMMARY.trim_ascii_start(),
            query: E::Query::PARAMETERS,
            bodies: E::bodies(),
            answers: E::answers(),
        }
    }
}

/// A call: what it does, its method and path, what a key needs; then what it takes and replies.
macro_rules! endpoint {
    (
        $(#[doc = $summary:literal])+
        $name:ident: $method:ident $path:literal, $needs:expr $(, $conditional:ident)?;
        query $query:ty;
        send $body:ty;
        reply $reply:ty;
        $(body $content:expr;)*
        $(answer $status:literal $what:literal $answer:expr;)+
    ) => {
        $(#[doc = $summary])+
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl $crate::endpoint::Endpoint for $name {
            type Query = $query;
            type Body = $body;
            type Reply = $reply;

            const METHOD: $crate::endpoint::Method = $crate::endpoint::Method::$method;
            const PATH: &'static str = $path;
            const NEEDS: $crate::endpoint::Needs = $needs;
            const CONDITIONAL: bool = {
                let words: &[&str] = &[$(stringify!($conditional),)?];
                !words.is_empty()
            };
            const SUMMARY: &'static str = concat!($($summary,)+);

            fn bodies() -> Vec<$crate::endpoint::Content> {
                vec![$($content,)*]
            }

            fn answers() -> Vec<$crate::endpoint::Answer> {
                vec![$($crate::endpoint::Answer {
                    status: $status,
                    what: $what,
                    content: $answer,
                },)+]
            }
        }
    };
}

pub(crate) use endpoint;
