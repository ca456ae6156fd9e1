//! The network of a company: a proxy that every connection goes through, and TLS with a certificate authority of its own.

use std::io::{BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::proxy::Message;

/// Longest wait for either side.
const PATIENCE: Duration = Duration::from_secs(30);

/// A certificate authority.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate in PEM.
    pub(crate) pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// The settings of a server with a certificate for these names.
    fn server(&self, names: &[&str]) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap()
    }
}

/// A listener on loopback that serves each connection in a thread; it stops listening when dropped.
struct Listening {
    address: SocketAddr,
    closing: Arc<AtomicBool>,
}

impl Listening {
    fn start(serve: impl Fn(TcpStream) -> std::io::Result<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, closing) = (listener.local_addr().unwrap(), Arc::new(AtomicBool::new(false)));
        let (is_closing, serve) = (Arc::clone(&closing), Arc::new(serve));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), false) = (stream, is_closing.load(Ordering::SeqCst)) else { return };
                let serve = Arc::clone(&serve);
                // A connection that breaks is the program's to deal with.
                std::thread::spawn(move || {
                    stream.set_read_timeout(Some(PATIENCE)).unwrap();
                    drop(serve(stream));
                });
            }
        });
        Self { address, closing }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::SeqCst);
        // Wakes the listener, which then sees that it is over.
        drop(TcpStream::connect(self.address));
    }
}

/// TLS before a server that speaks plain HTTP.
pub(crate) struct TlsServer {
    listening: Listening,
}

impl TlsServer {
    /// Starts one before `to`, with a certificate for these names.
    pub(crate) fn start(authority: &Authority, names: &[&str], to: &str) -> Self {
        let (config, to) = (Arc::new(authority.server(names)), to.to_owned());
        Self {
            listening: Listening::start(move |stream| {
                let tls = ServerConnection::new(Arc::clone(&config)).map_err(std::io::Error::other)?;
                let mut client = BufReader::new(StreamOwned::new(tls, stream));
                let upstream = TcpStream::connect(&to)?;
                upstream.set_read_timeout(Some(PATIENCE))?;
                let mut answers = BufReader::new(&upstream);
                while let Some(request) = Message::read(&mut client)? {
                    (&upstream).write_all(&request.bytes())?;
                    let Some(answer) = Message::read(&mut answers)? else { break };
                    client.get_mut().write_all(&answer.bytes())?;
                    client.get_mut().flush()?;
                }
                Ok(())
            }),
        }
    }

    pub(crate) fn address(&self) -> String {
        self.listening.address.to_string()
    }
}

/// An HTTP proxy that leads every connection to one place, whatever host it is for.
pub(crate) struct ConnectProxy {
    listening: Listening,
    requests: Arc<Mutex<Vec<String>>>,
}

impl ConnectProxy {
    /// Starts one that leads to `to`, or refuses every connection with this HTTP status.
    pub(crate) fn start(to: Result<&str, u16>) -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, to) = (Arc::clone(&requests), to.map(str::to_owned));
        let listening = Listening::start(move |client| {
            let mut reader = BufReader::new(client.try_clone()?);
            let Some(request) = Message::read(&mut reader)? else { return Ok(()) };
            let line = request.head.lines().next().unwrap_or_default();
            let target: Vec<&str> = line.split(' ').take(2).collect();
            seen.lock().unwrap().push(target.join(" "));
            let mut client = client;
            let to = match &to {
                Ok(to) => to,
                Err(status) => {
                    let answer = format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n");
                    return client.write_all(answer.as_bytes());
                }
            };
            let mut upstream = TcpStream::connect(to)?;
            if line.starts_with("CONNECT ") {
                client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
            } else {
                upstream.write_all(&request.bytes())?;
            }
            let (mut there, mut back) = (upstream.try_clone()?, client.try_clone()?);
            std::thread::spawn(move || copy(&mut reader, &mut there));
            copy(&mut upstream, &mut back);
            Ok(())
        });
        Self { listening, requests }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.listening.address)
    }

    /// Method and target of the first request of each connection, in order, each once.
    pub(crate) fn targets(&self) -> Vec<String> {
        let mut seen = self.requests.lock().unwrap().clone();
        seen.sort();
        seen.dedup();
        seen
    }
}

/// Copies until one side ends, and ends the other.
fn copy(from: &mut impl Read, to: &mut TcpStream) {
    // A broken connection ends like one that is closed.
    drop(std::io::copy(from, to));
    drop(to.shutdown(Shutdown::Write));
}
