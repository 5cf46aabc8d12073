//! Conditions and ranges: what of a representation an answer holds.

use std::ops::Range;

use axum::body::Body;
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, ETAG, IF_MATCH, IF_NONE_MATCH, IF_RANGE, RANGE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::Response;

use crate::problem::{Answer, Problem};
use crate::request::Request;

/// Bytes that can be fetched in parts.
pub struct Representation<'a> {
    /// How many.
    pub size: u64,
    /// Their strong tag.
    pub etag: Option<&'a HeaderValue>,
}

/// Answers with the part that was asked for, if the conditions hold. `body` gives the bytes of a
/// range.
pub fn respond(
    request: &Request,
    representation: &Representation<'_>,
    body: impl FnOnce(Range<u64>) -> Body,
) -> Answer {
    let Representation { size, etag } = *representation;
    let headers = &request.headers;
    if headers.contains_key(IF_MATCH) && !matches(headers, IF_MATCH, etag) {
        return Err(Problem::precondition_failed("the tag is none of If-Match"));
    }
    if headers.contains_key(IF_NONE_MATCH) && matches(headers, IF_NONE_MATCH, etag) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        describe(response.headers_mut(), etag);
        return Ok(response);
    }
    let wanted = headers.get(RANGE).filter(|_| {
        // Of another representation than the client has, all is sent.
        headers.get(IF_RANGE).is_none_or(|tag| Some(tag) == etag)
    });
    let range = match wanted.and_then(|range| parse_range(range, size)) {
        Some(Err(())) => return Err(Problem::range(size)),
        Some(Ok(range)) => Some(range),
        None => None,
    };
    let whole = 0..size;
    let sent = range.clone().unwrap_or(whole);
    let len = sent.end - sent.start;
    let body = if request.method == Method::HEAD { Body::empty() } else { body(sent.clone()) };
    let mut response = Response::new(body);
    describe(response.headers_mut(), etag);
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(len));
    if range.is_some() {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let shown = format!("bytes {}-{}/{size}", sent.start, sent.end - 1);
        if let Ok(shown) = HeaderValue::from_str(&shown) {
            response.headers_mut().insert(CONTENT_RANGE, shown);
        }
    }
    Ok(response)
}

fn describe(headers: &mut HeaderMap, etag: Option<&HeaderValue>) {
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(etag) = etag {
        headers.insert(ETAG, etag.clone());
    }
}

/// True if a header holds `*` or the tag.
pub fn matches(headers: &HeaderMap, name: HeaderName, etag: Option<&HeaderValue>) -> bool {
    let etag = etag.and_then(|etag| etag.to_str().ok());
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        let mut tags = value.split(',').map(str::trim);
        tags.any(|tag| (tag == "*" && etag.is_some()) || Some(tag) == etag)
    })
}

/// One range of bytes; `Err` if it starts beyond the end. Several, or what is none, is ignored,
/// as is allowed.
fn parse_range(value: &HeaderValue, size: u64) -> Option<Result<Range<u64>, ()>> {
    let (start, end) = value.to_str().ok()?.strip_prefix("bytes=")?.split_once('-')?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(start) || !digits(end) {
        return None;
    }
    let (start, end) = match (start, end) {
        ("", "") => return None,
        ("", last) => (size.saturating_sub(last.parse().unwrap_or(u64::MAX)), size),
        (start, "") => (start.parse().unwrap_or(u64::MAX), size),
        (start, end) => {
            let (start, end) = (start.parse().ok()?, end.parse().unwrap_or(u64::MAX));
            if start > end {
                return None;
            }
            (start, end.saturating_add(1).min(size))
        }
    };
    Some(if start < end { Ok(start..end) } else { Err(()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_at_the_end_and_refused_beyond_it() {
        let parse = |text: &str, size| parse_range(&text.parse().unwrap(), size);
        assert_eq!(parse("bytes=0-0", 10), Some(Ok(0..1)));
        assert_eq!(parse("bytes=3-", 10), Some(Ok(3..10)));
        assert_eq!(parse("bytes=-3", 10), Some(Ok(7..10)));
        assert_eq!(parse("bytes=-30", 10), Some(Ok(0..10)));
        assert_eq!(parse("bytes=8-99999999999999999999", 10), Some(Ok(8..10)));
        assert_eq!(parse("bytes=10-", 10), Some(Err(())));
        assert_eq!(parse("bytes=-0", 10), Some(Err(())));
        assert_eq!(parse("bytes=0-", 0), Some(Err(())));
        for ignored in
            ["bytes=", "bytes=-", "bytes=2-1", "bytes=0-1,3-4", "items=0-1", "bytes=+1-2"]
        {
            assert_eq!(parse(ignored, 10), None, "{ignored}");
        }
    }
}
