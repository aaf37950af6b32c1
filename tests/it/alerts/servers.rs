//! Receivers on loopback: an https server that answers by a script, and a mail server.

use gatewright_authorizer::outbound::{Environment, Outbound};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// A certificate authority of the test, and a server's certificate for this machine.
pub struct Pki {
    pub ca_pem: String,
    acceptor: TlsAcceptor,
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

impl Pki {
    pub fn new() -> Self {
        let names = ["localhost", "127.0.0.1", "::1", "receiver.example.com"].map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let chain = vec![made.cert.der().clone()];
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        Self {
            ca_pem: made.cert.pem(),
            acceptor: TlsAcceptor::from(Arc::new(config)),
        }
    }

    /// What a client needs to believe the server.
    pub fn outbound(&self) -> Outbound {
        self.outbound_in(&Environment::default())
    }

    /// The same in an environment.
    pub fn outbound_in(&self, environment: &Environment) -> Outbound {
        let outbound = Outbound::of(environment).unwrap();
        outbound.with_authority(self.ca_pem.as_bytes()).unwrap()
    }
}

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Received {
    pub head: String,
    pub body: String,
}

impl Received {
    pub fn header(&self, name: &str) -> &str {
        let line = self.head.lines().find(|line| {
            line.split_once(':')
                .is_some_and(|(found, _)| found.eq_ignore_ascii_case(name))
        });
        line.and_then(|line| line.split_once(": ")).unwrap().1
    }
}

/// An https server: the n-th request gets the n-th answer, the last one again and again.
pub struct Receiver {
    pub address: SocketAddr,
    pub received: Arc<Mutex<Vec<Received>>>,
    pub connections: Arc<AtomicUsize>,
}

impl Receiver {
    pub async fn start(pki: &Pki, answers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self {
            address: listener.local_addr().unwrap(),
            received: Arc::default(),
            connections: Arc::default(),
        };
        let (received, connections) = (
            Arc::clone(&receiver.received),
            Arc::clone(&receiver.connections),
        );
        let acceptor = pki.acceptor.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = connections.fetch_add(1, Ordering::SeqCst);
                let answer = answers.get(number).or(answers.last()).cloned();
                let (acceptor, received) = (acceptor.clone(), Arc::clone(&received));
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let request = read_request(&mut stream).await;
                    received.lock().unwrap().push(request);
                    match answer {
                        Some(answer) => stream.write_all(answer.as_bytes()).await.unwrap_or(()),
                        // Never answers.
                        None => std::future::pending().await,
                    }
                    let _ = stream.shutdown().await;
                });
            }
        });
        receiver
    }

    pub fn url(&self) -> String {
        format!("https://localhost:{}/hook?team=a", self.address.port())
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

pub fn answer(status: &str, more: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n{more}\r\n")
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Received {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        if line == "\r\n" || line.is_empty() {
            break;
        }
        head.push_str(&line);
    }
    let mut received = Received {
        head,
        body: String::new(),
    };
    let length = received.head.lines().find_map(|line| {
        let line = line.to_ascii_lowercase();
        line.strip_prefix("content-length: ")?.parse().ok()
    });
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await.unwrap();
    received.body = String::from_utf8_lossy(&body).into_owned();
    received
}

/// What a mail server was told in one conversation.
#[derive(Clone, Debug, Default)]
pub struct Mail {
    pub commands: Vec<String>,
    pub content: String,
}

/// Whether a mail server's conversation is encrypted.
#[derive(Clone, Copy)]
pub enum Wire<'a> {
    /// Never.
    Plain,
    /// From the start.
    Tls(&'a Pki),
    /// Once the client asks for it (RFC 3207).
    StartTls(&'a Pki),
}

/// A mail server that takes everything (RFC 5321).
pub struct MailSink {
    pub address: SocketAddr,
    pub mails: Arc<Mutex<Vec<Mail>>>,
}

impl MailSink {
    pub async fn start(wire: Wire<'_>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sink = Self {
            address: listener.local_addr().unwrap(),
            mails: Arc::default(),
        };
        let mails = Arc::clone(&sink.mails);
        let (acceptor, at_once) = match wire {
            Wire::Plain => (None, false),
            Wire::Tls(pki) => (Some(pki.acceptor.clone()), true),
            Wire::StartTls(pki) => (Some(pki.acceptor.clone()), false),
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, mails) = (acceptor.clone(), Arc::clone(&mails));
                tokio::spawn(async move {
                    let mut mail = Mail::default();
                    serve(stream, acceptor, at_once, &mut mail).await;
                    if !mail.commands.is_empty() {
                        mails.lock().unwrap().push(mail);
                    }
                });
            }
        });
        sink
    }

    /// The mail, once the conversation about it has ended.
    pub async fn mail(&self) -> Mail {
        loop {
            if let Some(mail) = self.mails.lock().unwrap().pop() {
                return mail;
            }
            tokio::task::yield_now().await;
        }
    }
}

async fn serve(
    mut stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    at_once: bool,
    mail: &mut Mail,
) -> Option<()> {
    if at_once {
        let mut stream = acceptor?.accept(stream).await.ok()?;
        stream.write_all(GREETING).await.ok()?;
        converse(stream, false, mail).await;
        return Some(());
    }
    stream.write_all(GREETING).await.ok()?;
    let stream = converse(stream, acceptor.is_some(), mail).await?;
    let stream = acceptor?.accept(stream).await.ok()?;
    converse(stream, false, mail).await;
    Some(())
}

const GREETING: &[u8] = b"220 sink ESMTP\r\n";

/// Talks until the end, or until the client wants TLS: then with what to go on.
async fn converse<S>(stream: S, offers_tls: bool, mail: &mut Mail) -> Option<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return None;
        }
        let command = line.trim_end().to_owned();
        let verb = command.split(' ').next().unwrap_or_default();
        let said = match verb {
            "EHLO" if offers_tls => "250-sink\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n",
            "EHLO" => "250-sink\r\n250-8BITMIME\r\n250 AUTH PLAIN\r\n",
            "STARTTLS" => "220 go on\r\n",
            "AUTH" => "235 2.7.0 welcome\r\n",
            "DATA" => "354 go on\r\n",
            "QUIT" => "221 bye\r\n",
            _ => "250 ok\r\n",
        };
        let _ = stream.write_all(said.as_bytes()).await;
        let _ = stream.flush().await;
        mail.commands.push(command.clone());
        match verb {
            "DATA" => {
                loop {
                    let mut line = String::new();
                    if stream.read_line(&mut line).await.unwrap_or(0) == 0 || line == ".\r\n" {
                        break;
                    }
                    mail.content.push_str(&line);
                }
                let _ = stream.write_all(b"250 taken\r\n").await;
                let _ = stream.flush().await;
            }
            "STARTTLS" => return Some(stream.into_inner()),
            "QUIT" => return None,
            _ => {}
        }
    }
}
