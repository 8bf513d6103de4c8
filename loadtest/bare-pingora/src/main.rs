//! The least proxy that Pingora can be: every request to one upstream, nothing looked at, nothing logged.
//!
//! What Weir costs above this is Weir's own; what this costs above nginx is the framework's.
use std::net::SocketAddr;
use std::process::ExitCode;

use async_trait::async_trait;
use pingora::Result;
use pingora::server::Server;
use pingora::server::configuration::ServerConf;
use pingora::upstreams::peer::HttpPeer;
use pingora_proxy::{ProxyHttp, Session};

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[cfg(all(feature = "mimalloc", not(feature = "jemalloc")))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Bare {
    upstream: SocketAddr,
}

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) -> Self::CTX {}

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        _ctx: &mut Self::CTX,
    ) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.upstream, false, String::new())))
    }
}

fn main() -> ExitCode {
    // As Weir has it.
    #[cfg(all(feature = "jemalloc", not(target_env = "musl")))]
    let _ = tikv_jemalloc_ctl::background_thread::write(true);
    let args: Vec<String> = std::env::args().skip(1).collect();
    let address = |at: usize| args.get(at)?.parse::<SocketAddr>().ok();
    let (Some(listen), Some(upstream)) = (address(0), address(1)) else {
        eprintln!(
            "usage: bare-pingora LISTEN UPSTREAM [CERTIFICATE KEY] (two socket addresses, two PEM files)"
        );
        return ExitCode::from(2);
    };
    let conf = ServerConf {
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        // Room for every connection of the load test, so that none is opened anew in the middle of a measurement.
        upstream_keepalive_pool_size: 1024,
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(0),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let mut service = pingora_proxy::http_proxy_service(&server.configuration, Bare { upstream });
    match &args[2..] {
        [certificate, key] => {
            if let Err(fault) = service.add_tls(&listen.to_string(), certificate, key) {
                eprintln!("bare-pingora: {fault}");
                return ExitCode::from(2);
            }
        }
        _ => service.add_tcp(&listen.to_string()),
    }
    server.add_service(service);
    server.run_forever()
}
