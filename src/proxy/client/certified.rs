//! The names in a client's certificate. The listener has verified the certificate.
use std::net::IpAddr;
use std::sync::Arc;

use pingora::http::ResponseHeader;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::{Digest, Stream};
use x509_parser::extensions::GeneralName;

use crate::proxy::upstream::socket::links::SocketTurn;

/// The names of a client's certificate, in lower case.
pub(crate) type Names = Arc<[String]>;

/// Stores the names of the certificate with the connection; Pingora hands them on to every request. `None` without a
/// certificate.
pub(super) fn known(stream: &Stream) -> Option<Arc<ProxyDigest>> {
    let names: Names = names_in(stream.get_ssl()?.peer_certificate_der()?).into();
    let head = ResponseHeader::build(200, None).ok()?;
    let digest = ProxyDigest::new(Box::new(head), Some(Box::new(names)));
    Some(Arc::new(digest))
}

/// The names of the certificate that a request came with, also on a WebSocket; empty without one.
pub(crate) fn names(digest: Option<&Digest>) -> Names {
    let proxy = digest.and_then(|digest| digest.proxy_digest.as_ref());
    let known = proxy.and_then(|proxy| proxy.user_data.as_ref());
    let own = known
        .and_then(|known| known.downcast_ref::<Names>())
        .cloned();
    own.or_else(|| SocketTurn::of(digest).map(|turn| turn.certificate.clone()))
        .unwrap_or_default()
}

/// The subject alternative names of a certificate.
fn names_in(certificate: &[u8]) -> Vec<String> {
    let Ok((_, certificate)) = x509_parser::parse_x509_certificate(certificate) else {
        return Vec::new();
    };
    let Ok(Some(names)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let names = names
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name) => {
                Some(name.to_lowercase())
            }
            GeneralName::IPAddress(bytes) => {
                let four = <[u8; 4]>::try_from(*bytes).map(IpAddr::from).ok();
                let ip = four.or_else(|| <[u8; 16]>::try_from(*bytes).map(IpAddr::from).ok());
                ip.map(|ip| ip.to_string())
            }
            _ => None,
        });
    names.take(MOST_NAMES).collect()
}

/// The most names that are read.
const MOST_NAMES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, SanType};

    #[test]
    fn every_kind_of_name_is_read() {
        let mut params =
            CertificateParams::new(vec!["Agent.Example.COM".to_owned()]).expect("names");
        let uri = "spiffe://example.com/Agent".try_into().expect("ASCII");
        let email = "Me@example.com".try_into().expect("ASCII");
        params.subject_alt_names.extend([
            SanType::URI(uri),
            SanType::Rfc822Name(email),
            SanType::IpAddress([192, 0, 2, 1].into()),
            SanType::IpAddress("2001:db8::1".parse().expect("an address")),
        ]);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        assert_eq!(
            names_in(certificate.der()),
            [
                "agent.example.com",
                "spiffe://example.com/agent",
                "me@example.com",
                "192.0.2.1",
                "2001:db8::1"
            ]
        );
        assert_eq!(names_in(b"no certificate"), Vec::<String>::new());
    }
}
