//! One connection from its first byte to its last.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;

use super::activity::{Activity, Multiplexing, Overdue};
use super::phase::{CROWDED_IDLE, Phase, after};
use super::request::{Shared, answer};
use super::server::ServerOptions;
use super::stalls::Watched;
use super::tls::ReloadableTls;
use super::{BoxError, S3Surface};

/// Read buffer of a connection that is sending a body: large enough that system calls do not count,
/// small enough that a thousand uploads at once stay far below the memory of a node.
const READ_BUFFER_BYTES: usize = 128 << 10;

/// Streams that one HTTP/2 connection may have open. S3 clients open connections instead.
const HTTP2_STREAMS: u32 = 128;

/// Bytes that an HTTP/2 client may have in flight on one stream.
const HTTP2_WINDOW: u32 = 1 << 20;

/// How often a silent HTTP/2 peer is asked whether it lives, and how long it has to answer.
const HTTP2_PING: Duration = Duration::from_secs(30);

/// How long a connection that was told to end may take for it.
const GOODBYE: Duration = Duration::from_secs(5);

/// Serves one connection until it ends, is overdue, or the server says so.
pub(super) async fn serve<S: S3Surface>(
    shared: Arc<Shared<S>>,
    stream: TcpStream,
    tls: Option<Arc<ReloadableTls>>,
    options: ServerOptions,
) {
    let mut phases = shared.phases.subscribe();
    // Nagle's algorithm would hold the last segment of an answer back.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection ended before it began");
        return;
    }
    let Some(tls) = tls else {
        return http1(shared, stream, phases, &options).await;
    };
    let accepted = TlsAcceptor::from(tls.current()).accept(stream);
    let handshake = tokio::select! {
        handshake = timeout(options.patience.head, accepted) => handshake,
        // Nothing was asked yet, so nothing is lost.
        _ = phases.wait_for(|phase| matches!(phase, Phase::Draining | Phase::Over)) => return,
    };
    match handshake {
        Ok(Ok(stream)) => match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => http2(shared, stream, phases, &options).await,
            _ => http1(shared, stream, phases, &options).await,
        },
        Ok(Err(error)) => {
            shared.counters.tls_failures.increment(1);
            tracing::debug!(%error, "a TLS handshake failed");
        }
        Err(_) => {
            shared.counters.tls_failures.increment(1);
            tracing::debug!("a TLS handshake took too long");
        }
    }
}

async fn http1<S, IO>(
    shared: Arc<Shared<S>>,
    socket: IO,
    phases: watch::Receiver<Phase>,
    options: &ServerOptions,
) where
    S: S3Surface,
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Activity::new(options.patience, Multiplexing::None);
    let socket = Watched::new(socket, Arc::clone(&activity), options.write_timeout);
    let service = {
        let activity = Arc::clone(&activity);
        service_fn(move |request| answer(Arc::clone(&shared), Arc::clone(&activity), request))
    };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // The activity of the connection has its own bounds, which cost no timer per request.
        .header_read_timeout(None)
        .max_header_size(options.max_header_bytes)
        .max_buf_size(READ_BUFFER_BYTES.max(options.max_header_bytes))
        .serve_connection(TokioIo::new(socket), service);
    attend(
        connection,
        &activity,
        phases,
        options.write_timeout,
        |connection| {
            connection.graceful_shutdown();
        },
    )
    .await;
}

async fn http2<S, IO>(
    shared: Arc<Shared<S>>,
    socket: IO,
    phases: watch::Receiver<Phase>,
    options: &ServerOptions,
) where
    S: S3Surface,
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Activity::new(options.patience, Multiplexing::Streams);
    let socket = Watched::new(socket, Arc::clone(&activity), options.write_timeout);
    let service = {
        let activity = Arc::clone(&activity);
        service_fn(move |request| answer(Arc::clone(&shared), Arc::clone(&activity), request))
    };
    let headers = u32::try_from(options.max_header_bytes).unwrap_or(u32::MAX);
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(HTTP2_STREAMS)
        .initial_stream_window_size(HTTP2_WINDOW)
        .keep_alive_interval(HTTP2_PING)
        .keep_alive_timeout(HTTP2_PING)
        .max_header_list_size(headers)
        .serve_connection(TokioIo::new(socket), service);
    attend(
        connection,
        &activity,
        phases,
        options.write_timeout,
        |connection| {
            connection.graceful_shutdown();
        },
    )
    .await;
}

/// What ends a wait.
enum Event<E> {
    Ended(Result<(), E>),
    Phase,
    Overdue(Overdue),
    GoodbyeTooLong,
    /// Of an answer nothing was taken.
    Untaken,
}

/// Waits until `due`. The timer is only set when it would go off too late: one that goes off early looks
/// again, which costs nothing compared with setting it anew for every request.
fn poll_until(mut timer: Pin<&mut Sleep>, due: Instant, context: &mut Context<'_>) -> Poll<()> {
    if due < timer.deadline() {
        timer.as_mut().reset(due);
    }
    loop {
        ready!(timer.as_mut().poll(context));
        if timer.deadline() >= due {
            return Poll::Ready(());
        }
        timer.as_mut().reset(due);
    }
}

/// Drives a connection and watches its deadlines and the server's phase.
async fn attend<C, E>(
    connection: C,
    activity: &Activity,
    mut phases: watch::Receiver<Phase>,
    write_timeout: Duration,
    goodbye: impl Fn(Pin<&mut C>),
) where
    C: Future<Output = Result<(), E>>,
    E: Into<BoxError>,
{
    let mut connection = pin!(connection);
    let mut timer = pin!(sleep_until(Instant::now()));
    let mut leave_by: Option<std::time::Instant> = None;
    // The phase may have changed before anybody was there to be told.
    phases.mark_changed();
    loop {
        let event = {
            let mut phase = pin!(phases.changed());
            poll_fn(|context| {
                if let Poll::Ready(result) = connection.as_mut().poll(context) {
                    return Poll::Ready(Event::Ended(result));
                }
                // The sender lives as long as the server; were it gone, so would be the reason to go on.
                if phase.as_mut().poll(context).is_ready() {
                    return Poll::Ready(Event::Phase);
                }
                // A request that came in while the connection was told to end is answered first.
                let (due, event) = match (activity.quiet(), leave_by, activity.untaken_since()) {
                    (Some(quiet), Some(leave_by), _) => {
                        (leave_by.max(after(quiet.since, GOODBYE)), Event::GoodbyeTooLong)
                    }
                    (Some(quiet), None, _) => (quiet.until, Event::Overdue(quiet.overdue)),
                    (None, _, Some(since)) => (after(since, write_timeout), Event::Untaken),
                    (None, _, None) => return Poll::Pending,
                };
                ready!(poll_until(timer.as_mut(), Instant::from_std(due), context));
                Poll::Ready(event)
            })
            .await
        };
        match event {
            Event::Ended(Ok(())) => return,
            Event::Ended(Err(error)) => {
                let error: BoxError = error.into();
                tracing::debug!(error = %error, "a connection ended");
                return;
            }
            // What a head that never became whole was going to say is lost in any case.
            Event::Overdue(Overdue::Head) | Event::GoodbyeTooLong => return,
            Event::Untaken => {
                tracing::debug!("a client took nothing of an answer for server.write_timeout");
                return;
            }
            Event::Overdue(Overdue::Idle) => {
                goodbye(connection.as_mut());
                leave_by.get_or_insert_with(|| after(std::time::Instant::now(), GOODBYE));
            }
            Event::Phase => match *phases.borrow_and_update() {
                Phase::Over => return,
                Phase::Draining => goodbye(connection.as_mut()),
                Phase::Crowded if activity.idle_for().is_some_and(|idle| idle >= CROWDED_IDLE) => {
                    goodbye(connection.as_mut());
                    leave_by.get_or_insert_with(|| after(std::time::Instant::now(), GOODBYE));
                }
                Phase::Serving | Phase::Crowded | Phase::Leaving => {}
            },
        }
    }
}
