//! Conditions and ranges: what of a representation an answer holds.

use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aeordb::clock::Clock;
use axum::body::Body;
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG, IF_MATCH, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::Response;

use crate::problem::{Answer, Problem};
use crate::request::{Request, tags};

/// Nanoseconds that the date of an answer may be behind.
const DATE_AGE_MAX: i64 = 5_000_000_000;

/// Bytes that can be fetched in parts.
pub struct Representation<'a> {
    /// How many.
    pub size: u64,
    /// Their strong tag.
    pub etag: Option<&'a HeaderValue>,
    /// When they were last modified, as [`http_date`] writes it.
    pub modified: Option<&'a HeaderValue>,
    /// The same in nanoseconds since 1970.
    pub mtime: Option<i64>,
}

/// Answers with the part that was asked for, if the conditions hold. `body` gives the bytes of a
/// range.
pub fn respond(
    request: &Request,
    representation: &Representation<'_>,
    body: impl FnOnce(Range<u64>) -> Body,
) -> Answer {
    let Representation { size, etag, .. } = *representation;
    let headers = &request.headers;
    if is_known(headers, representation)? {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        representation.describe(response.headers_mut());
        return Ok(response);
    }
    let is_head = request.method == Method::HEAD;
    // Ranges are of GET alone, and of another representation than the client has, all is sent.
    let wanted = headers
        .get(RANGE)
        .filter(|_| !is_head && headers.get(IF_RANGE).is_none_or(|tag| Some(tag) == etag));
    let range = match wanted.and_then(|range| parse_range(range, size)) {
        Some(Err(())) => return Err(Problem::range(size)),
        Some(Ok(range)) => Some(range),
        None => None,
    };
    let whole = 0..size;
    let sent = range.clone().unwrap_or(whole);
    let len = sent.end - sent.start;
    let mut response = Response::new(if is_head { Body::empty() } else { body(sent.clone()) });
    representation.describe(response.headers_mut());
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

/// True if the client has what it asks for; an error if it wants another. Dates count where no
/// tag is sent (RFC 9110, 13.2.2). What was modified earlier than the client's is not the client's
/// either: a version may be that of yesterday again.
fn is_known(
    headers: &HeaderMap,
    representation: &Representation<'_>,
) -> std::result::Result<bool, Problem> {
    let Representation { etag, modified, .. } = *representation;
    // What is no date says nothing. Few ask, so nothing is read before that.
    let since = |name| {
        let date = headers.get(name).and_then(parse_date)?;
        Some((modified.and_then(parse_date)?, date))
    };
    if headers.contains_key(IF_MATCH) {
        if !matches(headers, &IF_MATCH, etag) {
            return Err(Problem::precondition_failed("the tag is none of If-Match"));
        }
    } else if since(IF_UNMODIFIED_SINCE).is_some_and(|(modified, date)| modified > date) {
        return Err(Problem::precondition_failed("it was modified after If-Unmodified-Since"));
    }
    if headers.contains_key(IF_NONE_MATCH) {
        return Ok(matches(headers, &IF_NONE_MATCH, etag));
    }
    Ok(since(IF_MODIFIED_SINCE).is_some_and(|(modified, date)| modified == date))
}

/// True if `If-None-Match` names the tag.
pub fn is_tag_known(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    headers.contains_key(IF_NONE_MATCH) && matches(headers, &IF_NONE_MATCH, Some(etag))
}

impl Representation<'_> {
    fn describe(&self, headers: &mut HeaderMap) {
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        let now = Clock::system().now();
        let modified = match self.mtime {
            // No answer was modified after it was given. Only where that is near, the date must be
            // ours instead of the connection's, which is as old as its last answer.
            Some(mtime) if mtime > now.saturating_sub(DATE_AGE_MAX) => {
                let date = http_date(now);
                if let Some(date) = &date {
                    headers.insert(DATE, date.clone());
                }
                http_date(mtime.min(now)).or(date)
            }
            _ => self.modified.cloned(),
        };
        for (name, value) in [(ETAG, self.etag.cloned()), (LAST_MODIFIED, modified)] {
            if let Some(value) = value {
                headers.insert(name, value);
            }
        }
    }
}

/// True if a header holds `*` or the tag.
fn matches(headers: &HeaderMap, name: &HeaderName, etag: Option<&HeaderValue>) -> bool {
    let tag = etag.and_then(|etag| etag.to_str().ok()).map(|tag| tag.trim_matches('"'));
    tag.is_some_and(|tag| tags(headers, name).is_some_and(|tags| tags.has(tag)))
}

/// A time as HTTP writes it; `None` before 1970, of which few clients know a date.
pub fn http_date(nanoseconds: i64) -> Option<HeaderValue> {
    let since_1970 = Duration::from_nanos(u64::try_from(nanoseconds).ok()?);
    HeaderValue::from_str(&httpdate::fmt_http_date(UNIX_EPOCH + since_1970)).ok()
}

/// A date in one of the three forms that HTTP ever had.
fn parse_date(value: &HeaderValue) -> Option<SystemTime> {
    httpdate::parse_http_date(value.to_str().ok()?).ok()
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

    #[test]
    fn a_date_is_read_in_every_form_that_http_had() {
        let date = |text: &str| parse_date(&text.parse().unwrap());
        let same = http_date(784_111_777_999_999_999).unwrap();
        let expected = parse_date(&same);
        assert_eq!(same, "Sun, 06 Nov 1994 08:49:37 GMT");
        assert!(expected.is_some());
        assert_eq!(date("Sunday, 06-Nov-94 08:49:37 GMT"), expected);
        assert_eq!(date("Sun Nov  6 08:49:37 1994"), expected);
        assert_eq!(date("yesterday"), None);
        assert_eq!(http_date(0).unwrap(), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(http_date(i64::MAX).unwrap(), "Fri, 11 Apr 2262 23:47:16 GMT");
        assert_eq!(http_date(-1), None);
    }
}
