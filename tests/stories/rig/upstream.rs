//! A scripted upstream: raw HTTP/1.1 on a socket of this host, one closure that plays every request.
//!
//! It keeps what it was sent, head and body, byte for byte. A panic in the closure fails the test.
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::wire::Wire;
use super::{Headers, eventually, read_body, read_head};

/// Stops, and tells of panics, when dropped.
pub struct Upstream {
    addr: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Request {
    /// How many requests this upstream got before it.
    pub number: usize,
    /// Which connection it came on, counted from 0.
    pub connection: usize,
    pub method: String,
    pub target: String,
    pub headers: Headers,
    pub body: Vec<u8>,
}

type Play = dyn Fn(&Request, &mut Wire) + Send + Sync;

struct Shared {
    play: Box<Play>,
    /// Whether bodies are read before the play begins.
    reads_bodies: bool,
    requests: Mutex<Vec<Request>>,
    panics: Mutex<Vec<String>>,
    /// By number; closed when the upstream is dropped.
    connections: Mutex<BTreeMap<usize, TcpStream>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    accepted: AtomicUsize,
    stopping: AtomicBool,
}

impl Upstream {
    pub fn start(play: impl Fn(&Request, &mut Wire) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        Self::on(listener, Box::new(play), true)
    }

    /// Plays as soon as it has the head of a request; a body stays unread.
    pub fn hasty(play: impl Fn(&Request, &mut Wire) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        Self::on(listener, Box::new(play), false)
    }

    fn on(listener: TcpListener, play: Box<Play>, reads_bodies: bool) -> Self {
        let addr = listener.local_addr().expect("a bound socket");
        let shared = Arc::new(Shared {
            play,
            reads_bodies,
            requests: Mutex::default(),
            panics: Mutex::default(),
            connections: Mutex::default(),
            threads: Mutex::default(),
            accepted: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
        });
        let theirs = shared.clone();
        let accepting = std::thread::spawn(move || accept(&listener, &theirs));
        Self {
            addr,
            shared,
            accepting: Some(accepting),
        }
    }

    /// Answers everything with this JSON.
    pub fn json(status: u16, body: &'static str) -> Self {
        Self::start(move |_, wire| wire.json(status, body))
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// What came so far.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().expect("no panic").clone()
    }

    pub fn count(&self) -> usize {
        self.requests().len()
    }

    /// The one request that must have come.
    #[track_caller]
    pub fn only(&self) -> Request {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:#?}");
        requests.remove(0)
    }

    /// Waits until `count` requests have come.
    pub fn until(&self, count: usize) {
        eventually("the upstream gets its requests", || {
            (self.count() >= count).then_some(())
        });
    }

    pub fn connections(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Wakes the accepting thread.
        let _ = TcpStream::connect(self.addr);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        for stream in self.shared.connections.lock().expect("no panic").values() {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
        let threads = std::mem::take(&mut *self.shared.threads.lock().expect("no panic"));
        for thread in threads {
            let _ = thread.join();
        }
        let panics = self.shared.panics.lock().expect("no panic");
        if !std::thread::panicking() {
            assert!(panics.is_empty(), "the upstream panicked: {panics:?}");
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let number = shared.accepted.fetch_add(1, Ordering::SeqCst);
        let twin = stream.try_clone().expect("a second handle");
        {
            let mut connections = shared.connections.lock().expect("no panic");
            connections.insert(number, twin);
        }
        let theirs = shared.clone();
        let thread = std::thread::spawn(move || serve(stream, number, &theirs));
        shared.threads.lock().expect("no panic").push(thread);
    }
}

fn serve(stream: TcpStream, connection: usize, shared: &Arc<Shared>) {
    let played = catch_unwind(AssertUnwindSafe(|| {
        let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
        let mut wire = Wire::new(stream);
        while let Some(request) = receive(&mut reader, connection, shared) {
            (shared.play)(&request, &mut wire);
            if wire.is_over() {
                break;
            }
        }
    }));
    // With its last handle the connection is closed, by a reset if the play asked for one.
    let mut connections = shared.connections.lock().expect("no panic");
    connections.remove(&connection);
    drop(connections);
    if let Err(panic) = played {
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let text = text.unwrap_or_else(|| "?".to_owned());
        shared.panics.lock().expect("no panic").push(text);
    }
}

/// The next request; `None` when the connection ends instead.
fn receive(
    reader: &mut BufReader<TcpStream>,
    connection: usize,
    shared: &Shared,
) -> Option<Request> {
    let (line, headers) = read_head(reader)?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let body = if !shared.reads_bodies {
        Vec::new()
    } else if let Some(length) = headers.get("content-length") {
        let mut body = vec![0; length.parse().expect("a length")];
        reader.read_exact(&mut body).ok()?;
        body
    } else if headers.get("transfer-encoding").is_some() {
        read_body(reader).ok()?
    } else {
        Vec::new()
    };
    let mut requests = shared.requests.lock().expect("no panic");
    let request = Request {
        number: requests.len(),
        connection,
        method,
        target,
        headers,
        body,
    };
    requests.push(request.clone());
    Some(request)
}

/// The rest of a connection, for upstreams that only listen.
pub fn swallow(mut reader: impl BufRead) {
    let _ = std::io::copy(&mut reader, &mut std::io::sink());
}
