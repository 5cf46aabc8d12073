//! A request as handlers see it: who asks, for what, with which body.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use aeordb::db::Reader;
use aeordb::hash::VersionId;
use aeordb::object::Path;
use aeordb_api::parameter::{Described, Token};
use axum::body::Body;
use axum::http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, EXPECT, HOST, IF_MATCH, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, IF_UNMODIFIED_SINCE, TRANSFER_ENCODING,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version};
use axum::response::Response;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::app::App;
use crate::body::{Held, Incoming};
use crate::digest::Digests;
use crate::keys::Rights;
use crate::problem::Problem;
use crate::service::conditions::{Conditions, Tags};
use crate::service::upload::Announced;
use crate::service::{Asker, Place};

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// Who asks for what.
#[derive(Debug)]
pub struct Caller {
    /// The public id of the key; empty where none is needed.
    pub key: String,
    /// The path that the key is for, if it opens nothing else.
    pub within: Option<aeordb::object::Path>,
    /// When the key expires.
    pub expires_at: Option<i64>,
    /// Where the request comes from.
    pub client: Option<IpAddr>,
    /// The method.
    pub method: Method,
    /// The path, as it was sent.
    pub path: String,
}

impl Caller {
    /// As the log shows it.
    pub fn members(&self) -> [(&'static str, Value); 4] {
        let client = self.client.map(|client| client.to_canonical().to_string());
        let key = Some(self.key.as_str()).filter(|key| !key.is_empty());
        [
            ("client", client.into()),
            ("method", self.method.as_str().into()),
            ("path", self.path.as_str().into()),
            ("key", key.into()),
        ]
    }
}

/// A request whose key was checked.
pub struct Request {
    /// What all requests share.
    pub app: Arc<App>,
    /// Who asks for what.
    pub caller: Arc<Caller>,
    /// What the key may do.
    pub rights: Rights,
    /// The method.
    pub method: Method,
    /// The headers.
    pub headers: HeaderMap,
    uri: Uri,
    /// The pattern of the route, up to what varies.
    prefix: &'static str,
    /// With the digests that it was sent with. Locked by nobody: it lets a request be shared
    /// between threads, which a body alone cannot.
    body: Mutex<(Body, Digests)>,
    /// What of the body is in memory, as long as the request is.
    held: Held,
}

impl Request {
    /// A request of the route at `pattern`.
    pub fn new(
        app: Arc<App>,
        caller: Arc<Caller>,
        rights: Rights,
        request: axum::extract::Request,
        pattern: &'static str,
    ) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let prefix = pattern.split('{').next().unwrap_or(pattern);
        let (method, headers, uri) = (parts.method, parts.headers, parts.uri);
        let digests = match method.is_safe() {
            true => Digests::default(),
            false => Digests::read(&headers)?,
        };
        let body = Mutex::new((body, digests));
        let held = Arc::default();
        Ok(Request { app, caller, rights, method, headers, uri, prefix, body, held })
    }

    /// What of the path varies, as bytes.
    pub fn tail(&self) -> Result<Cow<'_, [u8]>, Problem> {
        let tail = self.uri.path().strip_prefix(self.prefix).unwrap_or_default();
        percent_decoded(tail, false)
    }

    /// What of the path varies, as a name.
    pub fn name(&self) -> Result<String, Problem> {
        match String::from_utf8(self.tail()?.into_owned()) {
            Ok(name) if !name.is_empty() => Ok(name),
            _ => Err(Problem::invalid("expected a name in UTF-8")),
        }
    }

    /// What of the path varies, as a path of the database; true if it names a directory by its
    /// slash. Empty segments, `.` and `..` are refused.
    pub fn path(&self) -> Result<(Path, bool), Problem> {
        let tail = self.tail()?;
        if tail.is_empty() {
            return Ok((Path::root(), true));
        }
        // The parser takes one slash at the start as the root's.
        if tail.starts_with(b"/") {
            return Err(Problem::invalid("the path has an empty segment"));
        }
        Ok(Path::parse_with_slash(&tail)?)
    }

    /// What is read: the database as of the last commit, or with the overlay `with` on it.
    pub fn reader(&self, with: Option<&Token>) -> Result<Arc<Reader>, Problem> {
        self.app.service.reader_with(with.map(|with| with.0.as_str()))
    }

    /// Who asks.
    pub fn asker(&self) -> Asker {
        Asker { key: self.caller.key.clone(), rights: self.rights }
    }

    /// The place that the path names.
    pub fn place(&self) -> Result<Place, Problem> {
        let (path, slash) = self.path()?;
        Ok(Place { path, slash })
    }

    /// What is said of the body before it comes.
    pub fn announced(&self) -> Announced {
        Announced { len: self.body_len(), waits: self.headers.contains_key(EXPECT) }
    }

    /// What `If-Match` and `If-None-Match` demand.
    pub fn conditions(&self) -> Conditions {
        let tags = |name| tags(&self.headers, &name);
        Conditions { wanted: tags(IF_MATCH), unwanted: tags(IF_NONE_MATCH) }
    }

    /// The body.
    pub fn incoming(&mut self) -> Incoming {
        let body = self.body.get_mut().unwrap_or_else(PoisonError::into_inner);
        let (body, digests) = std::mem::take(body);
        Incoming::new(&self.app.intake, &self.caller.key, &self.held, body, digests)
    }

    /// How many bytes the body has, if the sender says so before it.
    fn body_len(&self) -> Option<u64> {
        match self.header(CONTENT_LENGTH) {
            Some(text) => text.parse().ok(),
            None => (!self.headers.contains_key(TRANSFER_ENCODING)).then_some(0),
        }
    }

    /// The text of a header, if it is text.
    pub fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// HEAD's version as `If-Match` expects it. What cannot be meant so is an error, never as if
    /// nothing were expected.
    pub fn expected_head(&self) -> Result<Option<VersionId>, Problem> {
        let bad = || Problem::invalid("expected one version's hash, in quotes, in If-Match");
        if self.headers.contains_key(IF_NONE_MATCH) {
            let detail = "If-None-Match says nothing here; If-Match says what HEAD must still be";
            return Err(Problem::invalid(detail));
        }
        let mut tags = self.headers.get_all(IF_MATCH).iter();
        let Some(tag) = tags.next() else { return Ok(None) };
        let tag = tag.to_str().map_err(|_| bad())?;
        if tags.next().is_some() {
            return Err(bad());
        }
        if tag == "*" {
            return Ok(None);
        }
        let hash = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).unwrap_or(tag);
        hash.parse().map(Some).map_err(|_| bad())
    }
}

/// The tags that a header names; `None` if it is not there. `If-None-Match` does not mind that a tag is
/// called weak, as a proxy that compresses calls it.
pub fn tags(headers: &HeaderMap, name: &HeaderName) -> Option<Tags> {
    let mut tags = headers.contains_key(name).then(Tags::default)?;
    let weakly = name == IF_NONE_MATCH;
    for value in headers.get_all(name).iter().filter_map(|value| value.to_str().ok()) {
        for tag in value.split(',').map(str::trim) {
            let strong = tag.strip_prefix("W/").filter(|_| weakly).unwrap_or(tag);
            let inner = strong.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
            tags.any |= tag == "*";
            tags.tags.extend(inner.map(str::to_owned));
        }
    }
    Some(tags)
}

/// Refuses what another server before this one, or hyper, may read in another way than we do.
pub fn check_framing(request: &axum::extract::Request) -> Result<(), Problem> {
    let headers = request.headers();
    let hosts = headers.get_all(HOST).iter().count();
    if hosts > 1 || (hosts == 0 && request.version() == Version::HTTP_11) {
        return Err(Problem::invalid(format!("expected one Host, found {hosts}")));
    }
    // hyper undoes the chunks and nothing else: what is coded further would be stored so.
    let chunked = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"chunked");
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    if codings.next().is_some_and(|coding| !chunked(coding)) || codings.next().is_some() {
        return Err(Problem::invalid("the only Transfer-Encoding that is known here is chunked"));
    }
    Ok(())
}

/// Refuses a body that is coded, which would be stored so and given out as if it were not.
pub fn check_coding(headers: &HeaderMap) -> Result<(), Problem> {
    let plain = |value: &HeaderValue| {
        let text = value.to_str().unwrap_or("?");
        text.split(',')
            .all(|coding| matches!(coding.trim().to_ascii_lowercase().as_str(), "" | "identity"))
    };
    if headers.get_all(CONTENT_ENCODING).iter().all(plain) {
        return Ok(());
    }
    Err(Problem::unsupported("a body with a Content-Encoding is not taken: send it as it is"))
}

/// Refuses what changes a resource under conditions that would not be looked at: they must not
/// look as if they held. `conditional` is true where tags are.
pub fn check_conditions(headers: &HeaderMap, conditional: bool) -> Result<(), Problem> {
    let unknown: &[HeaderName] = match conditional {
        true => &[CONTENT_RANGE, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE],
        false => &[CONTENT_RANGE, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE, IF_MATCH, IF_NONE_MATCH],
    };
    match unknown.iter().find(|name| headers.contains_key(*name)) {
        Some(name) => Err(Problem::invalid(format!("this call does not know the header {name}"))),
        None => Ok(()),
    }
}

/// A handler's future.
pub type Future =
    std::pin::Pin<Box<dyn std::future::Future<Output = Result<Response, Problem>> + Send>>;

/// The parameters of a query, with nothing encoded any more.
pub type Pairs = [(String, Vec<u8>)];

/// Takes a query apart; each parameter must be one of `known`, and there once.
pub fn parse_query(query: &str, known: &[Described]) -> Result<Vec<(String, Vec<u8>)>, Problem> {
    let mut parsed: Vec<(String, Vec<u8>)> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let key = String::from_utf8_lossy(&percent_decoded(key, true)?).into_owned();
        let value = percent_decoded(value, true)?.into_owned();
        if !known.iter().any(|parameter| parameter.name == key) {
            let names: Vec<&str> = known.iter().map(|parameter| parameter.name).collect();
            let detail = format!("the parameter '{key}' is none of: {}", names.join(", "));
            return Err(Problem::invalid(detail));
        }
        if parsed.iter().any(|(other, _)| *other == key) {
            return Err(Problem::invalid(format!("the parameter '{key}' is there twice")));
        }
        parsed.push((key, value));
    }
    Ok(parsed)
}

/// Bytes of a part of a URL. In a query a plus is a space.
pub fn percent_decoded(text: &str, plus: bool) -> Result<Cow<'_, [u8]>, Problem> {
    // What is no encoding is refused, not taken as it is.
    let is_digits = |after: &str| after.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    if !text.split('%').skip(1).all(is_digits) {
        return Err(Problem::invalid("expected two hexadecimal digits after %"));
    }
    Ok(match plus && text.contains('+') {
        true => percent_decode_str(&text.replace('+', " ")).collect::<Vec<u8>>().into(),
        false => percent_decode_str(text).into(),
    })
}

#[cfg(test)]
mod tests {
    use aeordb_api::endpoint::percent_encoded;
    use aeordb_api::parameter::Query;
    use aeordb_api::table::DeleteQuery;

    use super::*;

    #[test]
    fn what_is_percent_encoded_is_decoded_to_the_same_bytes() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(percent_decoded(&percent_encoded(&all), true).unwrap(), all);
        assert!(percent_decoded("%4", false).is_err());
        assert!(percent_decoded("%+4", false).is_err());
        assert!(percent_decoded("%4%31", false).is_err());
        assert_eq!(percent_decoded("a+%2B%c3%BC", true).unwrap(), "a +ü".as_bytes());
        assert_eq!(percent_decoded("a+%2B%c3%BC", false).unwrap(), "a++ü".as_bytes());
    }

    #[test]
    fn a_parameter_that_nobody_knows_or_that_is_there_twice_is_refused() {
        let known = &DeleteQuery::PARAMETERS[..1];
        assert_eq!(
            parse_query("recursive=b%20c+d", known).unwrap(),
            [("recursive".into(), "b c d".into())]
        );
        assert!(parse_query("b=1", known).is_err());
        assert!(parse_query("recursive=1&recursive=2", known).is_err());
    }
}
