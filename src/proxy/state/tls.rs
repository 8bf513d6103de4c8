//! The certificates of the TLS listeners, renewed without a restart.
//!
//! Every reload reads them again, even if the configuration itself has not changed. If one of them cannot be used, the
//! whole reload is refused.
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use pingora::listeners::tls::Acceptor;
use pingora::protocols::IO;
use pingora::protocols::tls::TlsStream;
use pingora::tls::sign::CertifiedKey;
use pingora::tls::{
    CryptoProvider, ResolvesServerCert, RootCertStore, ServerConfig, WebPkiClientVerifier,
    install_default_crypto_provider, load_ca_file_into_store, load_certs_and_key_files, version,
};

use crate::config::{TlsFiles, TlsVersion};

/// The certificate of one listener.
#[derive(Debug)]
pub(crate) struct Certificate {
    /// The address of the listener.
    addr: SocketAddr,
    files: TlsFiles,
    current: ArcSwap<Loaded>,
}

/// A certificate that was read and is ready for handshakes.
struct Loaded {
    key: Arc<CertifiedKey>,
    acceptor: Acceptor,
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded").finish_non_exhaustive()
    }
}

impl Certificate {
    /// Reads chain and key, checks that they belong together, and reads the authorities for client certificates if
    /// there are any.
    pub(crate) fn load(addr: SocketAddr, files: &TlsFiles) -> Result<Arc<Self>, String> {
        Ok(Arc::new(Self {
            addr,
            current: ArcSwap::from_pointee(read(files)?),
            files: files.clone(),
        }))
    }

    /// A handshake with the present certificate.
    pub(crate) async fn handshake<S: IO + 'static>(
        &self,
        stream: S,
    ) -> pingora::Result<TlsStream<S>> {
        let loaded = self.current.load_full();
        loaded.acceptor.tls_handshake(stream).await
    }

    /// Reads the files again, without using them yet.
    pub(crate) fn read_again(&self) -> Result<Renewed, String> {
        read(&self.files).map(Arc::new).map(Renewed)
    }

    /// Uses the files that were read for handshakes from now on.
    pub(crate) fn renew(&self, renewed: Renewed) {
        self.current.store(renewed.0);
    }

    /// The listener's address, and when the certificate expires in seconds of Unix time; `None` when that cannot be
    /// read.
    pub(crate) fn expiry(&self) -> Option<(String, i64)> {
        let loaded = self.current.load();
        let (_, leaf) = x509_parser::parse_x509_certificate(loaded.key.cert.first()?).ok()?;
        Some((self.addr.to_string(), leaf.validity().not_after.timestamp()))
    }
}

/// A certificate that was read again.
#[derive(Debug)]
pub(crate) struct Renewed(Arc<Loaded>);

/// Presents one certificate for every server name.
#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesServerCert for Always {
    fn resolve(&self, _hello: pingora::tls::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

fn read(files: &TlsFiles) -> Result<Loaded, String> {
    let key = pair(files)?;
    let versions: &[_] = match files.min_version {
        TlsVersion::V12 => &[&version::TLS12, &version::TLS13],
        TlsVersion::V13 => &[&version::TLS13],
    };
    let builder = ServerConfig::builder_with_protocol_versions(versions);
    let builder = match &files.client_ca {
        // A client without a certificate may have a key. What is required is decided when the key is known.
        Some(path) => builder.with_client_cert_verifier(
            WebPkiClientVerifier::builder(Arc::new(authorities(path)?))
                .allow_unauthenticated()
                .build()
                .map_err(|error| format!("{}: {error}", path.display()))?,
        ),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(Always(key.clone())));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Loaded {
        key,
        acceptor: Acceptor::from_server_config(Arc::new(config)),
    })
}

/// The authorities whose client certificates are accepted.
fn authorities(path: &Path) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    load_ca_file_into_store(path, &mut store)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    if store.is_empty() {
        return Err(format!("{} holds no certificate", path.display()));
    }
    Ok(store)
}

fn pair(files: &TlsFiles) -> Result<Arc<CertifiedKey>, String> {
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
