//! A proxy as companies have them: it makes tunnels (RFC 9110 §9.3.6), and knows the way to names that nobody else does.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// What it says instead of making a tunnel.
pub const REFUSES: &str = "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n";

/// A proxy for the length of a test, and what it was asked.
pub struct Proxy {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Makes a tunnel to `leads_to`, whatever it is asked for.
    pub async fn to(leads_to: SocketAddr) -> Self {
        Self::start(Some(leads_to)).await
    }

    /// Refuses.
    pub async fn closed() -> Self {
        Self::start(None).await
    }

    async fn start(leads_to: Option<SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            address: listener.local_addr().unwrap(),
            asked: Arc::default(),
        };
        let asked = Arc::clone(&proxy.asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, leads_to, Arc::clone(&asked)));
            }
        });
        proxy
    }

    pub fn url(&self) -> String {
        format!("http://proxy-user:proxy-password@{}", self.address)
    }

    /// The heads of its requests.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    leads_to: Option<SocketAddr>,
    asked: Arc<Mutex<Vec<String>>>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).await.unwrap_or(0) == 0 {
            return;
        }
        head.extend_from_slice(&byte);
    }
    asked.lock().unwrap().push(String::from_utf8(head).unwrap());
    let Some(leads_to) = leads_to else {
        stream.write_all(REFUSES.as_bytes()).await.unwrap();
        return;
    };
    let mut there = TcpStream::connect(leads_to).await.unwrap();
    stream
        .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
        .await
        .unwrap();
    let _ = copy_bidirectional(&mut stream, &mut there).await;
}
