//! A server from its start to its end.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aeordb::db::{Database, LockWait, Options};
use aeordb::error::{Context, Error, Result};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::accept::{self, TlsFiles};
use crate::app::{App, Deadlines};
use crate::beside::{Beside, Threads};
use crate::hang_up;
use crate::keys::{self, Key, KeyRing, NewKey, Rights};
use crate::log::{self, Level};
use crate::routes;
use crate::service::backups::BackupDirectory;

/// Threads for work that waits for the disk or for another thread.
const BLOCKING_THREADS_MAX: usize = 128;

/// How a database is served.
#[derive(Clone, Debug)]
pub struct Config {
    /// The database; it is made if it is not there.
    pub database: PathBuf,
    /// The address to listen on.
    pub listen: SocketAddr,
    /// Where backups are by name; `backups` beside the database if not said.
    pub backup_directory: Option<PathBuf>,
    /// The certificate, if the listener speaks TLS.
    pub tls: Option<TlsFiles>,
    /// Where the first key goes, in a new file, instead of to whoever starts the server.
    pub first_key_file: Option<PathBuf>,
    /// Listen in plain text where others than this machine can hear it.
    pub allow_plaintext: bool,
    /// Connections that are open at once; a quarter of them from one address of another machine.
    pub connections_max: usize,
    /// How long clients may take.
    pub deadlines: Deadlines,
    /// What is logged.
    pub level: Level,
    /// Worker threads of the database; zero means one for each core.
    pub workers: usize,
    /// Whether it waits for another process that writes to the database.
    pub lock_wait: Option<LockWait>,
}

impl Config {
    /// The defaults for a database and an address.
    pub fn new(database: impl Into<PathBuf>, listen: SocketAddr) -> Self {
        Config {
            database: database.into(),
            listen,
            backup_directory: None,
            tls: None,
            first_key_file: None,
            allow_plaintext: false,
            connections_max: accept::CONNECTIONS_MAX,
            deadlines: Deadlines::default(),
            level: Level::default(),
            workers: 0,
            lock_wait: None,
        }
    }
}

/// A server that listens.
pub struct Server {
    runtime: Runtime,
    app: Arc<App>,
    address: SocketAddr,
    first_key: Option<FirstKey>,
    tls: Option<TlsFiles>,
    acceptor: watch::Sender<Option<tokio_rustls::TlsAcceptor>>,
    stop: watch::Sender<bool>,
    beside: Threads,
    served: tokio::task::JoinHandle<()>,
}

/// Stops a server from another thread.
#[derive(Clone)]
pub struct Stop(watch::Sender<bool>);

impl Stop {
    /// Asks the server to finish what it accepted, and to end.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Server {
    /// Opens the database and begins to serve it.
    pub fn start(config: Config) -> Result<Self> {
        let plain = config.tls.is_none() && !config.allow_plaintext;
        if plain && !config.listen.ip().is_loopback() {
            return Err(Error::invalid(format!(
                "keys and files would go over the network in plain text: {} is not a loopback \
                 address and there is no certificate",
                config.listen
            )));
        }
        let acceptor = config.tls.as_ref().map(TlsFiles::acceptor).transpose()?;
        accept::raise_descriptor_limit();
        // Whoever cannot listen leaves no database behind.
        let listener = accept::bind(config.listen)?;
        let address = listener.local_addr().context(|| "asking for the address".into())?;
        let wait_max = Some(config.deadlines.writer());
        let (workers, lock_wait) = (config.workers, config.lock_wait.clone());
        let options = Options { wait_max, workers, lock_wait, ..Options::default() };
        let database = Database::open_or_create(&config.database, &options)?;
        let beside = || config.database.with_file_name("backups");
        let backups = config.backup_directory.clone().unwrap_or_else(beside);
        let backups = BackupDirectory::open(&backups, &config.database)?;
        let first_key = FirstKey::make(&database, config.first_key_file.as_deref())?;
        let app = App::new(Arc::new(database), backups, config.deadlines, config.level)?;
        let runtime = Builder::new_multi_thread()
            .max_blocking_threads(BLOCKING_THREADS_MAX)
            .thread_name("http")
            .enable_all()
            .build()
            .context(|| "starting the threads of the server".into())?;
        let (acceptor, acceptors) = watch::channel(acceptor);
        let (stop, stopped) = watch::channel(false);
        let served = {
            let _inside = runtime.enter();
            let listener = TcpListener::from_std(listener).context(|| "listening".into())?;
            let router = routes::router(&app);
            runtime.spawn(app.clone().watch_file(stopped.clone()));
            let (app, max) = (app.clone(), config.connections_max);
            runtime.spawn(accept::serve(app, router, listener, max, acceptors, stopped))
        };
        log::event("listening", &[("address", address.to_string().into())]);
        let tls = config.tls;
        Ok(Server {
            runtime,
            app,
            address,
            first_key,
            tls,
            acceptor,
            stop,
            beside: Threads::default(),
            served,
        })
    }

    /// The address that is listened on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The key that was made because there was none. It is known nowhere else; `None` if it went
    /// to a file.
    pub fn first_key(&self) -> Option<&str> {
        self.first_key.as_ref()?.text.as_deref()
    }

    /// Ends the server and takes the key away that was made because there was none, as nobody got
    /// to know it.
    pub fn withdraw_first_key(self) -> Result<()> {
        if let Some(FirstKey { id, text: Some(_) }) = &self.first_key {
            keys::forget(&self.app.service.database, id)?;
        }
        self.stop.send_replace(true);
        self.run()
    }

    /// Starts work beside the requests, in a thread of its own that the end of the server waits for.
    pub fn beside(&mut self, work: impl FnOnce(&Beside) + Send + 'static) -> Result<()> {
        let runtime = self.runtime.handle().clone();
        let beside = Beside::new(self.app.clone(), runtime, self.stop.subscribe());
        self.beside.start(beside, work)
    }

    /// What stops the server.
    pub fn stop(&self) -> Stop {
        Stop(self.stop.clone())
    }

    /// Serves until SIGTERM or SIGINT. SIGHUP reads the certificate again; where there is none it is
    /// a terminal that was closed, and ends the server as well.
    pub fn run_until_signal(self) -> Result<()> {
        let stop = self.stop();
        let (tls, acceptor) = (self.tls.clone(), self.acceptor.clone());
        {
            let _inside = self.runtime.enter();
            let what = || "listening for signals".to_owned();
            let mut term = signal(SignalKind::terminate()).context(what)?;
            let mut int = signal(SignalKind::interrupt()).context(what)?;
            let ends = self.tls.is_none() && !hang_up::is_ignored();
            let mut hup = signal(SignalKind::hangup()).context(what)?;
            self.runtime.spawn(async move {
                loop {
                    tokio::select! {
                        _ = term.recv() => break,
                        _ = int.recv() => break,
                        _ = hup.recv() => match ends {
                            true => break,
                            false => reload(tls.as_ref(), &acceptor),
                        },
                    }
                }
                stop.stop();
            });
        }
        self.run()
    }

    /// Serves until it is stopped, and closes the database.
    pub fn run(self) -> Result<()> {
        let Server { runtime, app, served, beside, .. } = self;
        let ended = runtime.block_on(served);
        beside.join(app.deadlines.shutdown);
        // Work that waits for nobody comes to its end; what does not is cut off by this.
        runtime.shutdown_timeout(app.deadlines.shutdown);
        let database = app.service.database.clone();
        // The committer makes durable what it took before it ends.
        drop(app);
        log::event("stopped", &[]);
        ended.map_err(|error| Error::invalid(format!("the server failed: {error}")))?;
        match Arc::try_unwrap(database) {
            Ok(database) => database.close(),
            // Something still reads: what was committed is safe anyway.
            Err(_) => Ok(()),
        }
    }
}

fn reload(tls: Option<&TlsFiles>, acceptor: &watch::Sender<Option<tokio_rustls::TlsAcceptor>>) {
    match tls.map(TlsFiles::acceptor).transpose() {
        Ok(new) => drop(acceptor.send_replace(new)),
        // The certificate before stays in use.
        Err(error) => log::event("error", &[("detail", error.to_string().into())]),
    }
}

/// The first key of a database without keys, which may do everything.
struct FirstKey {
    id: String,
    /// `None` if it is in a file.
    text: Option<String>,
}

impl FirstKey {
    fn make(database: &Database, file: Option<&Path>) -> Result<Option<Self>> {
        if !KeyRing::read(&database.reader()?)?.is_empty() {
            return Ok(None);
        }
        // Where it cannot be kept, none is made.
        let file = file.map(|path| new_file(path).map(|file| (path, file))).transpose()?;
        let new = NewKey {
            name: "first".into(),
            rights: Rights::admin(),
            within: None,
            expires_at: None,
        };
        let (Key { id, .. }, text) = keys::create(database, new)?;
        let Some((path, file)) = file else { return Ok(Some(FirstKey { id, text: Some(text) })) };
        let kept = keep(&file, &text).context(|| format!("writing the key to {}", path.display()));
        if let Err(error) = kept {
            keys::forget(database, &id)?;
            // The error that counts is the one before.
            let _ = std::fs::remove_file(path);
            return Err(error);
        }
        Ok(Some(FirstKey { id, text: None }))
    }
}

fn new_file(path: &Path) -> Result<File> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    opened.map_err(|source| match source.kind() {
        std::io::ErrorKind::AlreadyExists => Error::Exists(path.display().to_string()),
        _ => Error::Io { what: format!("making {}", path.display()), source },
    })
}

fn keep(mut file: &File, text: &str) -> std::io::Result<()> {
    writeln!(file, "{text}")?;
    file.sync_all()
}
