//! Connections: so many at once, and nobody who only holds one keeps others out.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::peer::descends;
use crate::sync::lock;

/// How many connections are open at once.
const CONNECTIONS: usize = 512;
/// How long a connection may take to say what it wants, and may wait between two requests.
const HEADERS: Duration = Duration::from_secs(10);
/// How long a request's headers may be, in bytes.
const HEADER_BYTES: usize = 32 << 10;
/// How long nothing is taken after the system could give no connection.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// Whoever holds a connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Guest {
    /// Where they are, and where they have come to.
    ends_at: Option<(SocketAddr, SocketAddr)>,
    /// They have shown the token.
    is_known: Arc<AtomicBool>,
    /// They were started by an agent; looked at once, when they have shown the token.
    is_agent: Arc<OnceLock<bool>>,
    ends: CancellationToken,
}

impl Guest {
    /// Whether they were started by what this process has started.
    pub(super) fn descends_from(&self, daemon: u32) -> bool {
        let look = || match (self.ends_at, i32::try_from(daemon)) {
            (Some((peer, local)), Ok(daemon)) => descends(peer, local, daemon),
            _ => false,
        };
        *self.is_agent.get_or_init(look)
    }

    /// Their connection is theirs for as long as they want: they have shown the token.
    pub(super) fn has_shown_token(&self) {
        self.is_known.store(true, Ordering::Relaxed);
    }
}

/// All who hold a connection, in the order in which they came.
#[derive(Debug, Default)]
struct Guests {
    count: u64,
    here: BTreeMap<u64, Guest>,
}

impl Guests {
    /// Lets somebody in. Where there is no place left, the one goes who has held a connection longest without having shown the token;
    /// where all have shown it, nobody comes in.
    fn admit(&mut self, ends_at: Option<(SocketAddr, SocketAddr)>) -> Option<(u64, Guest)> {
        if self.here.len() >= CONNECTIONS {
            let stranger = self.here.iter().find(|(_, guest)| !guest.is_known.load(Ordering::Relaxed));
            let (number, stranger) = stranger.map(|(number, guest)| (*number, guest.clone()))?;
            stranger.ends.cancel();
            self.here.remove(&number);
        }
        self.count += 1;
        let guest = Guest { ends_at, ..Guest::default() };
        self.here.insert(self.count, guest.clone());
        Some((self.count, guest))
    }
}

/// Answers requests for as long as it is polled.
pub(super) async fn serve(listener: TcpListener, router: Router) {
    let guests = Arc::new(Mutex::new(Guests::default()));
    let router = TowerToHyperService::new(router);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let Ok((stream, peer)) = accepted else {
            tokio::time::sleep(EXHAUSTED).await;
            continue;
        };
        let Some((number, guest)) = lock(&guests).admit(stream.local_addr().ok().map(|local| (peer, local))) else {
            continue;
        };
        // What is live is sent in small pieces.
        let _ = stream.set_nodelay(true);
        let (router, guests) = (router.clone(), Arc::clone(&guests));
        connections.spawn(async move {
            let ends = guest.ends.clone();
            let service = service_fn(move |mut request: hyper::Request<_>| {
                request.extensions_mut().insert(guest.clone());
                router.call(request)
            });
            let mut connection = http1::Builder::new();
            connection.timer(TokioTimer::new()).header_read_timeout(HEADERS).max_buf_size(HEADER_BYTES);
            tokio::select! {
                // Whoever asks badly has been told; whoever has gone hears nothing.
                _ = connection.serve_connection(TokioIo::new(stream), service) => {}
                () = ends.cancelled() => {}
            }
            lock(&guests).here.remove(&number);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_only_holds_a_connection_keeps_nobody_out() {
        let mut guests = Guests::default();
        let (_, first) = guests.admit(None).unwrap();
        let (_, second) = guests.admit(None).unwrap();
        first.has_shown_token();
        while guests.here.len() < CONNECTIONS {
            guests.admit(None).unwrap();
        }
        assert!(!second.ends.is_cancelled());
        let (_, late) = guests.admit(None).unwrap();
        assert!(second.ends.is_cancelled() && !first.ends.is_cancelled() && guests.here.len() == CONNECTIONS);
        guests.here.values().for_each(Guest::has_shown_token);
        assert!(guests.admit(None).is_none() && !late.ends.is_cancelled());
    }
}
