//! `weir init --web`: the first-run page. It listens on loopback only and admits whoever has the code that the terminal
//! shows, once and within ten minutes. It ends when the files are written.
//!
//! A function of the command does what the page asks for; this file does not know what is written.
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method};
use pingora::apps::{HttpPersistentSettings, HttpServerApp, ReusedHttpStream, ServerApp};
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use pingora::protocols::l4::stream::Stream;
use pingora::server::ShutdownWatch;
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;
use tokio::sync::Notify;

use super::state::sources::random_text;

/// Does what the page asks for; `Err` is the message for the page.
pub type Make = dyn Fn(&[u8]) -> Result<Value, String> + Send + Sync;

/// A page that is bound but does not serve yet.
pub struct Setup {
    socket: TcpListener,
    page: Page,
}

/// What all connections share.
struct Page {
    door: Mutex<Door>,
    providers: Vec<&'static str>,
    make: Box<Make>,
    done: Notify,
}

/// The code until it is used, and then the session that it was exchanged for.
struct Door {
    code: Option<(String, Instant)>,
    session: Option<String>,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup")
            .field("socket", &self.socket)
            .finish_non_exhaustive()
    }
}

impl Setup {
    /// Binds `addr`, which must be a loopback address. Also returns the code.
    pub fn bind(
        addr: SocketAddr,
        providers: Vec<&'static str>,
        make: Box<Make>,
    ) -> std::io::Result<(Self, String)> {
        if !addr.ip().to_canonical().is_loopback() {
            return Err(std::io::Error::other(
                "the first-run page is for this host only: choose an address of loopback",
            ));
        }
        let code = random_text().ok_or_else(|| std::io::Error::other("no randomness"))?;
        let socket = TcpListener::bind(addr)?;
        socket.set_nonblocking(true)?;
        let door = Door {
            code: Some((code.clone(), Instant::now())),
            session: None,
        };
        let page = Page {
            door: Mutex::new(door),
            providers,
            make,
            done: Notify::new(),
        };
        Ok((Self { socket, page }, code))
    }

    /// The address, with the port that the system chose.
    pub fn addr(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until the files are written (`true`) or the time is over (`false`).
    pub fn run(self) -> std::io::Result<bool> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let page = Arc::new(self.page);
        let served = runtime.block_on(async {
            tokio::select! {
                failed = accept(self.socket, page.clone()) => failed.map(|()| false),
                () = page.done.notified() => Ok(true),
                () = abandoned(&page) => Ok(false),
            }
        });
        // Lets the last answer be sent.
        runtime.shutdown_timeout(Duration::from_millis(500));
        served
    }
}

/// Ends when the code was not used in time, or its session takes too long.
async fn abandoned(page: &Page) {
    tokio::time::sleep(VALID).await;
    let entered = page.door().session.is_some();
    if entered {
        tokio::time::sleep(SESSION).await;
    }
}

async fn accept(socket: TcpListener, page: Arc<Page>) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(socket)?;
    let (_running, watch) = tokio::sync::watch::channel(false);
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (page, watch) = (page.clone(), watch.clone());
        tokio::spawn(async move {
            let app = Arc::new(Visit(page));
            app.process_new(Box::new(Stream::from(stream)), &watch)
                .await;
        });
    }
}

struct Visit(Arc<Page>);

#[async_trait]
impl HttpServerApp for Visit {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        _shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let reading = tokio::time::timeout(PATIENCE, session.read_request());
        if !matches!(reading.await, Ok(Ok(true))) {
            return None;
        }
        session.set_keepalive(None);
        let reading = tokio::time::timeout(PATIENCE, read_body(&mut session));
        let body = reading.await.ok()??;
        let (status, media, answer) = self.0.answer(&session, &body).await;
        let mut head = ResponseHeader::build(status, Some(8)).ok()?;
        head.insert_header("content-type", media).ok()?;
        head.insert_header("content-length", answer.len()).ok()?;
        for (name, value) in HEADERS {
            head.insert_header(name, value).ok()?;
        }
        session.write_response_header(Box::new(head)).await.ok()?;
        session.write_response_body(answer, true).await.ok()?;
        let settings = HttpPersistentSettings::for_session(&session);
        let stream = session.finish().await.ok()?;
        if status == MADE {
            self.0.done.notify_one();
        }
        Some(ReusedHttpStream::from_reusable_stream(stream?, settings))
    }
}

impl Page {
    fn door(&self) -> std::sync::MutexGuard<'_, Door> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, session: &ServerSession, body: &[u8]) -> (u16, &'static str, Bytes) {
        let head = session.req_header();
        let told = |status: u16, value: &Value| (status, JSON, Bytes::from(value.to_string()));
        let fault = |status: u16, why: &str| told(status, &json!({ "error": why }));
        if let Err((status, why)) = is_meant(&head.headers) {
            return fault(status, why);
        }
        match (&head.method, head.uri.path()) {
            (&Method::GET, "/") => (200, "text/html; charset=utf-8", Bytes::from_static(HTML)),
            (&Method::GET, "/setup.js") => (
                200,
                "text/javascript; charset=utf-8",
                Bytes::from_static(SCRIPT),
            ),
            (&Method::GET, "/setup.css") => {
                (200, "text/css; charset=utf-8", Bytes::from_static(STYLE))
            }
            (&Method::GET, "/providers") => told(200, &json!(self.providers)),
            (&Method::POST, "/session") => {
                if let Some(session) = self.enter(body) {
                    told(200, &json!({ "session": session }))
                } else {
                    tokio::time::sleep(WRONG).await;
                    fault(
                        401,
                        "this code is not known, was used, or is older than ten minutes: `weir init --web` prints another",
                    )
                }
            }
            (&Method::POST, "/make") => {
                if !self.is_in(&head.headers) {
                    return fault(401, "open the link that the terminal shows");
                }
                match tokio::task::block_in_place(|| (self.make)(body)) {
                    Ok(made) => told(MADE, &made),
                    Err(why) => fault(422, &why),
                }
            }
            _ => fault(404, "nothing here"),
        }
    }

    /// Exchanges the code for a session, once and in time.
    fn enter(&self, body: &[u8]) -> Option<String> {
        let given: Value = serde_json::from_slice(body).ok()?;
        let given = given.get("code")?.as_str()?;
        let mut door = self.door();
        let (code, since) = door.code.as_ref()?;
        if since.elapsed() > VALID || !bool::from(given.as_bytes().ct_eq(code.as_bytes())) {
            return None;
        }
        let session = random_text()?;
        door.code = None;
        door.session = Some(session.clone());
        Some(session)
    }

    fn is_in(&self, headers: &HeaderMap) -> bool {
        let given = headers
            .get("authorization")
            .map(http::HeaderValue::as_bytes);
        let given = given.and_then(|value| value.strip_prefix(b"Bearer "));
        let door = self.door();
        door.session
            .as_ref()
            .zip(given)
            .is_some_and(|(session, given)| given.ct_eq(session.as_bytes()).into())
    }
}

/// Refuses requests under another host name, which a foreign page may have made point here, and requests that a foreign
/// page sent.
fn is_meant(headers: &HeaderMap) -> Result<(), (u16, &'static str)> {
    let host = headers.get("host").and_then(|host| host.to_str().ok());
    let host = host.unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    if !matches!(name, "127.0.0.1" | "localhost" | "[::1]") {
        return Err((421, "this page is asked as 127.0.0.1 or localhost"));
    }
    let own = format!("http://{host}");
    match headers.get("origin") {
        Some(origin) if origin.as_bytes() != own.as_bytes() => {
            Err((403, "a page of another origin sent this"))
        }
        _ => Ok(()),
    }
}

async fn read_body(session: &mut ServerSession) -> Option<Bytes> {
    let mut body = BytesMut::new();
    while let Some(chunk) = session.read_request_body().await.ok()? {
        if body.len() + chunk.len() > LONGEST {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    Some(body.freeze())
}

const HEADERS: [(&str, &str); 5] = [
    ("cache-control", "no-store"),
    (
        "content-security-policy",
        "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    ),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("cross-origin-opener-policy", "same-origin"),
];

const HTML: &[u8] = include_bytes!("setup/index.html");
const SCRIPT: &[u8] = include_bytes!("setup/setup.js");
const STYLE: &[u8] = include_bytes!("setup/setup.css");
const JSON: &str = "application/json";

/// The status which says that the files are written and the page is finished.
const MADE: u16 = 201;

/// The most bytes of a request body.
const LONGEST: usize = 64 << 10;

/// How long a code is valid.
const VALID: Duration = Duration::from_mins(10);

/// How long a session may last after that.
const SESSION: Duration = Duration::from_mins(50);

/// The delay of the answer to a wrong code.
const WRONG: Duration = Duration::from_millis(500);

/// The longest time for a request to arrive.
const PATIENCE: Duration = Duration::from_secs(10);
