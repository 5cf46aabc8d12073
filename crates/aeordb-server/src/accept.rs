//! The accept loop: connections with deadlines, a cap on their number, TLS, and an end that
//! finishes what was accepted.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use aeordb::error::{Context, Error, Result};
use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use crate::app::App;
use crate::log;
use crate::patience::Patient;
use crate::request::Peer;

/// Connections that are open at once; more wait to be accepted.
const CONNECTIONS_MAX: usize = 8192;
/// Most bytes of the headers of a request.
const HEADERS_LEN_MAX: usize = 64 * 1024;
/// Most headers of a request.
const HEADERS_MAX: usize = 64;
/// How long to wait when the system has no descriptor left.
const PAUSE: Duration = Duration::from_millis(50);

/// The files of a certificate and its key, in PEM.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The chain of certificates.
    pub certificates: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

impl TlsFiles {
    /// Reads them.
    pub fn acceptor(&self) -> Result<TlsAcceptor> {
        let refuse = |file: &Path, why: String| {
            Error::invalid(format!("{} cannot be used for TLS: {why}", file.display()))
        };
        let certificates = CertificateDer::pem_file_iter(&self.certificates)
            .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
            .map_err(|error| refuse(&self.certificates, error.to_string()))?;
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|error| refuse(&self.key, error.to_string()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| refuse(&self.certificates, error.to_string()))?
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .map_err(|error| refuse(&self.certificates, error.to_string()))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

/// What connections are served with.
#[derive(Clone)]
struct Connections {
    app: Arc<App>,
    service: TowerToHyperService<Router>,
}

/// Serves until `stop` is sent, then finishes what was accepted. `tls` may change meanwhile.
pub async fn serve(
    app: Arc<App>,
    router: Router,
    listener: TcpListener,
    tls: watch::Receiver<Option<TlsAcceptor>>,
    mut stop: watch::Receiver<bool>,
) {
    let connections = Connections { app: app.clone(), service: TowerToHyperService::new(router) };
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let Some((stream, address, place)) = accepted else { continue };
        let acceptor = tls.borrow().clone();
        let (connections, watcher) = (connections.clone(), graceful.watcher());
        tokio::spawn(connections.run(stream, address, acceptor, watcher, place));
    }
    drop(listener);
    app.stopping.store(true, Relaxed);
    app.jobs.cancel_all();
    if tokio::time::timeout(app.deadlines.shutdown, graceful.shutdown()).await.is_err() {
        log::event("stopped", &[("detail", "some requests did not end in time".into())]);
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, address)) => Some((stream, address, place)),
        Err(error) => {
            log::event("error", &[("detail", format!("accepting: {error}").into())]);
            tokio::time::sleep(PAUSE).await;
            None
        }
    }
}

impl Connections {
    async fn run(
        self,
        stream: TcpStream,
        address: SocketAddr,
        tls: Option<TlsAcceptor>,
        watcher: Watcher,
        _place: OwnedSemaphorePermit,
    ) {
        let metrics = &self.app.metrics;
        metrics.accepted.fetch_add(1, Relaxed);
        metrics.connections.fetch_add(1, Relaxed);
        // Small answers must not wait for more.
        let _ = stream.set_nodelay(true);
        let deadlines = self.app.deadlines;
        match tls {
            None => self.http(Patient::new(stream, deadlines.answer), address, watcher).await,
            Some(tls) => {
                let shaken = tokio::time::timeout(deadlines.headers, tls.accept(stream)).await;
                if let Ok(Ok(stream)) = shaken {
                    self.http(Patient::new(stream, deadlines.answer), address, watcher).await;
                }
            }
        }
        metrics.connections.fetch_sub(1, Relaxed);
    }

    async fn http<S>(&self, stream: S, address: SocketAddr, watcher: Watcher)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let peer = Peer(address.ip());
        let inner = self.service.clone();
        let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(peer);
            inner.call(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.app.deadlines.headers)
            .max_buf_size(HEADERS_LEN_MAX)
            .max_headers(HEADERS_MAX)
            .serve_connection(TokioIo::new(stream), service);
        // What went wrong with a connection is the client's affair, or was logged where it arose.
        let _ = watcher.watch(connection).await;
    }
}

/// Raises the number of descriptors to what the system allows: connections need them.
pub fn raise_descriptor_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // If this fails, fewer connections are served.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}

/// Binds the address that is listened on.
pub fn bind(address: SocketAddr) -> Result<std::net::TcpListener> {
    let what = || format!("listening on {address}");
    let listener = std::net::TcpListener::bind(address).context(what)?;
    listener.set_nonblocking(true).context(what)?;
    Ok(listener)
}
