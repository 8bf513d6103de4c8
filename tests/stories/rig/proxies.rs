//! Two tiny egress proxies: HTTP CONNECT and SOCKS5. They connect wherever they are told and keep what they heard.
use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::{read_head, upstream::swallow};

/// A proxy; it ends with the process.
pub struct Proxy {
    pub addr: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Speaks CONNECT; refuses whoever sends no credentials when it asks for them.
    pub fn http(asks: bool) -> Self {
        Self::start(move |stream, heard| http(stream, asks, heard))
    }

    /// Speaks SOCKS5.
    pub fn socks5(asks: bool) -> Self {
        Self::start(move |stream, heard| socks5(stream, asks, heard))
    }

    /// Target and credentials of each tunnel.
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("no panic").clone()
    }

    fn start(
        serve: impl Fn(TcpStream, &dyn Fn(String)) -> Option<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("a bound socket");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (serve, log) = (Arc::new(serve), heard.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (serve, log) = (serve.clone(), log.clone());
                std::thread::spawn(move || {
                    serve(stream, &|line| log.lock().expect("no panic").push(line));
                });
            }
        });
        Self { addr, heard }
    }
}

fn http(mut stream: TcpStream, asks: bool, heard: &dyn Fn(String)) -> Option<()> {
    let (line, headers) = read_head(&mut BufReader::new(stream.try_clone().ok()?))?;
    let target = line.split(' ').nth(1)?.to_owned();
    let credentials = headers
        .get("proxy-authorization")
        .unwrap_or("none")
        .to_owned();
    heard(format!("{target} {credentials}"));
    if asks && credentials == "none" {
        let refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n";
        return stream.write_all(refusal).ok();
    }
    let upstream = TcpStream::connect(target).ok()?;
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok()?;
    tunnel(stream, upstream)
}

fn socks5(mut stream: TcpStream, asks: bool, heard: &dyn Fn(String)) -> Option<()> {
    let take = |stream: &mut TcpStream, count: usize| {
        let mut bytes = vec![0; count];
        stream.read_exact(&mut bytes).ok()?;
        Some(bytes)
    };
    let greeting = take(&mut stream, 2)?;
    let methods = take(&mut stream, usize::from(greeting[1]))?;
    let mut credentials = "none".to_owned();
    if asks {
        if !methods.contains(&2) {
            heard("no credentials offered".into());
            return stream.write_all(&[5, 0xff]).ok();
        }
        stream.write_all(&[5, 2]).ok()?;
        let mut texts = Vec::new();
        take(&mut stream, 1)?;
        for _ in 0..2 {
            let length = take(&mut stream, 1)?[0];
            let text = take(&mut stream, usize::from(length))?;
            texts.push(String::from_utf8_lossy(&text).into_owned());
        }
        credentials = texts.join(":");
        stream.write_all(&[1, 0]).ok()?;
    } else {
        stream.write_all(&[5, 0]).ok()?;
    }
    let request = take(&mut stream, 4)?;
    let host = match request[3] {
        1 => {
            let octets = take(&mut stream, 4)?;
            octets
                .iter()
                .map(u8::to_string)
                .collect::<Vec<_>>()
                .join(".")
        }
        3 => {
            let length = take(&mut stream, 1)?[0];
            String::from_utf8(take(&mut stream, usize::from(length))?).ok()?
        }
        _ => return None,
    };
    let port = take(&mut stream, 2)?;
    let target = format!("{host}:{}", u16::from_be_bytes([port[0], port[1]]));
    heard(format!("{target} {credentials}"));
    let upstream = TcpStream::connect(target).ok()?;
    stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).ok()?;
    tunnel(stream, upstream)
}

fn tunnel(mut client: TcpStream, mut upstream: TcpStream) -> Option<()> {
    let (mut there, mut back) = (client.try_clone().ok()?, upstream.try_clone().ok()?);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut there, &mut upstream);
        let _ = upstream.shutdown(std::net::Shutdown::Write);
        swallow(BufReader::new(there));
    });
    let _ = std::io::copy(&mut back, &mut client);
    let _ = client.shutdown(std::net::Shutdown::Both);
    Some(())
}
