//! The listener: accepts connections, bounds what each may cost, and ends without cutting a request.
//!
//! Owns sockets, TLS and framing. It knows nothing of routes; what a request may look like beyond its framing is
//! judged in `guard`. hyper parses; `wire` stands before it, because hyper accepts framings that other servers read
//! differently (bare LF, `Content-Length` beside `Transfer-Encoding`) and answers what it refuses by itself.

mod answer;
mod chunked;
mod ciphertext;
mod connection;
mod frames;
mod head;
mod registry;
pub mod tls;
mod wire;

use std::{
    fmt,
    future::Future,
    io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::StatusCode;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use ipnet::IpNet;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};

use super::guard::Guarded;
use crate::config::HttpConfig;
use registry::{Registry, Room};

pub use tls::Tls;

/// Bytes of a request's line and headers.
pub const MAX_HEAD_BYTES: usize = 64 * 1024;
/// Headers of a request.
pub const MAX_HEADERS: usize = 100;

/// What a connection may cost.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Open connections. One more, and the one that has waited longest for its client is closed.
    pub max_connections: usize,
    /// Those of one IPv4 address or IPv6 /64. One more, and the one of it that has waited longest is closed.
    pub max_connections_per_address: usize,
    /// Whose connections are not counted by address.
    pub trusted_proxies: Vec<IpNet>,
    /// Requests that an HTTP/2 connection may have open; those beyond are refused.
    pub max_streams: u32,
    /// Bytes that connections may hold. More, and those that have waited longest for their clients are closed.
    pub memory_bytes: usize,
    /// For the first byte, the TLS handshake, and from the first to the last byte of a request's headers.
    pub header_timeout: Duration,
    /// From the headers to the last byte of the body. The guard answers 408; this only ends what the guard cannot.
    pub body_timeout: Duration,
    /// For the next request of a connection.
    pub idle_timeout: Duration,
    /// For the answer: a handler, and a client that reads it.
    pub response_timeout: Duration,
    /// After the signal to stop, requests are taken for so long before the listener closes.
    pub shutdown_delay: Duration,
    /// Then requests in flight have so long to complete.
    pub drain: Duration,
    /// `None` speaks plain HTTP.
    pub tls: Option<Arc<Tls>>,
}

impl ServerSettings {
    /// As configured, without TLS and trusted proxies.
    pub fn new(http: &HttpConfig) -> Self {
        Self {
            max_connections: http.max_connections,
            max_connections_per_address: http.max_connections_per_address,
            trusted_proxies: Vec::new(),
            max_streams: http.max_streams,
            memory_bytes: http.memory_mib.saturating_mul(1024 * 1024),
            header_timeout: Duration::from_secs(http.header_timeout_s),
            body_timeout: Duration::from_secs(http.body_timeout_s),
            idle_timeout: Duration::from_secs(http.idle_timeout_s),
            response_timeout: Duration::from_mins(1),
            shutdown_delay: Duration::from_secs(http.shutdown_delay_s),
            drain: Duration::from_secs(http.drain_s),
            tls: None,
        }
    }
}

/// The address of the socket's other end: a client, or a proxy. An extension of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddr(pub SocketAddr);

/// A request whose framing is refused: an extension of the empty request that stands in for it. The guard answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// 400, 414, 431, 503 or 505.
    pub status: StatusCode,
    /// What is wrong with it, for the client too.
    pub reason: &'static str,
}

/// The connections hold all that they may, and all that could go is being worked on.
pub const OVERLOADED: Refused = Refused {
    status: StatusCode::SERVICE_UNAVAILABLE,
    reason: "the server has no memory left for this request: try again in a second",
};

/// Why a body ends: [`OVERLOADED`].
#[derive(Debug)]
pub struct Overloaded;

impl fmt::Display for Overloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(OVERLOADED.reason)
    }
}

impl std::error::Error for Overloaded {}

/// How the end went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrainReport {
    /// Connections that were open when the listener closed.
    pub open: usize,
    /// Those among them that were cut at the deadline.
    pub cut: usize,
}

/// What connections share.
struct Server {
    router: Guarded,
    settings: ServerSettings,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
    registry: Registry,
    permits: Arc<Semaphore>,
    /// Answers ask clients to close from here on.
    stopping: AtomicBool,
}

/// Serves `router` until `shutdown` is ready, then drains.
///
/// # Errors
/// If `max_connections` is 0 or cannot be counted.
pub async fn serve(
    listener: TcpListener,
    router: Guarded,
    settings: ServerSettings,
    shutdown: impl Future<Output = ()>,
) -> io::Result<DrainReport> {
    let all = u32::try_from(settings.max_connections)
        .ok()
        .filter(|all| *all > 0);
    let all = all.ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            "max_connections is out of range",
        )
    })?;
    let server = Arc::new(Server::new(router, settings));
    let _housekeeping = Housekeeping::start(&server);

    server.accept_until(&listener, shutdown).await;
    server.stopping.store(true, Ordering::Relaxed);
    let delay = server.settings.shutdown_delay;
    if !delay.is_zero() {
        server.accept_until(&listener, sleep(delay)).await;
    }
    // Whoever is connected already but not accepted would be reset.
    while let Ok(Ok((stream, peer))) = timeout(Duration::ZERO, listener.accept()).await {
        if let Ok(permit) = Arc::clone(&server.permits).try_acquire_owned() {
            server.spawn(stream, peer, permit);
        }
    }
    drop(listener);

    let open = server.registry.close_all();
    let mut cut = 0;
    if timeout(server.settings.drain, server.permits.acquire_many(all))
        .await
        .is_err()
    {
        cut = server.registry.cut_all();
        let _ = timeout(Duration::from_secs(1), server.permits.acquire_many(all)).await;
    }
    Ok(DrainReport { open, cut })
}

impl Server {
    fn new(router: Guarded, settings: ServerSettings) -> Self {
        // Time-outs of HTTP/1 are the registry's: hyper's would not tell an idle connection from a slow one.
        let mut http1 = http1::Builder::new();
        http1
            .timer(TokioTimer::new())
            .header_read_timeout(None)
            .max_buf_size(2 * MAX_HEAD_BYTES);
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(settings.max_streams)
            .max_pending_accept_reset_streams(16)
            .max_local_error_reset_streams(64)
            .max_header_list_size(u32::try_from(MAX_HEAD_BYTES).unwrap_or(u32::MAX))
            .initial_stream_window_size(64 * 1024)
            .initial_connection_window_size(64 * 1024)
            .max_send_buf_size(128 * 1024)
            .keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(10));
        Self {
            router,
            http1,
            http2,
            registry: Registry::new(&settings),
            permits: Arc::new(Semaphore::new(settings.max_connections)),
            stopping: AtomicBool::new(false),
            settings,
        }
    }

    async fn accept_until(self: &Arc<Self>, listener: &TcpListener, end: impl Future<Output = ()>) {
        let mut end = pin!(end);
        let mut pause = Duration::ZERO;
        loop {
            tokio::select! {
                biased;
                () = &mut end => return,
                next = self.accept_one(listener, pause) => match next {
                    Ok(()) => pause = Duration::ZERO,
                    Err(error) => pause = self.back_off(pause, &error),
                },
            }
        }
    }

    async fn accept_one(
        self: &Arc<Self>,
        listener: &TcpListener,
        pause: Duration,
    ) -> io::Result<()> {
        if !pause.is_zero() {
            sleep(pause).await;
        }
        let (stream, peer) = listener.accept().await?;
        let room = self.registry.room_for(peer.ip());
        if room == Room::None {
            tracing::debug!(%peer, "connection refused: its address has all it may, and all are being worked on");
            return Ok(());
        }
        let permit = self.permit(room == Room::Made).await?;
        self.spawn(stream, peer, permit);
        Ok(())
    }

    /// When all are taken, makes room at the cost of whoever keeps us waiting longest, unless one is going already.
    async fn permit(&self, mut is_one_going: bool) -> io::Result<OwnedSemaphorePermit> {
        let closed = |_| io::Error::other("the server has ended");
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Ok(permit);
        }
        loop {
            if !std::mem::take(&mut is_one_going) {
                self.registry.evict();
            }
            let freed = Arc::clone(&self.permits).acquire_owned();
            if let Ok(permit) = timeout(Duration::from_millis(20), freed).await {
                return permit.map_err(closed);
            }
        }
    }

    /// Out of file descriptors or memory, trying again at once would only burn the processor; a connection that was
    /// gone before it was accepted is no reason to wait.
    fn back_off(&self, pause: Duration, error: &io::Error) -> Duration {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
        if matches!(
            error.kind(),
            ConnectionAborted | ConnectionReset | Interrupted
        ) {
            return Duration::ZERO;
        }
        if pause.is_zero() {
            tracing::warn!(%error, "cannot accept connections; trying again");
        }
        self.registry.evict();
        (pause * 2).clamp(Duration::from_millis(10), Duration::from_secs(1))
    }

    fn spawn(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr, permit: OwnedSemaphorePermit) {
        let connection = self.registry.enter(peer.ip());
        tokio::spawn(connection::run(
            Arc::clone(self),
            connection,
            stream,
            peer,
            permit,
        ));
    }
}

/// Ends connections that exceed their time, for as long as the server lives.
struct Housekeeping(tokio::task::JoinHandle<()>, Arc<Server>);

impl Housekeeping {
    fn start(server: &Arc<Server>) -> Self {
        let tended = Arc::clone(server);
        let task = tokio::spawn(async move {
            loop {
                sleep(tended.registry.tick()).await;
                tended.registry.sweep();
            }
        });
        Self(task, Arc::clone(server))
    }
}

impl Drop for Housekeeping {
    fn drop(&mut self) {
        self.0.abort();
        self.1.registry.cut_all();
    }
}
