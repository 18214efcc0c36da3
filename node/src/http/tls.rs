//! TLS of a listener: its files, and the configuration that new connections get.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};

use crate::config::{HttpProtocols, TlsConfig, TlsVersion};

/// Permission bits of others; the group may read, as packages install keys 0640 root:group.
const OTHERS: u32 = 0o007;

/// Largest certificate or key file: far above any chain, far below what would hurt.
const MAX_PEM_BYTES: u64 = 1 << 20;

/// What is wrong with a file of a listener's TLS.
#[derive(Debug, thiserror::Error)]
#[error("{file} {}: {why}", path.display())]
pub struct TlsError {
    file: TlsFile,
    path: PathBuf,
    why: String,
}

/// The files that TLS needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFile {
    /// The certificate chain.
    Certificate,
    /// The private key.
    Key,
}

impl TlsError {
    fn new(file: TlsFile, path: &Path, why: impl fmt::Display) -> Self {
        Self {
            file,
            path: path.to_owned(),
            why: why.to_string(),
        }
    }

    /// Which file it is.
    #[must_use]
    pub fn file(&self) -> TlsFile {
        self.file
    }
}

impl fmt::Display for TlsFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "certificate",
            Self::Key => "private key",
        })
    }
}

/// Reads the files and checks that they belong together.
///
/// # Errors
/// Which file cannot be used, and why.
pub fn server_config(config: &TlsConfig) -> Result<ServerConfig, TlsError> {
    let chain = read_chain(&config.cert_file)?;
    let key = read_key(&config.key_file)?;
    let versions: &[_] = match config.min_version {
        TlsVersion::V1_2 => &[&TLS13, &TLS12],
        TlsVersion::V1_3 => &[&TLS13],
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map(rustls::ConfigBuilder::<ServerConfig, _>::with_no_client_auth)
        .and_then(|builder| builder.with_single_cert(chain, key))
        .map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => TlsError::new(
                TlsFile::Key,
                &config.key_file,
                "it does not belong to the certificate",
            ),
            rustls::Error::InvalidCertificate(_) => {
                TlsError::new(TlsFile::Certificate, &config.cert_file, error)
            }
            other => TlsError::new(TlsFile::Key, &config.key_file, other),
        })?;
    server.alpn_protocols = match config.protocols {
        HttpProtocols::Http1 => vec![b"http/1.1".to_vec()],
        HttpProtocols::Http1AndHttp2 => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
    };
    Ok(server)
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |why: String| TlsError::new(TlsFile::Certificate, path, why);
    let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
    let chain: Vec<_> = CertificateDer::pem_reader_iter(bounded(file))
        .collect::<Result<_, _>>()
        .map_err(|error| wrong(pem_problem(&error)))?;
    if chain.is_empty() {
        return Err(wrong("it holds no certificate in PEM".to_owned()));
    }
    Ok(chain)
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let wrong = |why: String| TlsError::new(TlsFile::Key, path, why);
    let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
    let mode = file.metadata().map_err(|error| wrong(error.to_string()))?.mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(wrong(format!(
            "others may use it (mode {mode:04o}); chmod it to 0600 or 0640"
        )));
    }
    PrivateKeyDer::from_pem_reader(bounded(file)).map_err(|error| match error {
        pem::Error::NoItemsFound => wrong("it holds no private key in PEM".to_owned()),
        other => wrong(pem_problem(&other)),
    })
}

fn bounded(file: File) -> io::Take<File> {
    file.take(MAX_PEM_BYTES)
}

/// The library's words hold lines of the file, which may be those of a key.
fn pem_problem(error: &pem::Error) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        _ => "it is not valid PEM".to_owned(),
    }
}

/// TLS whose files can be read again while connections live; those that live keep what they have.
#[derive(Debug)]
pub struct ReloadableTls {
    files: TlsConfig,
    current: ArcSwap<ServerConfig>,
}

impl ReloadableTls {
    /// Reads the files for the first time.
    ///
    /// # Errors
    /// Which file cannot be used, and why.
    pub fn load(files: TlsConfig) -> Result<Self, TlsError> {
        let current = ArcSwap::from_pointee(server_config(&files)?);
        Ok(Self { files, current })
    }

    /// What the next connection gets.
    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }

    /// Reads the files again. Blocks on the disk.
    ///
    /// # Errors
    /// Which file cannot be used; the certificate that was in use stays in use.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.current.store(Arc::new(server_config(&self.files)?));
        Ok(())
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    struct Files {
        _folder: tempfile::TempDir,
        config: TlsConfig,
    }

    fn files() -> Files {
        let folder = tempfile::tempdir().unwrap();
        let config = TlsConfig {
            cert_file: folder.path().join("cert.pem"),
            key_file: folder.path().join("key.pem"),
            min_version: TlsVersion::V1_2,
            protocols: HttpProtocols::Http1,
        };
        let files = Files {
            _folder: folder,
            config,
        };
        issue(&files.config);
        files
    }

    fn issue(config: &TlsConfig) {
        let issued = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        std::fs::write(&config.cert_file, issued.cert.pem()).unwrap();
        std::fs::write(&config.key_file, issued.signing_key.serialize_pem()).unwrap();
        std::fs::set_permissions(&config.key_file, std::fs::Permissions::from_mode(0o640)).unwrap();
    }

    fn wrong(config: &TlsConfig) -> (TlsFile, String) {
        let error = server_config(config).unwrap_err();
        (error.file(), error.to_string())
    }

    #[test]
    fn a_pair_loads_and_offers_the_protocols_that_were_asked_for() {
        let mut files = files();
        assert_eq!(
            server_config(&files.config).unwrap().alpn_protocols,
            [b"http/1.1".to_vec()]
        );
        files.config.protocols = HttpProtocols::Http1AndHttp2;
        assert_eq!(
            server_config(&files.config).unwrap().alpn_protocols,
            [b"h2".to_vec(), b"http/1.1".to_vec()]
        );
    }

    #[test]
    fn each_broken_file_is_named() {
        let files = files();
        let broken = |cert: &[u8], key: &[u8]| {
            std::fs::write(&files.config.cert_file, cert).unwrap();
            std::fs::write(&files.config.key_file, key).unwrap();
            wrong(&files.config)
        };
        let cert = std::fs::read(&files.config.cert_file).unwrap();
        let key = std::fs::read(&files.config.key_file).unwrap();
        assert_eq!(broken(b"", &key).0, TlsFile::Certificate);
        assert_eq!(
            broken(
                b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
                &key
            )
            .0,
            TlsFile::Certificate
        );
        assert_eq!(broken(&cert, b"").0, TlsFile::Key);
        assert_eq!(broken(&cert, &cert).0, TlsFile::Key);
        std::fs::remove_file(&files.config.cert_file).unwrap();
        assert_eq!(wrong(&files.config).0, TlsFile::Certificate);
    }

    #[test]
    fn a_key_of_another_certificate_and_one_that_others_may_read_are_refused() {
        let one = files();
        let other = files();
        let mixed = TlsConfig {
            key_file: other.config.key_file,
            ..one.config.clone()
        };
        let (file, text) = wrong(&mixed);
        assert_eq!(file, TlsFile::Key);
        assert!(text.contains("does not belong"), "{text}");
        std::fs::set_permissions(&one.config.key_file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(wrong(&one.config).1.contains("0644"));
    }

    #[test]
    fn a_failed_reload_keeps_the_certificate_in_use_and_a_good_one_replaces_it() {
        let files = files();
        let tls = ReloadableTls::load(files.config.clone()).unwrap();
        let first = tls.current();
        let cert = std::fs::read(&files.config.cert_file).unwrap();
        std::fs::write(&files.config.cert_file, b"garbage").unwrap();
        assert!(tls.reload().is_err());
        assert!(Arc::ptr_eq(&first, &tls.current()));
        std::fs::write(&files.config.cert_file, cert).unwrap();
        issue(&files.config);
        tls.reload().unwrap();
        assert!(!Arc::ptr_eq(&first, &tls.current()));
    }
}
