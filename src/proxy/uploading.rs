//! A file that is uploaded from a client to an upstream: it is passed on as it arrives and never held as a whole.
//!
//! No part of it can be sent again, so a failure after its first byte is a failure for the client, too. A client that
//! waits for permission to send (`Expect: 100-continue`) gets it when the upstream is connected.
use std::time::{Duration, Instant};

use http::header::EXPECT;
use pingora::http::RequestHeader;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::client::HttpSession;

use super::client::body::{self, BodyFault};
use super::client::pace::Pace;
use super::upstream::http::{Sending, Sent};
use crate::config::Server;
use crate::exchange::operation::ModelCall;
use crate::exchange::refusal::Refusal;
use crate::exchange::vendor_call::Upload;

/// A body that is passed on as it arrives.
pub(super) struct Uploading {
    /// The most bytes that may pass.
    limit: usize,
    /// The fewest bytes per second that must arrive.
    rate: usize,
    /// Bytes that have arrived.
    taken: u64,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// Nothing is passed on: the body has been read already.
    Held,
    Waiting,
    Passing,
    /// The whole body has arrived.
    Over,
}

impl Uploading {
    /// A body within the limits of the configuration. Without `upload`, the request's body has been read already.
    pub(super) fn new(server: &Server, upload: Option<Upload>) -> Self {
        Self {
            limit: server.max_upload,
            rate: server.client_timeouts.body_rate,
            taken: 0,
            phase: match upload {
                Some(_) => Phase::Waiting,
                None => Phase::Held,
            },
        }
    }

    /// Whether the body of a call is to be passed on. A small body is held like any other, so that it can be sent
    /// again.
    pub(super) fn is_wanted(call: &mut ModelCall, server: &Server) -> Result<bool, Refusal> {
        let Some(vendor_call) = call.vendor_call.as_deref_mut() else {
            return Ok(false);
        };
        let most = HELD.min(server.max_body as u64);
        vendor_call.upload = vendor_call
            .upload
            .filter(|upload| upload.length.is_none_or(|length| length > most));
        match vendor_call.upload {
            Some(Upload {
                length: Some(length),
            }) if length > server.max_upload as u64 => Err(too_large(server.max_upload)),
            upload => Ok(upload.is_some()),
        }
    }

    /// Whether the body is passed on as it arrives.
    pub(super) fn passes(&self) -> bool {
        self.phase != Phase::Held
    }

    /// Whether the request can be sent again.
    pub(super) fn is_repeatable(&self) -> bool {
        matches!(self.phase, Phase::Held | Phase::Waiting)
    }

    /// Whether the client still has bytes to send.
    pub(super) fn is_awaited(&self) -> bool {
        matches!(self.phase, Phase::Waiting | Phase::Passing)
    }

    /// Bytes that have arrived.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Sends `head`, and then what arrives from the client. One write may take as long as `patience`.
    pub(super) async fn pass(
        &mut self,
        client: &mut ServerSession,
        upstream: &mut HttpSession,
        head: Box<RequestHeader>,
        patience: Duration,
    ) -> Result<Sent, BodyFault> {
        let mut sending = match Sending::begin(upstream, head, patience).await {
            Ok(sending) => sending,
            Err(sent) => return Ok(sent),
        };
        self.phase = Phase::Passing;
        let expects = client.req_header().headers.contains_key(EXPECT);
        if expects && client.as_http1().is_some() && client.write_continue_response().await.is_err()
        {
            return Err(BodyFault::Gone);
        }
        let mut pace = Pace::new(self.rate, Instant::now());
        loop {
            // While the client pauses, the upstream may already answer.
            let chunk = tokio::select! {
                biased;
                sent = sending.refused() => return Ok(sent),
                chunk = body::chunk(client, &mut pace) => chunk?,
            };
            let Some(chunk) = chunk else { break };
            self.taken += chunk.len() as u64;
            if self.taken > self.limit as u64 {
                return Err(BodyFault::Refused(too_large(self.limit)));
            }
            if let Err(sent) = sending.write(chunk).await {
                return Ok(sent);
            }
        }
        self.phase = Phase::Over;
        Ok(sending.finish().await)
    }
}

fn too_large(limit: usize) -> Refusal {
    Refusal::BodyTooLarge {
        limit,
        setting: "server.max_upload",
    }
}

/// Files up to this many bytes are held as a whole.
const HELD: u64 = 1 << 20;
