//! `teams web`: all teams on a page, and the answers to those who need somebody.
//!
//! What is known ([`hub`]) comes from the daemon as it does for `teams ui` ([`live`](crate::live)). Pages are drawn here ([`pages`]) and kept
//! up to date by events ([`stream`]). Before anything is answered, it is looked at who asks ([`access`]). Looking on changes nothing of
//! what members do.

mod access;
mod act;
mod hosts;
mod hub;
mod known;
mod notify;
mod pages;
mod peer;
mod place;
mod routes;
mod server;
mod stream;

use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use self::access::Access;
use self::hosts::Hosts;
use self::hub::Hub;
use self::routes::{Site, router};
use crate::daemon::{Connection, ErrorKind, Failure};
use crate::live::line::Line;

/// Where a page is when nobody says where.
const ADDRESS: &str = "127.0.0.1:7433";
/// How many of a team's last events are shown at the beginning.
const BACK: u64 = 2_000;
/// How many of those who need somebody may wait for a command to be told.
const WAITING: usize = 64;

/// What the page is of, and who may see it.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) state_dir: PathBuf,
    /// This team only.
    pub(crate) team: Option<String>,
    /// The usual address of this machine alone when left out, or one like it that is free.
    pub(crate) listen: Option<SocketAddr>,
    /// Names under which it may be asked for, besides its address.
    pub(crate) hosts: Vec<String>,
    pub(crate) read_only: bool,
    /// The words of a command that is told when somebody needs the person.
    pub(crate) notify: Option<Vec<String>>,
}

/// A page that is served.
pub(crate) struct Server {
    listener: TcpListener,
    site: Arc<Site>,
    line: Line,
    options: Options,
    token_file: TokenFile,
}

impl Server {
    /// Takes the address, and writes the token down.
    ///
    /// # Errors
    /// The address is not to be had, or the token cannot be written.
    pub(crate) async fn start(options: Options, connection: Connection) -> anyhow::Result<Self> {
        let listener = bind(options.listen).await?;
        let address = listener.local_addr().context("the address is not known")?;
        let access = Access::new(Hosts::new(address, options.hosts.clone()), options.read_only);
        let token_file = TokenFile::write(&options.state_dir, address, access.token())?;
        let line = Line::open(&options.state_dir, options.team.clone(), connection, BACK);
        let hub = Arc::new(Hub::new(line.requests(), options.read_only));
        let site = Arc::new(Site { access, hub, token_file: token_file.path.display().to_string() });
        Ok(Self { listener, site, line, options, token_file })
    }

    /// The link that opens the page once.
    pub(crate) fn link(&self) -> String {
        let address = self.listener.local_addr().unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0)));
        // All addresses of this machine: it is one of them.
        let host = match address.ip() {
            ip if !ip.is_unspecified() => address.to_string(),
            _ => format!("localhost:{}", address.port()),
        };
        format!("http://{host}/enter?key={}", self.site.access.key().unwrap_or_default())
    }

    /// The file that has the token.
    pub(crate) fn token_file(&self) -> &Path {
        &self.token_file.path
    }

    /// Whether others than this machine can reach it.
    pub(crate) fn is_open(&self) -> bool {
        !self.listener.local_addr().is_ok_and(|address| address.ip().is_loopback())
    }

    /// Serves the page until then.
    pub(crate) async fn run(self, until: impl Future<Output = ()>, say: impl Fn(&str)) {
        let Self { listener, site, mut line, options, token_file } = self;
        let (told, needs) = mpsc::channel(WAITING);
        let hub = Arc::clone(&site.hub);
        tokio::select! {
            () = server::serve(listener, router(site)) => {}
            () = hub.run(&mut line, options.team.as_deref(), told) => {}
            () = notify::notify(needs, options.notify, say) => {}
            () = until => {}
        }
        drop(token_file);
    }
}

async fn bind(wanted: Option<SocketAddr>) -> anyhow::Result<TcpListener> {
    let taken = |address: SocketAddr, error: std::io::Error| {
        let what = format!("the address {address} cannot be used: {error}");
        Failure::new(ErrorKind::Io, what).hint("name another one with --listen, or end what uses it")
    };
    if let Some(address) = wanted {
        return TcpListener::bind(address).await.map_err(|error| taken(address, error).into());
    }
    let usual: SocketAddr = ADDRESS.parse().context("the usual address is no address")?;
    match TcpListener::bind(usual).await {
        Ok(listener) => Ok(listener),
        // Somebody else has it, another home of this user's perhaps.
        Err(_) => {
            let free = SocketAddr::new(usual.ip(), 0);
            TcpListener::bind(free).await.map_err(|error| taken(free, error).into())
        }
    }
}

/// The file that has the token, for as long as it opens anything.
struct TokenFile {
    path: PathBuf,
    token: String,
}

impl TokenFile {
    fn write(state_dir: &Path, address: SocketAddr, token: &str) -> anyhow::Result<Self> {
        let path = state_dir.join(format!("web-{}-{}.token", address.ip(), address.port()));
        let written = (|| {
            // One that was killed has left it; nobody else may have had it open since before.
            let _ = std::fs::remove_file(&path);
            let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            writeln!(file, "{token}")
        })();
        written.with_context(|| format!("the token cannot be written to {}", path.display()))?;
        Ok(Self { path, token: token.to_owned() })
    }
}

impl Drop for TokenFile {
    fn drop(&mut self) {
        // Another one may have the address by now.
        if std::fs::read_to_string(&self.path).is_ok_and(|token| token.trim() == self.token) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
