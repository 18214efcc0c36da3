//! TLS on a listener.

use std::os::unix::fs::PermissionsExt;

use http::{Request, Version};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::config::{HttpProtocols, TlsConfig, TlsVersion};

pub(super) struct Certificate {
    _folder: tempfile::TempDir,
    files: TlsConfig,
}

impl Certificate {
    pub(super) fn new(protocols: HttpProtocols, min_version: TlsVersion) -> (Self, CertificateDer<'static>) {
        let folder = tempfile::tempdir().unwrap();
        let files = TlsConfig {
            cert_file: folder.path().join("cert.pem"),
            key_file: folder.path().join("key.pem"),
            min_version,
            protocols,
        };
        let certificate = Self {
            _folder: folder,
            files,
        };
        let der = certificate.issue();
        (certificate, der)
    }

    fn issue(&self) -> CertificateDer<'static> {
        let issued = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        std::fs::write(&self.files.cert_file, issued.cert.pem()).unwrap();
        std::fs::write(&self.files.key_file, issued.signing_key.serialize_pem()).unwrap();
        std::fs::set_permissions(&self.files.key_file, std::fs::Permissions::from_mode(0o600)).unwrap();
        issued.cert.der().clone()
    }
}

pub(super) async fn handshake(
    address: SocketAddr,
    trusted: &CertificateDer<'static>,
    protocols: &[&[u8]],
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let stream = soon(TcpStream::connect(address)).await?;
    let name = ServerName::try_from("localhost").unwrap();
    soon(TlsConnector::from(Arc::new(config)).connect(name, stream)).await
}

async fn get(stream: &mut TlsStream<TcpStream>, path: &str) -> String {
    soon(stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()))
        .await
        .unwrap();
    let mut text = Vec::new();
    while !String::from_utf8_lossy(&text).ends_with(path) {
        let mut buffer = [0; 1024];
        let read = soon(stream.read(&mut buffer)).await.unwrap();
        assert!(
            read > 0,
            "the connection ended: {}",
            String::from_utf8_lossy(&text)
        );
        text.extend_from_slice(&buffer[..read]);
    }
    String::from_utf8(text).unwrap()
}

pub(super) fn start_tls(certificate: &Certificate, options: ServerOptions) -> (Running, Arc<ReloadableTls>) {
    let tls = Arc::new(ReloadableTls::load(certificate.files.clone()).unwrap());
    (start_with(options, "", Some(Arc::clone(&tls))), tls)
}

#[tokio::test]
async fn a_reload_changes_the_certificate_of_new_connections_and_keeps_the_old_ones() {
    let (certificate, first) = Certificate::new(HttpProtocols::Http1, TlsVersion::V1_2);
    let (running, tls) = start_tls(&certificate, PATIENT);
    let mut old = handshake(running.address, &first, &[], rustls::ALL_VERSIONS)
        .await
        .unwrap();
    assert!(get(&mut old, "/one").await.starts_with("HTTP/1.1 200"));

    let second = certificate.issue();
    tls.reload().unwrap();
    assert!(
        handshake(running.address, &first, &[], rustls::ALL_VERSIONS)
            .await
            .is_err()
    );
    let mut new = handshake(running.address, &second, &[], rustls::ALL_VERSIONS)
        .await
        .unwrap();
    assert!(get(&mut new, "/two").await.starts_with("HTTP/1.1 200"));
    assert!(get(&mut old, "/three").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn versions_below_the_oldest_accepted_are_refused() {
    let (certificate, der) = Certificate::new(HttpProtocols::Http1, TlsVersion::V1_3);
    let (running, _tls) = start_tls(&certificate, PATIENT);
    assert!(
        handshake(running.address, &der, &[], &[&rustls::version::TLS12])
            .await
            .is_err()
    );
    assert!(
        handshake(running.address, &der, &[], &[&rustls::version::TLS13])
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_handshake_that_does_not_come_ends_the_connection() {
    let (certificate, _) = Certificate::new(HttpProtocols::Http1, TlsVersion::V1_2);
    let patience = Patience {
        head: Duration::from_millis(200),
        idle: Duration::from_secs(60),
    };
    let (running, _tls) = start_tls(&certificate, ServerOptions { patience, ..PATIENT });
    Raw::connect(running.address).await.end().await;
    let mut plain = Raw::connect(running.address).await;
    plain.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let rest = plain.end().await;
    assert!(!rest.starts_with(b"HTTP/"), "plain HTTP was answered");
}

#[tokio::test]
async fn a_handshake_that_does_not_come_does_not_hold_the_end_up() {
    let (certificate, _) = Certificate::new(HttpProtocols::Http1, TlsVersion::V1_2);
    let (running, _tls) = start_tls(&certificate, PATIENT);
    let mut silent = Raw::connect(running.address).await;
    // The server answers this with its part of the handshake, so it was accepted.
    silent.send([&[0x16, 3, 1, 0, 2][..], &[1, 0]].concat()).await;
    assert_eq!(
        soon(running.server.drain(Duration::from_secs(3600))).await,
        crate::http::Drained::Whole
    );
    silent.end().await;
}

#[tokio::test]
async fn http2_is_spoken_only_where_it_is_offered() {
    let (certificate, der) = Certificate::new(HttpProtocols::Http1, TlsVersion::V1_2);
    let (running, _tls) = start_tls(&certificate, PATIENT);
    let stream = handshake(running.address, &der, &[b"h2", b"http/1.1"], rustls::ALL_VERSIONS)
        .await
        .unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));

    let (certificate, der) = Certificate::new(HttpProtocols::Http1AndHttp2, TlsVersion::V1_2);
    let (running, _tls) = start_tls(&certificate, PATIENT);
    let stream = handshake(running.address, &der, &[b"h2"], rustls::ALL_VERSIONS)
        .await
        .unwrap();
    let (mut requests, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    let driver = tokio::spawn(connection);
    for path in ["/one", "/health", "/panic", "/two"] {
        let request = Request::get(format!("https://localhost{path}"))
            .body(Empty::<bytes::Bytes>::new())
            .unwrap();
        let response = soon(requests.send_request(request)).await.unwrap();
        assert_eq!(response.version(), Version::HTTP_2);
        assert_eq!(
            response.status().as_u16(),
            if path == "/panic" { 500 } else { 200 },
            "{path}"
        );
        soon(response.into_body().collect()).await.unwrap();
    }
    let drained = tokio::spawn(running.server.drain(SOON));
    assert_eq!(soon(drained).await.unwrap(), crate::http::Drained::Whole);
    soon(driver).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_idle_http2_connection_is_closed() {
    let (certificate, der) = Certificate::new(HttpProtocols::Http1AndHttp2, TlsVersion::V1_2);
    let patience = Patience {
        head: Duration::from_secs(60),
        idle: Duration::from_millis(200),
    };
    let (running, _tls) = start_tls(&certificate, ServerOptions { patience, ..PATIENT });
    let stream = handshake(running.address, &der, &[b"h2"], rustls::ALL_VERSIONS)
        .await
        .unwrap();
    let (mut requests, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    let driver = tokio::spawn(connection);
    let request = Request::get("https://localhost/one")
        .body(Empty::<bytes::Bytes>::new())
        .unwrap();
    soon(requests.send_request(request)).await.unwrap();
    soon(driver).await.unwrap().unwrap();
}
