//! A scripted upstream behind TLS that speaks HTTP/2 and nothing else: it says at once what a request is worth, or after it
//! has read all of it.
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use pingora::tls::{PrivateKeyDer, ServerConfig, TlsAcceptor};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// What is done with one request.
#[derive(Clone, Copy, Debug)]
pub enum Say {
    /// This status and body, with the body of the request unread for ever.
    AtOnce(u16, &'static str),
    /// The same after the whole request.
    AfterAll(u16, &'static str),
    /// It ends the stream, and says that it has not looked at the request.
    Refused,
    /// Nothing, with the body of the request unread for ever.
    Nothing,
    /// It begins an answer, reads the request, and ends the answer.
    Meanwhile(&'static str),
    /// A stream of events: the first once, and the second again and again until nobody wants more.
    Endless(&'static str, &'static str),
    /// The same as `AfterAll`, once so many requests have come.
    Together(usize, &'static str),
}

type Play = dyn Fn(usize) -> Say + Send + Sync;

/// Stops when dropped.
pub struct Http2Upstream {
    addr: SocketAddr,
    seen: Arc<Seen>,
    _runtime: Runtime,
}

struct Seen {
    play: Box<Play>,
    connections: AtomicUsize,
    requests: AtomicUsize,
    bodies: Mutex<Vec<usize>>,
    sent: AtomicUsize,
}

impl Http2Upstream {
    /// Under a certificate for `localhost`, which is left in `dir/ca.pem`; with so many streams on a connection at most.
    pub fn of_streams(
        dir: &Path,
        streams: u32,
        play: impl Fn(usize) -> Say + Send + Sync + 'static,
    ) -> Self {
        let made =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        std::fs::write(dir.join("ca.pem"), made.cert.pem()).expect("a file");
        let key = PrivateKeyDer::try_from(made.key_pair.serialize_der()).expect("a key");
        pingora::tls::install_default_crypto_provider();
        let mut tls = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("a pair");
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let tls = TlsAcceptor::from(Arc::new(tls));
        let seen = Arc::new(Seen {
            play: Box::new(play),
            connections: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
            bodies: Mutex::default(),
            sent: AtomicUsize::new(0),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("threads");
        let listener = runtime
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .expect("a free port");
        let addr = listener.local_addr().expect("a bound socket");
        let theirs = seen.clone();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connection(stream, tls.clone(), streams, theirs.clone()));
            }
        });
        Self {
            addr,
            seen,
            _runtime: runtime,
        }
    }

    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.addr.port())
    }

    pub fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    pub fn requests(&self) -> usize {
        self.seen.requests.load(Ordering::SeqCst)
    }

    /// Bytes of endless streams that have gone out.
    pub fn sent(&self) -> usize {
        self.seen.sent.load(Ordering::SeqCst)
    }

    /// How long the bodies were that it read to their end.
    pub fn bodies(&self) -> Vec<usize> {
        self.seen.bodies.lock().expect("no panic").clone()
    }
}

async fn connection(stream: TcpStream, tls: TlsAcceptor, streams: u32, seen: Arc<Seen>) {
    let Ok(stream) = tls.accept(stream).await else {
        return;
    };
    seen.connections.fetch_add(1, Ordering::SeqCst);
    let handshake = h2::server::Builder::new()
        .max_concurrent_streams(streams)
        .handshake(stream);
    let Ok(mut connection) = handshake.await else {
        return;
    };
    while let Some(Ok((request, answer))) = connection.accept().await {
        let say = (seen.play)(seen.requests.fetch_add(1, Ordering::SeqCst));
        tokio::spawn(play(say, request.into_body(), answer, seen.clone()));
    }
}

async fn play(
    say: Say,
    mut request: h2::RecvStream,
    mut answer: SendResponse<Bytes>,
    seen: Arc<Seen>,
) {
    let json = |status: u16| {
        let head = http::Response::builder().status(status);
        let head = head.header("content-type", "application/json");
        head.body(()).expect("a head")
    };
    // Whoever asked may be gone.
    match say {
        Say::Refused => answer.send_reset(h2::Reason::REFUSED_STREAM),
        Say::Nothing => {
            let _ = std::future::poll_fn(|cx| answer.poll_reset(cx)).await;
            drop(request);
        }
        Say::AtOnce(status, body) => {
            if let Ok(mut stream) = answer.send_response(json(status), false) {
                let _ = stream.send_data(body.into(), true);
            }
            // What is dropped is reset: it is kept until the other side gives up its request.
            let _ = std::future::poll_fn(|cx| answer.poll_reset(cx)).await;
            drop(request);
        }
        Say::AfterAll(status, body) => {
            read(&mut request, &seen).await;
            if let Ok(mut stream) = answer.send_response(json(status), false) {
                let _ = stream.send_data(body.into(), true);
            }
        }
        Say::Together(count, body) => {
            read(&mut request, &seen).await;
            while seen.requests.load(Ordering::SeqCst) < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            if let Ok(mut stream) = answer.send_response(json(200), false) {
                let _ = stream.send_data(body.into(), true);
            }
        }
        Say::Endless(first, more) => {
            read(&mut request, &seen).await;
            let head = http::Response::builder().header("content-type", "text/event-stream");
            let head = head.body(()).expect("a head");
            let Ok(mut stream) = answer.send_response(head, false) else {
                return;
            };
            let mut next = first;
            loop {
                stream.reserve_capacity(next.len());
                let mut room = 0;
                while room < next.len() {
                    match std::future::poll_fn(|cx| stream.poll_capacity(cx)).await {
                        Some(Ok(_)) => room = stream.capacity(),
                        _ => return,
                    }
                }
                if stream.send_data(next.into(), false).is_err() {
                    return;
                }
                seen.sent.fetch_add(next.len(), Ordering::SeqCst);
                next = more;
            }
        }
        Say::Meanwhile(body) => {
            let stream = answer.send_response(json(200), false);
            read(&mut request, &seen).await;
            if let Ok(mut stream) = stream {
                let _ = stream.send_data(body.into(), true);
            }
        }
    }
}

async fn read(request: &mut h2::RecvStream, seen: &Seen) {
    let mut length = 0;
    while let Some(data) = request.data().await {
        let Ok(data) = data else { return };
        length += data.len();
        let _ = request.flow_control().release_capacity(data.len());
    }
    seen.bodies.lock().expect("no panic").push(length);
}
