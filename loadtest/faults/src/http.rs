//! As much of HTTP/1.1 as both ends of the soak need.
use std::io::{Error, ErrorKind, Result};

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

/// A first line and headers, names in lower case.
#[derive(Debug)]
pub struct Head {
    pub first: String,
    pub headers: Vec<(String, String)>,
}

/// What is left of a body.
#[derive(Debug)]
pub enum Body {
    Chunked,
    Length(usize),
    /// Up to the close.
    Open,
    Over,
}

impl Head {
    /// `None` when the connection ends before it.
    pub async fn read(from: &mut (impl AsyncBufRead + Unpin)) -> Result<Option<Self>> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if from.read_line(&mut line).await? == 0 {
                return if lines.is_empty() {
                    Ok(None)
                } else {
                    Err(ErrorKind::UnexpectedEof.into())
                };
            }
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            lines.push(line.to_owned());
        }
        let mut lines = lines.into_iter();
        let first = lines.next().unwrap_or_default();
        let headers = lines
            .filter_map(|line| {
                let (name, value) = line.split_once(':')?;
                Some((name.to_ascii_lowercase(), value.trim().to_owned()))
            })
            .collect();
        Ok(Some(Self { first, headers }))
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body of an answer; a request without a length has none.
    pub fn body(&self, of_request: bool) -> Result<Body> {
        if self
            .get("transfer-encoding")
            .is_some_and(|value| value == "chunked")
        {
            return Ok(Body::Chunked);
        }
        match self.get("content-length") {
            Some(length) => length.parse().map(Body::Length).map_err(Error::other),
            None if of_request => Ok(Body::Over),
            None => Ok(Body::Open),
        }
    }
}

impl Body {
    /// The next piece; `None` at its regular end. An error: it broke off.
    pub async fn next(
        &mut self,
        from: &mut (impl AsyncBufRead + Unpin),
    ) -> Result<Option<Vec<u8>>> {
        match self {
            Self::Over | Self::Length(0) => Ok(None),
            Self::Length(left) => {
                let piece = from.fill_buf().await?;
                if piece.is_empty() {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                let piece = piece[..piece.len().min(*left)].to_vec();
                from.consume(piece.len());
                *left -= piece.len();
                Ok(Some(piece))
            }
            Self::Open => {
                let piece = from.fill_buf().await?.to_vec();
                from.consume(piece.len());
                Ok((!piece.is_empty()).then_some(piece))
            }
            Self::Chunked => {
                let mut line = String::new();
                if from.read_line(&mut line).await? == 0 {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                let size = usize::from_str_radix(line.trim(), 16).map_err(Error::other)?;
                let mut piece = vec![0; size + 2];
                from.read_exact(&mut piece).await?;
                if !piece.ends_with(b"\r\n") {
                    return Err(Error::other("a chunk that does not end"));
                }
                piece.truncate(size);
                if size == 0 {
                    *self = Self::Over;
                    return Ok(None);
                }
                Ok(Some(piece))
            }
        }
    }

    pub async fn whole(mut self, from: &mut (impl AsyncBufRead + Unpin)) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(piece) = self.next(from).await? {
            all.extend(piece);
        }
        Ok(all)
    }
}
