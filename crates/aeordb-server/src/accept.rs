//! The accept loop: connections with deadlines, TLS, and an end that finishes what was accepted.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use aeordb::error::{Context, Error, Result};
use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::app::App;
use crate::connections::{Admission, Admitted, Answered, Asked, Connections};
use crate::log;
use crate::request::Peer;
use crate::stall::WatchedStream;

/// Connections that are open at once, if nothing else is said.
pub const CONNECTIONS_MAX: usize = 8192;
/// Most bytes of the headers of a request.
const HEADERS_LEN_MAX: usize = 64 * 1024;
/// Most headers of a request.
const HEADERS_MAX: usize = 64;
/// How long to wait when the system has no descriptor left.
const PAUSE: Duration = Duration::from_millis(50);
/// How long a request that is on its way may take to arrive once the server is to stop.
const GRACE: Duration = Duration::from_millis(500);

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
struct Services {
    app: Arc<App>,
    service: TowerToHyperService<Router>,
}

/// Serves at most `max` connections until `stop` is sent, then finishes what was accepted. `tls`
/// may change meanwhile.
pub async fn serve(
    app: Arc<App>,
    router: Router,
    listener: TcpListener,
    max: usize,
    tls: watch::Receiver<Option<TlsAcceptor>>,
    mut stop: watch::Receiver<bool>,
) {
    let service = TowerToHyperService::new(router);
    let services = Services { app: app.clone(), service };
    let connections = Connections::new(max);
    let mut tasks = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            Some(_) = tasks.join_next() => continue,
            accepted = accept(&listener) => accepted,
        };
        let Some((stream, address)) = accepted else { continue };
        let admitted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            admitted = admit(&connections, address.ip(), &mut tasks) => admitted,
        };
        let acceptor = tls.borrow().clone();
        match admitted {
            Some(admitted) => {
                tasks.spawn(services.clone().run(stream, address, acceptor, admitted));
            }
            None => refused(&app, address.ip()),
        }
    }
    drop(listener);
    app.stopping.store(true, Relaxed);
    app.service.jobs.cancel_all();
    connections.close_all();
    let ended = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(app.deadlines.shutdown, ended).await.is_err() {
        log::event("stopped", &[("detail", "some requests did not end in time".into())]);
    }
}

async fn accept(listener: &TcpListener) -> Option<(TcpStream, SocketAddr)> {
    match listener.accept().await {
        Ok(accepted) => Some(accepted),
        Err(error) => {
            log::event("error", &[("detail", format!("accepting: {error}").into())]);
            tokio::time::sleep(PAUSE).await;
            None
        }
    }
}

/// A place for a connection, waited for while all others are busy; `None` if there is none for
/// this address.
async fn admit(
    connections: &Arc<Connections>,
    address: IpAddr,
    tasks: &mut JoinSet<()>,
) -> Option<Admitted> {
    loop {
        match connections.admit(address) {
            Admission::Granted(admitted) => return Some(admitted),
            Admission::Refused => return None,
            Admission::Full => tasks.join_next().await,
        };
    }
}

fn refused(app: &App, address: IpAddr) {
    if app.refusals_told.failure(address) {
        let detail = "this address has as many connections as it may have, and all are busy";
        let client = address.to_canonical().to_string();
        log::event("refused", &[("client", client.into()), ("detail", detail.into())]);
    }
}

impl Services {
    async fn run(
        self,
        stream: TcpStream,
        address: SocketAddr,
        tls: Option<TlsAcceptor>,
        mut admitted: Admitted,
    ) {
        let app = self.app.clone();
        app.metrics.accepted.fetch_add(1, Relaxed);
        app.metrics.connections.fetch_add(1, Relaxed);
        // Small answers must not wait for more.
        let _ = stream.set_nodelay(true);
        match tls {
            None => self.http(stream, address, &mut admitted).await,
            Some(tls) => {
                let shaken = tokio::select! {
                    shaken = timeout(app.deadlines.headers, tls.accept(stream)) => shaken.ok(),
                    _ = &mut admitted.told_to_end => None,
                };
                if let Some(Ok(stream)) = shaken {
                    self.http(stream, address, &mut admitted).await;
                }
            }
        }
        app.metrics.connections.fetch_sub(1, Relaxed);
    }

    async fn http<S>(&self, stream: S, address: SocketAddr, admitted: &mut Admitted)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let peer = Peer(address.ip());
        let inner = self.service.clone();
        let connection = admitted.connection.clone();
        let served = connection.clone();
        let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            served.begin();
            let mut request = request.map(|body| Asked::new(body, &served));
            request.extensions_mut().insert(peer);
            let (called, served) = (inner.call(request), served.clone());
            async move { Ok::<_, Infallible>(called.await?.map(|body| Answered::new(body, &served))) }
        });
        let deadlines = self.app.deadlines;
        let stream = WatchedStream::new(stream, deadlines.answer, connection.unread().clone());
        let http = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(deadlines.headers)
            .max_buf_size(HEADERS_LEN_MAX)
            .max_headers(HEADERS_MAX)
            .serve_connection(TokioIo::new(stream), service);
        let mut http = std::pin::pin!(http);
        // What went wrong with a connection is the client's affair, or was logged where it arose.
        tokio::select! {
            biased;
            _ = http.as_mut() => return,
            _ = &mut admitted.told_to_end => {}
        }
        http.as_mut().graceful_shutdown();
        // What was asked is answered. Who has not asked for anything yet is not waited for.
        let unasked = async {
            tokio::time::sleep(GRACE).await;
            if connection.was_asked() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            _ = http => {}
            () = unasked => {}
        }
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
