//! The certificates of the TLS listeners, renewed without a restart.
//!
//! Every reload reads them again, also when the configuration itself has not changed; what cannot be used leaves the
//! old one in place.
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
    files: TlsFiles,
    current: ArcSwap<CertifiedKey>,
}

impl Certificate {
    /// Reads chain and key, and checks that they belong together.
    pub(crate) fn load(files: &TlsFiles) -> Result<Arc<Self>, String> {
        Ok(Arc::new(Self {
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

    /// Reads them again. On a fault the listener goes on with what it has.
    pub(crate) fn reload(&self) {
        match read(&self.files) {
            Ok(key) => self.current.store(key),
            Err(why) => tracing::error!("the certificate in use stays: {why}"),
        }
    }
}

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
