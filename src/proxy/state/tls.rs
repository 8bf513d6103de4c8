//! The certificates of the TLS listeners, renewed without a restart.
//!
//! Every reload reads them again, also when the configuration itself has not changed; with one that cannot be used it is
//! refused as a whole.
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use pingora::listeners::tls::Acceptor;
use pingora::tls::sign::CertifiedKey;
use pingora::tls::{
    CryptoProvider, ResolvesServerCert, ServerConfig, install_default_crypto_provider,
    load_certs_and_key_files, version,
};

use crate::config::{TlsFiles, TlsVersion};

/// The certificate of one listener.
#[derive(Debug)]
pub(crate) struct Certificate {
    /// Of the listener.
    addr: SocketAddr,
    files: TlsFiles,
    current: ArcSwap<CertifiedKey>,
}

impl Certificate {
    /// Reads chain and key, and checks that they belong together.
    pub(crate) fn load(addr: SocketAddr, files: &TlsFiles) -> Result<Arc<Self>, String> {
        Ok(Arc::new(Self {
            addr,
            current: ArcSwap::new(read(files)?),
            files: files.clone(),
        }))
    }

    /// Handshakes with this certificate, also after it is renewed.
    pub(crate) fn acceptor(self: &Arc<Self>) -> Acceptor {
        install_default_crypto_provider();
        let versions: &[_] = match self.files.min_version {
            TlsVersion::V12 => &[&version::TLS12, &version::TLS13],
            TlsVersion::V13 => &[&version::TLS13],
        };
        let mut config = ServerConfig::builder_with_protocol_versions(versions)
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Acceptor::from_server_config(Arc::new(config))
    }

    /// Reads them again, without using them yet.
    pub(crate) fn read_again(&self) -> Result<Renewed, String> {
        read(&self.files).map(Renewed)
    }

    /// Handshakes with this from now on.
    pub(crate) fn renew(&self, renewed: Renewed) {
        self.current.store(renewed.0);
    }

    /// Where it is shown, and when it expires in seconds of Unix time; `None` when that cannot be read.
    pub(crate) fn expiry(&self) -> Option<(String, i64)> {
        let key = self.current.load();
        let (_, leaf) = x509_parser::parse_x509_certificate(key.cert.first()?).ok()?;
        Some((self.addr.to_string(), leaf.validity().not_after.timestamp()))
    }
}

/// What was read again.
#[derive(Debug)]
pub(crate) struct Renewed(Arc<CertifiedKey>);

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: pingora::tls::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

fn read(files: &TlsFiles) -> Result<Arc<CertifiedKey>, String> {
    let (cert, key) = (files.cert.to_string_lossy(), files.key.to_string_lossy());
    let pair = load_certs_and_key_files(&cert, &key).map_err(|error| error.to_string())?;
    let (chain, key) = pair.ok_or_else(|| {
        format!(
            "{cert} holds no certificate, or {} no key",
            files.key.display()
        )
    })?;
    install_default_crypto_provider();
    let provider = CryptoProvider::get_default().ok_or("no cryptography is installed")?;
    CertifiedKey::from_der(chain, key, provider)
        .map(Arc::new)
        .map_err(|error| {
            format!(
                "{cert} and {} do not belong together: {error}",
                files.key.display()
            )
        })
}
