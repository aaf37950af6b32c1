//! A server on a port of its own, and a client that sends exactly the bytes it is told to.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Bytes, extract::Request, routing::any};
use gatewright::{
    config::Config,
    http::{
        guard::{self, GuardSettings},
        server::{self, DrainReport, ServerSettings},
    },
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};

/// No event that a test waits for takes so long, unless it never comes.
pub const NEVER: Duration = Duration::from_secs(20);
/// A time-out that a test waits for.
pub const SHORT: Duration = Duration::from_millis(200);

pub struct Settings {
    pub server: ServerSettings,
    pub guard: GuardSettings,
}

pub struct TestServer {
    pub addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<std::io::Result<DrainReport>>,
}

impl TestServer {
    pub async fn start(router: Router, adjust: impl FnOnce(&mut Settings)) -> Self {
        let config = Config::default();
        let mut settings = Settings {
            server: ServerSettings::new(&config.http),
            guard: GuardSettings {
                hosts: None,
                ..GuardSettings::new(&config)
            },
        };
        adjust(&mut settings);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let router = guard::layer(settings.guard, router);
        let served = tokio::spawn(server::serve(
            listener,
            router,
            settings.server,
            async move {
                let _ = stopped.await;
            },
        ));
        Self {
            addr,
            stop: Some(stop),
            served,
        }
    }

    pub async fn connect(&self) -> Raw<TcpStream> {
        Raw::new(TcpStream::connect(self.addr).await.unwrap())
    }

    pub fn signal(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }

    pub async fn drained(self) -> DrainReport {
        timeout(NEVER, self.served)
            .await
            .expect("the server does not end")
            .unwrap()
            .unwrap()
    }
}

/// Answers with the length of the body it got, and tells its path.
pub fn echo() -> Router {
    Router::new().fallback(any(|request: Request| async move {
        let path = request.uri().path().to_owned();
        let body: Bytes = axum::body::to_bytes(request.into_body(), usize::MAX)
            .await
            .unwrap();
        format!("{path} {}", body.len())
    }))
}

/// Waits at `/wait` until it is let go; tells when it is waiting.
pub fn waiting() -> (
    Router,
    Arc<tokio::sync::Semaphore>,
    Arc<tokio::sync::Semaphore>,
) {
    let (entered, leave) = (
        Arc::new(tokio::sync::Semaphore::new(0)),
        Arc::new(tokio::sync::Semaphore::new(0)),
    );
    let (tells, waits) = (Arc::clone(&entered), Arc::clone(&leave));
    let wait = any(move || async move {
        tells.add_permits(1);
        waits.acquire().await.unwrap().forget();
        "done"
    });
    (echo().route("/wait", wait), entered, leave)
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// All values of a header.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let named = |line: &'_ &str| line.split(':').next().unwrap().eq_ignore_ascii_case(name);
        self.head
            .lines()
            .skip(1)
            .filter(named)
            .map(|line| line.split_once(':').unwrap().1.trim())
            .collect()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }
}

pub struct Raw<IO> {
    pub io: IO,
    read: Vec<u8>,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Raw<IO> {
    pub fn new(io: IO) -> Self {
        Self {
            io,
            read: Vec::new(),
        }
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.io.write_all(bytes.as_ref()).await.unwrap();
        self.io.flush().await.unwrap();
    }

    async fn more(&mut self) -> bool {
        let mut buffer = [0; 4096];
        let read = timeout(NEVER, self.io.read(&mut buffer))
            .await
            .expect("nothing comes, not even the end");
        let count = read.unwrap_or(0);
        self.read.extend_from_slice(&buffer[..count]);
        count > 0
    }

    /// The next answer; `None` if the connection ends before it.
    pub async fn answer(&mut self) -> Option<Answer> {
        let end = loop {
            match self
                .read
                .windows(4)
                .position(|window| window == b"\r\n\r\n")
            {
                Some(at) => break at + 4,
                None if self.more().await => {}
                None => return None,
            }
        };
        let head = String::from_utf8(self.read.drain(..end).collect()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer {
            status,
            head,
            body: String::new(),
        };
        let length = answer
            .header("content-length")
            .map_or(0, |length| length.parse().unwrap());
        while self.read.len() < length {
            assert!(self.more().await, "the body ends too early");
        }
        answer.body = String::from_utf8(self.read.drain(..length).collect()).unwrap();
        Some(answer)
    }

    /// Waits for the server to close; what came before is the result.
    pub async fn closed(&mut self) -> Vec<u8> {
        while self.more().await {}
        std::mem::take(&mut self.read)
    }

    /// A whole exchange that has to work.
    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"))
            .await;
        self.answer().await.expect("no answer")
    }
}
