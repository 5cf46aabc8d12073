//! The content type of a file that was stored without one: by its name, else by its first bytes.

use aeordb::object::{FileRecord, Path};
use axum::http::HeaderValue;

/// Types by the end of the name.
const BY_NAME: [(&str, &str); 36] = [
    ("aeordb", "application/vnd.aeordb"),
    ("avif", "image/avif"),
    ("bz2", "application/x-bzip2"),
    ("c", "text/x-c; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("csv", "text/csv; charset=utf-8"),
    ("gif", "image/gif"),
    ("gz", "application/gzip"),
    ("h", "text/x-c; charset=utf-8"),
    ("htm", "text/html; charset=utf-8"),
    ("html", "text/html; charset=utf-8"),
    ("ico", "image/vnd.microsoft.icon"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("js", "text/javascript; charset=utf-8"),
    ("json", "application/json"),
    ("md", "text/markdown; charset=utf-8"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("parquet", "application/vnd.apache.parquet"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("rs", "text/x-rust; charset=utf-8"),
    ("svg", "image/svg+xml"),
    ("tar", "application/x-tar"),
    ("toml", "application/toml"),
    ("txt", "text/plain; charset=utf-8"),
    ("wasm", "application/wasm"),
    ("wav", "audio/wav"),
    ("webm", "video/webm"),
    ("webp", "image/webp"),
    ("xml", "application/xml"),
    ("yaml", "application/yaml"),
    ("zip", "application/zip"),
    ("zst", "application/zstd"),
];

/// Types by the first bytes.
const BY_START: [(&[u8], &str); 9] = [
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"aeordb\x8a\n", "application/vnd.aeordb"),
    (b"SQLite format 3\0", "application/vnd.sqlite3"),
];

/// Bytes of the start that are looked at.
const START_LEN: usize = 512;

/// The type that is recorded, or that `path` and the file's first bytes suggest.
pub fn content_type(record: &FileRecord, path: &Path, start: &[u8]) -> HeaderValue {
    let kept = record.content_type.as_deref().and_then(|kept| HeaderValue::from_str(kept).ok());
    kept.unwrap_or_else(|| HeaderValue::from_static(guess(path, start)))
}

fn guess(path: &Path, start: &[u8]) -> &'static str {
    let name = String::from_utf8_lossy(path.name().unwrap_or_default()).to_ascii_lowercase();
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    if let Some((_, kind)) = BY_NAME.iter().find(|(known, _)| *known == ending) {
        return kind;
    }
    if let Some((_, kind)) = BY_START.iter().find(|(magic, _)| start.starts_with(magic)) {
        return kind;
    }
    let start = start.get(..START_LEN).unwrap_or(start);
    // A character may be cut at the end.
    let text = match std::str::from_utf8(start) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none() && start.len() == START_LEN,
    };
    match text && !start.is_empty() && !start.contains(&0) {
        true => "text/plain; charset=utf-8",
        false => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_before_bytes_and_bytes_before_nothing() {
        let guess = |path: &str, start: &[u8]| guess(&path.parse().unwrap(), start);
        assert_eq!(guess("/a/page.HTML", b"GIF8"), "text/html; charset=utf-8");
        assert_eq!(guess("/a/page", b"GIF89a"), "image/gif");
        assert_eq!(guess("/a", "grüße".as_bytes()), "text/plain; charset=utf-8");
        let mut long = vec![b'a'; START_LEN - 1];
        long.extend("ü".as_bytes());
        assert_eq!(guess("/a", &long), "text/plain; charset=utf-8");
        assert_eq!(guess("/a", b"\xff\xfe"), "application/octet-stream");
        assert_eq!(guess("/a", b""), "application/octet-stream");
    }
}
