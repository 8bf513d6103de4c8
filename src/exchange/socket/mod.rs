//! The Responses API on a WebSocket, without the socket itself: its messages, its memory, and the events that Weir
//! writes.
//!
//! Each `response.create` becomes the body of an ordinary `POST /v1/responses`. The difference is a socket's memory: a
//! client that continues a response of the same socket sends only what is new.
//! Spec: <https://developers.openai.com/api/docs/guides/websocket-mode>.
pub mod answer;
pub mod chain;
pub mod lanes;
pub mod message;
pub mod said;
pub mod upstream;
