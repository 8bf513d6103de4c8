//! Serves the simulated upstream: plays the scripts that the crate `simulated` makes.
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use pingora::apps::{
    HttpPersistentSettings, HttpServerApp, HttpServerOptions, ReusedHttpStream, ServerApp,
};
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use pingora::protocols::l4::stream::Stream;
use pingora::server::ShutdownWatch;
use tokio::net::TcpStream;

use simulated::{Request, Script, Simulated, Step};

/// A simulated upstream that is bound but does not serve yet.
#[derive(Debug)]
pub struct Simulator {
    socket: TcpListener,
    simulated: Arc<Simulated>,
}

impl Simulator {
    /// Binds `addr`.
    pub fn bind(addr: SocketAddr, simulated: Simulated) -> std::io::Result<Self> {
        let socket = TcpListener::bind(addr)?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            simulated: Arc::new(simulated),
        })
    }

    /// The address, with the port that the system chose.
    pub fn addr(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Its counters, and what can be switched while it runs.
    pub fn simulated(&self) -> Arc<Simulated> {
        self.simulated.clone()
    }

    /// Serves on `threads` threads (0 = one per core) until the process ends or `stop` resolves.
    pub fn run<T>(self, threads: usize, stop: impl Future<Output = T>) -> std::io::Result<()> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        if threads > 0 {
            builder.worker_threads(threads);
        }
        let runtime = builder.thread_name("simulated").enable_all().build()?;
        let outcome = runtime.block_on(async {
            tokio::select! {
                outcome = accept(self.socket, self.simulated) => outcome,
                _ = stop => Ok(()),
            }
        });
        runtime.shutdown_background();
        outcome
    }
}

async fn accept(socket: TcpListener, simulated: Arc<Simulated>) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(socket)?;
    let requests = Arc::new(AtomicU64::new(0));
    let (_running, watch) = tokio::sync::watch::channel(false);
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors: another connection has to end first.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (simulated, requests, watch) = (simulated.clone(), requests.clone(), watch.clone());
        tokio::spawn(async move {
            // The twin is a second handle to the same socket, through which a reset is made while Pingora owns the
            // stream.
            let Ok((stream, twin)) = twin(stream) else {
                return;
            };
            let player = Player::new(simulated, requests, twin);
            Arc::new(player)
                .process_new(Box::new(Stream::from(stream)), &watch)
                .await;
        });
    }
}

fn twin(stream: TcpStream) -> std::io::Result<(TcpStream, std::net::TcpStream)> {
    stream.set_nodelay(true)?;
    let stream = stream.into_std()?;
    let twin = stream.try_clone()?;
    Ok((TcpStream::from_std(stream)?, twin))
}

/// One connection.
struct Player {
    simulated: Arc<Simulated>,
    requests: Arc<AtomicU64>,
    twin: std::net::TcpStream,
    options: HttpServerOptions,
}

#[async_trait]
impl HttpServerApp for Player {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        _shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        if !session.read_request().await.ok()? {
            return None;
        }
        session.set_keepalive(Some(600));
        let body = read_body(&mut session).await?;
        let script = self.script(&session, &body);
        drop(body);
        let intact = self.play(&mut session, script).await?;
        if !intact {
            session.shutdown().await;
            return None;
        }
        let settings = HttpPersistentSettings::for_session(&session);
        let stream = session.finish().await.ok()??;
        Some(ReusedHttpStream::from_reusable_stream(stream, settings))
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        Some(&self.options)
    }
}

impl Player {
    fn new(simulated: Arc<Simulated>, requests: Arc<AtomicU64>, twin: std::net::TcpStream) -> Self {
        let mut options = HttpServerOptions::default();
        options.h2c = true;
        Self {
            simulated,
            requests,
            twin,
            options,
        }
    }

    /// Makes the following close a TCP reset.
    fn reset(&self) {
        // If this fails, the connection closes normally, which is a fault as well.
        let _ = socket2::SockRef::from(&self.twin).set_linger(Some(Duration::ZERO));
    }

    fn script(&self, session: &ServerSession, body: &[u8]) -> Script {
        let head = session.req_header();
        let request = Request {
            method: &head.method,
            path: head.uri.path(),
            query: head.uri.query().unwrap_or_default(),
            headers: &head.headers,
            body,
        };
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let created = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |now| now.as_secs());
        self.simulated
            .answer(request, number, i64::try_from(created).unwrap_or(i64::MAX))
    }

    /// Plays a script. `Some(true)` = the connection may be used again; `None` = it is gone.
    async fn play(&self, session: &mut ServerSession, script: Script) -> Option<bool> {
        for step in script.before {
            if let Some(end) = self.play_step(session, step).await? {
                return Some(end);
            }
        }
        let mut head = ResponseHeader::build(script.status, Some(script.headers.len() + 2)).ok()?;
        for (name, value) in script.headers {
            head.append_header(name, value).ok()?;
        }
        match script.length {
            Some(length) => head
                .insert_header(http::header::CONTENT_LENGTH, length)
                .ok()?,
            None if session.is_http2() => {}
            None => head
                .insert_header(http::header::TRANSFER_ENCODING, "chunked")
                .ok()?,
        }
        session.write_response_header(Box::new(head)).await.ok()?;
        for step in script.steps {
            if let Some(end) = self.play_step(session, step).await? {
                return Some(end);
            }
        }
        session.write_response_body(Bytes::new(), true).await.ok()?;
        Some(true)
    }

    /// Plays one step. `Some(Some(_))` = the script ends here.
    async fn play_step(&self, session: &mut ServerSession, step: Step) -> Option<Option<bool>> {
        match step {
            Step::Send(bytes) => {
                session.write_response_body(bytes, false).await.ok()?;
                Some(None)
            }
            Step::Wait(time) => {
                tokio::select! {
                    biased;
                    // This fails only when the client has gone.
                    _ = session.read_body_or_idle(true) => None,
                    () = tokio::time::sleep(time) => Some(None),
                }
            }
            Step::Stall => {
                let _ = session.read_body_or_idle(true).await;
                None
            }
            Step::Truncate => Some(Some(false)),
            Step::Reset => {
                self.reset();
                Some(Some(false))
            }
        }
    }
}

/// The whole body; `None` when the client is gone or sends more than [`MAX_BODY`].
async fn read_body(session: &mut ServerSession) -> Option<Bytes> {
    if session
        .req_header()
        .headers
        .contains_key(http::header::EXPECT)
    {
        session.write_continue_response().await.ok()?;
    }
    let Some(first) = session.read_request_body().await.ok()? else {
        return Some(Bytes::new());
    };
    let mut body = BytesMut::from(first);
    while let Some(chunk) = session.read_request_body().await.ok()? {
        if body.len() + chunk.len() > MAX_BODY {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    Some(body.freeze())
}

/// The most bytes of a request body.
const MAX_BODY: usize = 64 << 20;
