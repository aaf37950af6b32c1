//! Frames of HTTP/2, made by hand: no client sends what these tests send.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::support::{NEVER, TestServer};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;
pub const ACK: u8 = 1;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
/// The setting that has how much of an answer is sent before the client asks for more.
pub const INITIAL_WINDOW_SIZE: u8 = 4;

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&[a, b, c, kind, flags][..], &stream.to_be_bytes(), payload].concat()
}

/// `:scheme http`, `:path`, `:authority a`, behind a method.
fn head(method: u8, path: &str) -> Vec<u8> {
    let length = u8::try_from(path.len()).unwrap();
    [
        &[method, 0x86, 0x04, length][..],
        path.as_bytes(),
        &[0x41, 1, b'a'],
    ]
    .concat()
}

pub fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &head(0x82, path))
}

/// A request whose body is to come.
pub fn post(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &head(0x83, "/"))
}

/// The same, whose header block isn't over and has so many fields of one byte each.
pub fn half_post(stream: u32, fields: usize) -> Vec<u8> {
    let block = [head(0x83, "/"), vec![0x90; fields]].concat();
    frame(HEADERS, 0, stream, &block)
}

pub fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())
}

pub fn hello(settings: &[(u8, u32)]) -> Vec<u8> {
    let pairs = settings
        .iter()
        .flat_map(|(id, value)| [&[0, *id][..], &value.to_be_bytes()].concat());
    let settings = frame(SETTINGS, 0, 0, &pairs.collect::<Vec<_>>());
    [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &settings].concat()
}

#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

pub struct Http2 {
    pub io: TcpStream,
}

impl Http2 {
    pub async fn connect(server: &TestServer, settings: &[(u8, u32)]) -> Self {
        let io = TcpStream::connect(server.addr).await.unwrap();
        let mut client = Self { io };
        client.send(&hello(settings)).await;
        client
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.io.write_all(bytes).await.unwrap();
    }

    /// The next frame; `None` at the end.
    pub async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        let read = timeout(NEVER, self.io.read_exact(&mut head)).await;
        read.expect("nothing comes, not even the end").ok()?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.io.read_exact(&mut payload).await.ok()?;
        Some(Frame {
            kind,
            flags,
            stream: u32::from_be_bytes(stream),
            payload,
        })
    }

    /// The next frame of a kind.
    pub async fn next_of(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }

    /// Waits until all that was sent has been seen; false if the connection ends.
    pub async fn is_seen(&mut self) -> bool {
        self.send(&frame(PING, 0, 0, b"are you?")).await;
        while let Some(frame) = self.next().await {
            if frame.kind == PING && frame.flags == ACK && frame.payload == b"are you?" {
                return true;
            }
        }
        false
    }

    pub async fn is_closed(&mut self) -> bool {
        while self.next().await.is_some() {}
        true
    }
}
