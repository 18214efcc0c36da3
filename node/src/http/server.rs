//! The accept loop, and how a server ends.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use api::s3::RequestIds;
use http::Method;
use metrics::{Counter, Gauge};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

use super::activity::Patience;
use super::bind::Listener;
use super::phase::{CROWDED_EVERY, Phase, Phases};
use super::request::Shared;
use super::routes::Routes;
use super::tls::ReloadableTls;
use super::{S3Surface, connection};
use crate::config::ServerConfig;
use crate::telemetry::names;

/// First and longest wait after the system had no descriptor or memory for a connection. Trying on
/// without a wait would take the processor from those who could free one.
const FIRST_BACK_OFF: Duration = Duration::from_millis(10);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(1);

/// Bounds of one server.
#[derive(Clone, Copy, Debug)]
pub struct ServerOptions {
    pub(super) patience: Patience,
    pub(super) write_timeout: Duration,
    pub(super) max_header_bytes: usize,
    pub(super) max_connections: usize,
}

impl From<&ServerConfig> for ServerOptions {
    fn from(config: &ServerConfig) -> Self {
        Self {
            patience: Patience {
                head: config.read_header_timeout,
                idle: config.idle_timeout,
            },
            write_timeout: config.write_timeout,
            max_header_bytes: config.max_header_bytes,
            max_connections: config.max_connections,
        }
    }
}

/// Metrics of one server, looked up once.
pub(super) struct Counters {
    in_flight: [Gauge; names::METHODS.len()],
    connections: Gauge,
    pub(super) tls_failures: Counter,
    accept_failures: Counter,
}

impl Counters {
    fn new() -> Self {
        Self {
            in_flight: names::METHODS
                .map(|method| metrics::gauge!(names::INFLIGHT_REQUESTS, "method" => method)),
            connections: metrics::gauge!(names::CONNECTIONS),
            tls_failures: metrics::counter!(names::TLS_HANDSHAKE_FAILURES),
            accept_failures: metrics::counter!(names::ACCEPT_FAILURES),
        }
    }

    pub(super) fn in_flight(&self, method: &Method) -> &Gauge {
        &self.in_flight[names::method_index(method)]
    }
}

/// A listener that serves. Dropping it ends every connection at once.
pub struct Server<S> {
    shared: Arc<Shared<S>>,
    accepting: JoinHandle<()>,
    remaining: watch::Receiver<usize>,
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Every request was answered.
    Whole,
    /// So many connections were cut, because they took longer than they were given.
    Cut(usize),
}

impl<S: S3Surface> Server<S> {
    /// Serves `listener`: `routes` at once, `surface` as soon as it is set.
    pub fn start(
        listener: Listener,
        tls: Option<Arc<ReloadableTls>>,
        options: ServerOptions,
        routes: Routes,
        surface: Arc<OnceLock<S>>,
    ) -> Self {
        let shared = Arc::new(Shared {
            surface,
            routes,
            phases: Phases::new(),
            counters: Counters::new(),
            ids: RequestIds::new(),
        });
        let (count, remaining) = watch::channel(0);
        let accepting = tokio::spawn(
            Accepting {
                shared: Arc::clone(&shared),
                tls,
                options,
                count,
            }
            .run(listener),
        );
        Self {
            shared,
            accepting,
            remaining,
        }
    }

    /// The process will stop: goes on serving, and has every answer end its connection.
    pub fn leave(&self) {
        self.shared.phases.advance(Phase::Leaving);
    }

    /// Accepts nothing more, lets running requests finish, and cuts what takes longer than `limit`.
    pub async fn drain(mut self, limit: Duration) -> Drained {
        self.shared.phases.advance(Phase::Draining);
        if timeout(limit, &mut self.accepting).await.is_ok() {
            return Drained::Whole;
        }
        let cut = *self.remaining.borrow();
        self.shared.phases.advance(Phase::Over);
        // Every connection ends at its next poll, which the phase has just caused.
        let _ = (&mut self.accepting).await;
        Drained::Cut(cut)
    }
}

impl<S> Drop for Server<S> {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Owns the connections of a server.
struct Accepting<S> {
    shared: Arc<Shared<S>>,
    tls: Option<Arc<ReloadableTls>>,
    options: ServerOptions,
    count: watch::Sender<usize>,
}

/// Waits after failures of the system, each longer than the one before.
#[derive(Default)]
struct BackOff {
    wait: Duration,
    until: Option<Instant>,
}

impl BackOff {
    fn begin(&mut self) {
        self.wait = (self.wait * 2).clamp(FIRST_BACK_OFF, LONGEST_BACK_OFF);
        self.until = Some(Instant::now() + self.wait);
    }
}

/// What the accept loop waits for.
enum Event {
    Phase,
    Ended(Result<(), JoinError>),
    Accepted(io::Result<TcpStream>),
    Time,
}

impl<S: S3Surface> Accepting<S> {
    async fn run(self, listener: Listener) {
        let mut connections = JoinSet::new();
        let mut phases = self.shared.phases.subscribe();
        let mut back_off = BackOff::default();
        while is_open(*phases.borrow_and_update()) {
            let full = connections.len() >= self.options.max_connections;
            if full || back_off.until.is_some() {
                self.shared.phases.crowd();
            } else {
                self.shared.phases.relax();
            }
            // Made room is asked for again and again, since connections grow idle at any time.
            let crowded = full.then(|| Instant::now() + CROWDED_EVERY);
            let wake = back_off.until.or(crowded);
            let event = tokio::select! {
                biased;
                _ = ends(&mut phases) => Event::Phase,
                Some(ended) = connections.join_next() => Event::Ended(ended),
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => Event::Time,
                accepted = listener.socket.accept(), if wake.is_none() => {
                    Event::Accepted(accepted.map(|(stream, _)| stream))
                }
            };
            match event {
                Event::Phase => {}
                Event::Time => back_off.until = None,
                Event::Ended(ended) => self.ended(ended, connections.len()),
                Event::Accepted(Ok(stream)) => {
                    back_off = BackOff::default();
                    self.begin(stream, &mut connections);
                }
                Event::Accepted(Err(error)) if is_of_one_connection(&error) => {}
                Event::Accepted(Err(error)) => {
                    self.shared.counters.accept_failures.increment(1);
                    tracing::warn!(%error, connections = connections.len(), "cannot accept connections");
                    back_off.begin();
                }
            }
        }
        drop(listener);
        while let Some(ended) = connections.join_next().await {
            self.ended(ended, connections.len());
        }
    }

    fn begin(&self, stream: TcpStream, connections: &mut JoinSet<()>) {
        connections.spawn(connection::serve(
            Arc::clone(&self.shared),
            stream,
            self.tls.clone(),
            self.options,
        ));
        self.counted(connections.len());
    }

    fn ended(&self, result: Result<(), JoinError>, remaining: usize) {
        if let Err(error) = result
            && error.is_panic()
        {
            // The panic itself was logged and counted where it happened.
            tracing::error!("a connection ended by a panic");
        }
        self.counted(remaining);
    }

    fn counted(&self, connections: usize) {
        self.count.send_replace(connections);
        // A number of connections is far below what a double holds exactly.
        self.shared.counters.connections.set(connections as f64);
    }
}

/// Resolves once the server accepts nothing more.
async fn ends(phases: &mut watch::Receiver<Phase>) {
    // The sender lives in what this loop shares with its connections.
    let _ = phases.wait_for(|phase| !is_open(*phase)).await;
}

fn is_open(phase: Phase) -> bool {
    matches!(phase, Phase::Serving | Phase::Crowded | Phase::Leaving)
}

/// Whether the failure concerns a connection that was gone before it was accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
            | io::ErrorKind::WouldBlock
    )
}
