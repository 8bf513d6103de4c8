//! Clients that read slowly, over HTTP/2: two streams of each connection stand still now and then, and the third must not
//! wait for them.
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use h2::client::{self, SendRequest};
use http::Request;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::client::{Asked, Clients, Listening, Outcome, judge_plain, question};
use crate::random::Random;

/// One client, until it is told to stop: three questions at once on a connection of their own.
pub async fn run(clients: Arc<Clients>, seed: u64) {
    let random = Random::new(seed);
    while !clients.stop.load(Ordering::Relaxed) {
        let all = [true, true, false].map(|slow| {
            let mut asked = clients.think(&random);
            asked.stream = true;
            asked.leaves = None;
            clients.ledger.ask(asked);
            (slow, asked)
        });
        let connection = connect(&clients).await;
        let mut asking = JoinSet::new();
        for (slow, asked) in all {
            let (clients, sender) = (clients.clone(), connection.clone());
            asking.spawn(async move {
                let patience = if slow { SLOW } else { QUICK };
                let asking = ask(&clients, sender, asked, slow);
                let outcome = tokio::time::timeout(patience, asking).await;
                let late = if slow {
                    "a slow reader without an end"
                } else {
                    "no end, behind slow readers"
                };
                clients
                    .ledger
                    .settle(asked.id, outcome.unwrap_or(Outcome::Broken(late)));
            });
        }
        while asking.join_next().await.is_some() {}
        tokio::time::sleep(Duration::from_millis(random.between(50, 500))).await;
    }
}

async fn connect(clients: &Clients) -> Option<SendRequest<Bytes>> {
    let stream = TcpStream::connect(clients.weir).await.ok()?;
    let (sender, connection) = client::Builder::new()
        .initial_window_size(WINDOW)
        .handshake(stream)
        .await
        .ok()?;
    tokio::spawn(async move {
        // What ends it shows in its streams.
        let _ = connection.await;
    });
    Some(sender)
}

async fn ask(
    clients: &Clients,
    sender: Option<SendRequest<Bytes>>,
    asked: Asked,
    slow: bool,
) -> Outcome {
    let Some(sender) = sender else {
        return Outcome::Broken("no connection");
    };
    let (path, body) = question(&asked);
    let request = Request::post(format!("http://{}{path}", clients.weir))
        .header("authorization", format!("Bearer {}", clients.key))
        .header("x-request-id", format!("soak-{}", asked.id))
        .header("anthropic-version", "2023-06-01")
        .header("content-type", "application/json")
        .body(());
    let (Ok(request), Ok(mut sender)) = (request, sender.ready().await) else {
        return Outcome::Broken("the request could not be sent");
    };
    let Ok((answer, mut sending)) = sender.send_request(request, false) else {
        return Outcome::Broken("the request could not be sent");
    };
    if sending.send_data(body.into(), true).is_err() {
        return Outcome::Broken("the request could not be sent");
    }
    let Ok(answer) = answer.await else {
        return Outcome::Broken("the stream ended before an answer");
    };
    let status = answer.status().as_u16();
    let media = answer.headers().get("content-type");
    let events = media.is_some_and(|media| media.as_bytes().starts_with(b"text/event-stream"));
    let body = answer.into_body();
    if events {
        listen(asked, status, body, slow).await
    } else {
        match whole(body).await {
            Some(body) => judge_plain(asked, status, &body),
            None => Outcome::Broken("a plain answer that broke off"),
        }
    }
}

async fn listen(asked: Asked, status: u16, mut body: RecvStream, slow: bool) -> Outcome {
    if status != 200 {
        return Outcome::Broken("a stream where none belongs");
    }
    let mut listening = Listening::new(asked.dialect);
    let mut pauses = PAUSES;
    while let Some(read) = body.data().await {
        let Ok(piece) = read else {
            return listening.broke();
        };
        if slow && pauses > 0 {
            pauses -= 1;
            tokio::time::sleep(PAUSE).await;
        }
        if body.flow_control().release_capacity(piece.len()).is_err() {
            return listening.broke();
        }
        if let Err(why) = listening.push(&piece) {
            return Outcome::Broken(why);
        }
    }
    listening.end()
}

async fn whole(mut body: RecvStream) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(read) = body.data().await {
        let piece = read.ok()?;
        body.flow_control().release_capacity(piece.len()).ok()?;
        all.extend(piece);
    }
    Some(all)
}

/// Bytes that Weir may send ahead of what is read.
const WINDOW: u32 = 2 << 10;

/// How long a slow reader stands still before it takes the next bytes, and how often.
const PAUSE: Duration = Duration::from_millis(400);
const PAUSES: u32 = 10;

/// How long an answer may take, for who reads slowly and for who does not. Weir's patience with upstreams is shorter.
const SLOW: Duration = Duration::from_mins(2);
const QUICK: Duration = Duration::from_secs(45);
