//! The one way to any keeper: a client, the runtime it runs on, and what its errors mean here.

use std::fmt::Write as _;
use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aeordb::error::Context;
use aeordb::{Error, Result};
use async_trait::async_trait;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
};
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::http::HttpBuilder;
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, HeaderValue, ObjectStore, RetryConfig};
use tokio::runtime::Runtime;

use crate::credentials;
use crate::place::{Keeper, Place, check_server};

/// Whoever does not answer for so long has hung up.
const SILENCE: Duration = Duration::from_secs(60);
/// Threads that carry bytes; hashing and compressing have threads of their own.
const CARRIERS: usize = 2;

static REQUESTS: AtomicU64 = AtomicU64::new(0);

/// Requests that this process has sent so far, repetitions counted.
pub fn requests() -> u64 {
    REQUESTS.load(Ordering::Relaxed)
}

/// An object, and the client that reaches it.
#[derive(Clone)]
pub struct Object {
    pub store: Arc<dyn ObjectStore>,
    /// The name in the store.
    pub path: Path,
    /// The name in errors.
    pub shown: String,
}

impl Object {
    /// Finds the client for a place, which asks nobody yet.
    pub fn at(place: &Place) -> Result<Object> {
        // Another crate of the process may have chosen already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let built: Result<Arc<dyn ObjectStore>> = match place.keeper {
            Keeper::S3 => s3(place).map(|store| Arc::new(store) as Arc<dyn ObjectStore>),
            Keeper::Google => GoogleCloudStorageBuilder::from_env()
                .with_bucket_name(&place.bucket)
                .with_retry(retries())
                .with_client_options(client(false))
                .with_http_connector(Connector)
                .build()
                .map(|store| Arc::new(store) as Arc<dyn ObjectStore>)
                .map_err(|error| unbuilt(place, &error)),
            Keeper::Azure => MicrosoftAzureBuilder::from_env()
                .with_container_name(&place.bucket)
                .with_retry(retries())
                .with_client_options(client(false))
                .with_http_connector(Connector)
                .build()
                .map(|store| Arc::new(store) as Arc<dyn ObjectStore>)
                .map_err(|error| unbuilt(place, &error)),
            Keeper::Web => HttpBuilder::new()
                .with_url(&place.bucket)
                .with_retry(retries())
                .with_client_options(client(place.bucket.starts_with("http://")))
                .with_http_connector(Connector)
                .build()
                .map(|store| Arc::new(store) as Arc<dyn ObjectStore>)
                .map_err(|error| unbuilt(place, &error)),
        };
        let path = match place.keeper {
            // What is in the URL is encoded already.
            Keeper::Web => Path::from_url_path(&place.key),
            _ => Path::parse(&place.key),
        };
        let path = path.map_err(|error| Error::invalid(format!("{}: {error}", place.shown)))?;
        Ok(Object { store: built?, path, shown: place.shown.clone() })
    }

    /// What went wrong while something was done to the object, for a person.
    pub fn failed(&self, doing: &str, error: object_store::Error) -> Error {
        let source = system(error);
        match source.kind() {
            io::ErrorKind::NotFound => Error::not_found(self.shown.clone()),
            io::ErrorKind::AlreadyExists => Error::Exists(self.shown.clone()),
            _ => Error::Io { what: format!("{doing} {}", self.shown), source },
        }
    }
}

fn s3(place: &Place) -> Result<AmazonS3> {
    let mut builder = AmazonS3Builder::from_env().with_bucket_name(&place.bucket);
    let account = credentials::aws(place)?;
    let endpoint = place.endpoint.clone().or_else(|| {
        let of = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        of("AWS_ENDPOINT_URL_S3").or_else(|| of("AWS_ENDPOINT_URL")).or_else(|| of("AWS_ENDPOINT"))
    });
    let mut plain = false;
    if let Some(endpoint) = endpoint.or(account.endpoint) {
        check_server(&endpoint)?;
        plain = endpoint.starts_with("http://");
        // The one for S3 alone would be preferred if the environment has it.
        builder =
            builder.with_config(AmazonS3ConfigKey::S3Endpoint, endpoint.trim_end_matches('/'));
    }
    if let Some(region) = account.region {
        builder = builder.with_region(region);
    }
    if let Some(provider) = account.provider {
        builder = builder.with_credentials(provider);
    }
    builder
        .with_retry(retries())
        .with_client_options(client(plain))
        .with_http_connector(Connector)
        .build()
        .map_err(|error| unbuilt(place, &error))
}

fn unbuilt(place: &Place, error: &object_store::Error) -> Error {
    Error::invalid(format!("{}: {}", place.shown, without_secrets(&error.to_string())))
}

fn client(plain: bool) -> ClientOptions {
    // A part of a large upload takes as long as the line takes; silence is what counts.
    ClientOptions::new()
        .with_allow_http(plain)
        .with_timeout_disabled()
        .with_read_timeout(SILENCE)
        .with_connect_timeout(Duration::from_secs(10))
}

fn retries() -> RetryConfig {
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_secs(10),
        base: 2.0,
    };
    RetryConfig { backoff, max_retries: 8, retry_timeout: Duration::from_secs(280) }
}

/// Makes clients whose requests are counted, and whose uploads in parts replace nothing.
#[derive(Debug)]
struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let inner = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Careful(inner)))
    }
}

#[derive(Debug)]
struct Careful(HttpClient);

#[async_trait]
impl HttpService for Careful {
    async fn call(&self, mut request: HttpRequest) -> std::result::Result<HttpResponse, HttpError> {
        REQUESTS.fetch_add(1, Ordering::Relaxed);
        // The completion of an upload in parts replaces what is there unless it is told not to, and the
        // store's own interface has no word for that. The header need not be signed.
        let query = request.uri().query().unwrap_or_default();
        let completes = request.method().as_str() == "POST" && query.starts_with("uploadId=");
        if completes {
            let any = HeaderValue::from_static("*");
            request.headers_mut().insert("if-none-match", any);
        }
        self.0.execute(request).await
    }
}

static RUNTIME: OnceLock<Option<Runtime>> = OnceLock::new();

static STOPPED: AtomicBool = AtomicBool::new(false);

/// Ends whatever is waited for, now and from now on: whoever does not answer is not waited for any more.
pub fn stop() {
    STOPPED.store(true, Ordering::SeqCst);
}

/// How often it is asked whether a wait is to end.
const ASKING: Duration = Duration::from_millis(100);

/// Waits for what is done elsewhere, unless this process is to end. Only for threads that may wait.
pub fn wait<T>(future: impl Future<Output = T>) -> io::Result<T> {
    runtime()?.block_on(async {
        let mut future = std::pin::pin!(future);
        loop {
            match tokio::time::timeout(ASKING, future.as_mut()).await {
                Ok(done) => return Ok(done),
                Err(_) if STOPPED.load(Ordering::SeqCst) => {
                    return Err(io::Error::other(Error::Interrupted));
                }
                Err(_) => {}
            }
        }
    })
}

/// Waits, also when this process is to end, but no longer than this.
pub fn wait_at_most<T>(longest: Duration, future: impl Future<Output = T>) -> Option<T> {
    let runtime = runtime().ok()?;
    runtime.block_on(async { tokio::time::timeout(longest, future).await.ok() })
}

/// Where uploads go on while the caller does something else.
pub fn runtime() -> io::Result<&'static Runtime> {
    let made = RUNTIME.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(CARRIERS).thread_name("remote").enable_all().build().ok()
    });
    made.as_ref().ok_or_else(|| io::Error::other("no thread for the network could be started"))
}

/// [`wait`], with what was being done.
pub fn wait_for<T>(what: &str, future: impl Future<Output = T>) -> Result<T> {
    wait(future).context(|| what.to_owned())
}

/// What the store says as the system would say it.
pub fn system(error: object_store::Error) -> io::Error {
    use object_store::Error as Store;
    let kind = match &error {
        Store::NotFound { .. } => io::ErrorKind::NotFound,
        Store::AlreadyExists { .. } => io::ErrorKind::AlreadyExists,
        Store::PermissionDenied { .. } | Store::Unauthenticated { .. } => {
            return io::Error::new(io::ErrorKind::PermissionDenied, Refused(told(&error)));
        }
        Store::Precondition { .. } => {
            return io::Error::other("it was replaced while it was being read");
        }
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, told(&error))
}

/// The keeper knows the name and does not let us.
#[derive(Debug)]
pub struct Refused(String);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

/// The innermost causes of an error, without what repeats them.
fn told(error: &object_store::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        let said = next.to_string();
        if !text.contains(&said) {
            let _ = write!(text, ": {said}");
        }
        cause = next.source();
    }
    without_secrets(&in_one_line(&text))
}

/// What S3 says of an error is a document: its code and its message are enough.
fn in_one_line(text: &str) -> String {
    let (before, document) =
        text.split_once("<?xml").or_else(|| text.split_once("<Error>")).unwrap_or((text, ""));
    let element = |name: &str| {
        let (_, rest) = document.split_once(&format!("<{name}>"))?;
        rest.split_once("</").map(|(value, _)| value.to_owned())
    };
    let said: Vec<String> = ["Code", "Message"].into_iter().filter_map(element).collect();
    format!("{before}{}", said.join(", ")).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Queries of URLs may carry signatures and tokens: they are left out.
fn without_secrets(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let (before, url) = rest.split_at(start);
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ')' | '<' | '>');
        let len = url.find(ends).unwrap_or(url.len());
        let (url, after) = url.split_at(len);
        out.push_str(before);
        out.push_str(url.split('?').next().unwrap_or_default());
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_of_an_error_becomes_its_code_and_message() {
        let text = "404 Not Found: <?xml version=\"1.0\"?>\n<Error><Code>NoSuchBucket</Code>\
                    <Message>The bucket is not there</Message><HostId>x=</HostId></Error>";
        assert_eq!(in_one_line(text), "404 Not Found: NoSuchBucket, The bucket is not there");
        assert_eq!(in_one_line("refused"), "refused");
    }

    #[test]
    fn what_an_error_says_of_urls_has_no_query() {
        let text = "sending (https://a.example/c/k?sig=sesame&x=1): no (http://b/?token=sesame)";
        assert_eq!(without_secrets(text), "sending (https://a.example/c/k): no (http://b/)");
    }
}
