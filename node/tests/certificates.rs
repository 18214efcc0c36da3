//! TLS of the binary: certificates that are renewed while it runs, and versions that it refuses.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};
use support::{Manager, file, free_address, served};
use tempfile::TempDir;

/// Writes a certificate of `localhost` and its key, and returns the certificate.
fn issue(folder: &Path) -> CertificateDer<'static> {
    let issued = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = folder.join("key.pem");
    fs::write(folder.join("cert.pem"), issued.cert.pem()).unwrap();
    fs::write(&key, issued.signing_key.serialize_pem()).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    issued.cert.der().clone()
}

/// A connection that trusts one certificate.
struct Client(StreamOwned<ClientConnection, TcpStream>);

impl Client {
    fn connect(
        address: SocketAddr,
        trusted: &CertificateDer<'static>,
        version: &'static SupportedProtocolVersion,
    ) -> Result<Self, std::io::Error> {
        let mut roots = RootCertStore::empty();
        roots.add(trusted.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut client = Self(StreamOwned::new(connection, TcpStream::connect(address)?));
        client.get("/health")?;
        Ok(client)
    }

    /// Asks for a path of the listener's own; whether it was answered with 200.
    fn get(&mut self, path: &str) -> Result<bool, std::io::Error> {
        write!(self.0, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\"}") {
            let mut byte = [0];
            self.0.read_exact(&mut byte)?;
            answer.push(byte[0]);
        }
        Ok(answer.starts_with(b"HTTP/1.1 200"))
    }
}

/// A configuration with TLS at `address`.
fn with_tls(folder: &TempDir, address: SocketAddr, min_version: &str) -> String {
    let path = |name: &str| -> PathBuf { folder.path().join(name) };
    let tls = format!(
        "server: {{listen_addr: '{address}', tls: {{cert_file: {}, key_file: {}, min_version: '{min_version}'}}}}",
        path("cert.pem").display(),
        path("key.pem").display()
    );
    file(
        folder,
        &served(folder).replace("server: {listen_addr: '127.0.0.1:0'}", &tls),
    )
}

#[test]
fn a_renewed_certificate_is_served_after_a_reload_and_no_connection_is_dropped() {
    let folder = TempDir::new().unwrap();
    let address = free_address();
    let first = issue(folder.path());
    let path = with_tls(&folder, address, "1.2");
    let manager = Manager::in_folder(&folder);
    let mut running = manager.serve(&folder, &path, &[]);
    manager.until("READY=1");
    let mut old = Client::connect(address, &first, &rustls::version::TLS13).unwrap();

    // Half of a renewal: the pair does not fit, so what there was stays.
    let second = issue(folder.path());
    let key = fs::read(folder.path().join("key.pem")).unwrap();
    fs::write(folder.path().join("key.pem"), "not yet").unwrap();
    running.signal("HUP");
    manager.until("READY=1");
    Client::connect(address, &first, &rustls::version::TLS13).unwrap();

    fs::write(folder.path().join("key.pem"), key).unwrap();
    running.signal("HUP");
    manager.until("READY=1");
    Client::connect(address, &second, &rustls::version::TLS13).unwrap();
    assert!(Client::connect(address, &first, &rustls::version::TLS13).is_err());
    assert!(old.get("/health/ready").unwrap(), "the old connection lives on");
    drop(old);
    running.signal("TERM");
    let (code, _, log) = running.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("the certificate in use stays in use"), "{log}");
}

#[test]
fn older_versions_of_tls_than_the_least_one_are_refused() {
    for (least, expected) in [("1.2", true), ("1.3", false)] {
        let folder = TempDir::new().unwrap();
        let address = free_address();
        let certificate = issue(folder.path());
        let path = with_tls(&folder, address, least);
        let manager = Manager::in_folder(&folder);
        let mut running = manager.serve(&folder, &path, &[]);
        manager.until("READY=1");
        let old = Client::connect(address, &certificate, &rustls::version::TLS12);
        assert_eq!(old.is_ok(), expected, "{least}");
        drop(old);
        Client::connect(address, &certificate, &rustls::version::TLS13).unwrap();
        running.signal("TERM");
        assert_eq!(running.end().0, Some(0));
    }
}
