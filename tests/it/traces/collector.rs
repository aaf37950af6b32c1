//! An OTLP collector: takes what is exported over HTTP, decodes it, and keeps both.

use crate::journey::process::until;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// How it treats whoever exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    Takes,
    Refuses,
    Hangs,
}

pub struct Collector {
    pub address: SocketAddr,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Default)]
struct Taken {
    requests: Vec<String>,
    bodies: Vec<Vec<u8>>,
    spans: Vec<Seen>,
}

/// A span as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub span: Span,
    pub attributes: BTreeMap<String, String>,
    pub resource: BTreeMap<String, String>,
    pub scope: String,
}

impl Seen {
    pub fn id(&self) -> String {
        hex(&self.span.span_id)
    }

    pub fn trace_id(&self) -> String {
        hex(&self.span.trace_id)
    }

    pub fn parent(&self) -> String {
        hex(&self.span.parent_span_id)
    }

    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn members(list: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    let value = |member: &KeyValue| member.value.as_ref()?.value.as_ref().map(text);
    list.iter()
        .map(|member| (member.key.clone(), value(member).unwrap_or_default()))
        .collect()
}

impl Collector {
    pub fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let taken = Arc::<Mutex<Taken>>::default();
        let kept = Arc::clone(&taken);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || serve(&stream, manner, &kept));
            }
        });
        Self { address, taken }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn spans(&self) -> Vec<Seen> {
        self.taken.lock().unwrap().spans.clone()
    }

    /// Request lines and headers of the exports.
    pub fn requests(&self) -> Vec<String> {
        self.taken.lock().unwrap().requests.clone()
    }

    /// Everything that was sent, as text.
    pub fn bodies(&self) -> String {
        let taken = self.taken.lock().unwrap();
        String::from_utf8_lossy(&taken.bodies.concat()).into_owned()
    }

    /// Waits for the only span of a name.
    pub fn only(&self, name: &str) -> Seen {
        until(&format!("a span {name} is exported"), || {
            let mut named = self.spans();
            named.retain(|seen| seen.span.name == name);
            assert!(named.len() <= 1, "{named:#?}");
            named.pop()
        })
    }

    /// The spans inside another.
    pub fn inside(&self, outer: &Seen) -> Vec<Seen> {
        let mut spans = self.spans();
        spans.retain(|seen| seen.parent() == outer.id());
        spans
    }
}

fn serve(mut stream: &TcpStream, manner: Manner, kept: &Mutex<Taken>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
            if line.trim_end().is_empty() {
                break;
            }
            let line = line.to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            head.push_str(&line);
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        take(&mut kept.lock().unwrap(), head, body);
        match manner {
            Manner::Takes => stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n")
                .ok()?,
            Manner::Refuses => stream
                .write_all(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")
                .ok()?,
            // Until the other end gives up.
            Manner::Hangs => {
                let _ = reader.read(&mut [0]);
                return None;
            }
        }
    }
}

fn take(taken: &mut Taken, head: String, body: Vec<u8>) {
    let export = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
    for group in export.resource_spans {
        let resource = members(&group.resource.unwrap().attributes);
        for scoped in group.scope_spans {
            let scope = scoped.scope.unwrap().name;
            taken
                .spans
                .extend(scoped.spans.into_iter().map(|span| Seen {
                    attributes: members(&span.attributes),
                    resource: resource.clone(),
                    scope: scope.clone(),
                    span,
                }));
        }
    }
    taken.requests.push(head);
    taken.bodies.push(body);
}
