//! A token endpoint with a temper: short-lived access tokens, void ones now and then, every third request fails.
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::upstream::read;

#[derive(Debug)]
pub struct TokenEndpoint {
    pub addr: SocketAddr,
    pub asked: AtomicU64,
    granted: AtomicU64,
    /// Tokens before this one are void.
    oldest: AtomicU64,
}

impl TokenEndpoint {
    pub fn new(addr: SocketAddr) -> Arc<Self> {
        Arc::new(Self {
            addr,
            asked: AtomicU64::new(0),
            granted: AtomicU64::new(0),
            oldest: AtomicU64::new(0),
        })
    }

    pub async fn serve(self: Arc<Self>, listener: TcpListener, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                    tokio::spawn(self.clone().connection(stream, stop.clone()));
                },
                _ = stop.changed() => return,
            }
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, mut stop: watch::Receiver<bool>) {
        let mut stream = BufReader::new(stream);
        loop {
            let read = tokio::select! {
                read = read(&mut stream) => read,
                _ = stop.changed() => return,
            };
            if read.is_none() {
                return;
            }
            let (status, body) = if self.asked.fetch_add(1, Ordering::Relaxed) % 3 == 2 {
                (503, "{}".to_owned())
            } else {
                let number = self.granted.fetch_add(1, Ordering::Relaxed);
                (
                    200,
                    format!(
                        r#"{{"access_token":"{TOKEN}{number}","token_type":"Bearer","expires_in":5}}"#
                    ),
                )
            };
            let answer = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    pub fn is_good(&self, authorization: &str) -> bool {
        authorization
            .strip_prefix("Bearer ")
            .and_then(|token| token.strip_prefix(TOKEN)?.parse::<u64>().ok())
            .is_some_and(|number| number >= self.oldest.load(Ordering::Relaxed))
    }

    /// No token that was granted so far is good any more.
    pub fn void(&self) {
        let granted = self.granted.load(Ordering::Relaxed);
        self.oldest.store(granted, Ordering::Relaxed);
    }
}

/// What every access token begins with; must not occur in any log.
pub const TOKEN: &str = "soak-access-token-";
