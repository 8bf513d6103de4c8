//! The certificates of all listeners that use TLS.
use std::sync::Arc;

use super::start_error::StartError;
use super::tls::Certificate;
use crate::config::Config;

/// The certificates of the data plane and of the admin plane.
#[derive(Debug)]
pub(crate) struct Certificates {
    listeners: Vec<Arc<Certificate>>,
    admin: Option<Arc<Certificate>>,
}

impl Certificates {
    /// Loads the certificates of `config`.
    pub(super) fn load(config: &Config) -> Result<Self, StartError> {
        let load = |(addr, files)| {
            Certificate::load(addr, files).map_err(|why| StartError::Tls { addr, why })
        };
        let listeners = config.listen.iter();
        let listeners = listeners.filter_map(|one| Some((one.addr, one.tls.as_ref()?)));
        let admin = config.admin.as_ref().and_then(|admin| admin.tls_at());
        Ok(Self {
            listeners: listeners.map(load).collect::<Result<_, _>>()?,
            admin: admin.map(load).transpose()?,
        })
    }

    /// The certificates of the TLS listeners, in the order of the listeners.
    pub(crate) fn listeners(&self) -> impl Iterator<Item = &Arc<Certificate>> {
        self.listeners.iter()
    }

    /// The certificate of the admin plane, if it uses TLS.
    pub(crate) fn admin(&self) -> Option<&Arc<Certificate>> {
        self.admin.as_ref()
    }

    /// Loads all certificates again, with those of `config`. `Err` says which one is not usable; then none is replaced.
    pub(super) fn renew(&self, config: &Config) -> Result<(), String> {
        for listener in &config.listen {
            if let Some(files) = &listener.tls {
                Certificate::load(listener.addr, files)?;
            }
        }
        if let Some((addr, files)) = config.admin.as_ref().and_then(|admin| admin.tls_at()) {
            Certificate::load(addr, files)?;
        }
        let renewed: Result<Vec<_>, _> = self
            .all()
            .map(|certificate| certificate.read_again())
            .collect();
        for (certificate, renewed) in self.all().zip(renewed?) {
            certificate.renew(renewed);
        }
        Ok(())
    }

    /// The listeners, and when their certificates expire.
    pub(crate) fn expiries(&self) -> Vec<(String, i64)> {
        self.all().filter_map(|one| one.expiry()).collect()
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Certificate>> {
        self.listeners.iter().chain(&self.admin)
    }
}
