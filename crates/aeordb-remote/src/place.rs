//! What a person types for a place elsewhere.

use std::ffi::OsStr;
use std::net::IpAddr;
use std::path::PathBuf;

use aeordb::{Error, Result};
use url::{Host, Url};

/// Who keeps the bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keeper {
    /// S3, or what speaks like it.
    S3,
    /// Google Cloud Storage.
    Google,
    /// Azure Blob Storage.
    Azure,
    /// A web server.
    Web,
}

/// An object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// Who keeps it.
    pub keeper: Keeper,
    /// The bucket or container; of a web server scheme, host and port.
    pub bucket: String,
    /// The name in the bucket, without a slash before it.
    pub key: String,
    /// The server, where the URL names one of S3's kind.
    pub endpoint: Option<String>,
    /// The whole as it is shown.
    pub shown: String,
}

/// What an argument names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Named {
    /// A file of this machine: a path, or `file://`.
    File(PathBuf),
    /// An object elsewhere.
    Object(Place),
}

const SCHEMES: [&str; 6] = ["s3", "gs", "az", "https", "http", "file"];

/// True if this is a URL of a kind that is known, well formed or not.
pub fn is_url(argument: &OsStr) -> bool {
    let text = argument.to_string_lossy();
    let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    scheme.is_some_and(|scheme| SCHEMES.contains(&scheme.as_str())) || with_host(&text).is_some()
}

/// What stands behind `s3:` where it names a server first, as in `s3:https://host/bucket/key` and
/// `s3:host/bucket/key`.
fn with_host(text: &str) -> Option<(String, &str)> {
    let rest = text.strip_prefix("s3:").filter(|rest| !rest.starts_with("//"))?;
    let (scheme, rest) = match rest.split_once("://") {
        Some((scheme @ ("http" | "https"), rest)) => (scheme, rest),
        Some(_) => return None,
        None => ("https", rest),
    };
    let (host, path) = rest.split_once('/')?;
    // `s3:name/…` may be a file of this machine; a server has a dot or a port.
    (host.contains(['.', ':']) && path.contains('/')).then(|| (format!("{scheme}://{host}"), path))
}

/// Reads an argument. What is no URL is a path.
pub fn parse(argument: &OsStr) -> Result<Named> {
    if !is_url(argument) {
        return Ok(Named::File(argument.into()));
    }
    let text = argument.to_str().ok_or_else(|| {
        Error::invalid(format!("{} is no URL: it is not UTF-8", argument.to_string_lossy()))
    })?;
    if let Some((server, path)) = with_host(text) {
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        check_server(&server)?;
        let shown = format!("s3:{server}/{bucket}/{key}");
        return object(Keeper::S3, bucket, key, Some(server), shown);
    }
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    match scheme.to_ascii_lowercase().as_str() {
        "file" => file(text),
        "s3" => in_bucket(Keeper::S3, "s3", rest),
        "gs" => in_bucket(Keeper::Google, "gs", rest),
        "az" => in_bucket(Keeper::Azure, "az", rest),
        _ => web(text),
    }
}

/// `file://` and a path, with nothing or this machine between.
fn file(text: &str) -> Result<Named> {
    let path = Url::parse(text).ok().and_then(|url| url.to_file_path().ok());
    path.map(Named::File).ok_or_else(|| {
        Error::invalid("a file of this machine is file:///PATH, with three slashes".to_owned())
    })
}

fn in_bucket(keeper: Keeper, scheme: &str, rest: &str) -> Result<Named> {
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    object(keeper, bucket, key, None, format!("{scheme}://{bucket}/{key}"))
}

fn object(
    keeper: Keeper,
    bucket: &str,
    key: &str,
    endpoint: Option<String>,
    shown: String,
) -> Result<Named> {
    if bucket.contains(['@', ':', '?', '#', '%']) || bucket.is_empty() {
        // The text may hold a secret: it is not repeated.
        return Err(Error::invalid(
            "a bucket's name stands between :// and the next slash, and no key or password does: \
             those are in the environment",
        ));
    }
    if key.is_empty() || key.ends_with('/') {
        return Err(Error::invalid(format!("{shown} names no object: a key is missing behind it")));
    }
    let odd = |part: &str| part.is_empty() || part == "." || part == "..";
    if key.split('/').any(odd) || key.chars().any(char::is_control) {
        return Err(Error::invalid(format!(
            "{shown}: a key has no empty parts, no . or .. and no control characters here"
        )));
    }
    let (bucket, key) = (bucket.into(), key.into());
    Ok(Named::Object(Place { keeper, bucket, key, endpoint, shown }))
}

fn web(text: &str) -> Result<Named> {
    let url = Url::parse(text)
        .map_err(|error| Error::invalid(format!("this URL cannot be read: {error}")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::invalid("a URL with a name or a password in it is not taken"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Error::invalid("a URL with ? or # in it is not taken: name the file alone"));
    }
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let server = format!("{}://{host}{port}", url.scheme());
    check_server(&server)?;
    let key = url.path().trim_start_matches('/');
    if key.is_empty() || key.ends_with('/') {
        return Err(Error::invalid(format!("{url} names no file")));
    }
    let key = key.to_owned();
    let shown = url.to_string();
    Ok(Named::Object(Place { keeper: Keeper::Web, bucket: server, key, endpoint: None, shown }))
}

/// Bytes and signatures go in plain text to this machine alone, unless the environment says that the
/// network is trusted.
pub fn check_server(server: &str) -> Result<()> {
    let Ok(url) = Url::parse(server) else {
        return Err(Error::invalid("the server's URL cannot be read"));
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::invalid("a URL with a name or a password in it is not taken"));
    }
    let is_own = match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    let trusted = || std::env::var("AWS_ALLOW_HTTP").is_ok_and(|value| value == "true");
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_own || trusted() => Ok(()),
        _ => Err(Error::invalid(
            "http:// sends everything in plain text: use https://, or set AWS_ALLOW_HTTP=true on \
             a network that is trusted",
        )),
    }
}

#[cfg(test)]
mod tests;
