//! `holdfast demo`: a node on an embedded configuration, with a folder, a key and a bucket of its own.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use clap::Args;
use node_crypto::keys::create_key_file;

use crate::config::{Loader, Problems};

/// The bucket that a demo begins with.
pub(crate) const BUCKET: &str = "demo";
/// Length of a generated access key, in characters: as long as those of AWS.
const ACCESS_KEY_LENGTH: usize = 20;
/// Random bytes of a generated secret; 40 characters in hex, as long as those of AWS.
const SECRET_BYTES: usize = 20;
/// The file of the generated key.
const CREDENTIALS: &str = "credentials";
/// The file of the generated master key.
const MASTER_KEY: &str = "master.key";

/// Starts nodes on an embedded configuration.
#[derive(Args, Clone)]
pub(crate) struct DemoArgs {
    /// How many nodes; clusters are not built yet.
    #[arg(long, default_value_t = 1)]
    nodes: u32,
    /// Folder of everything that the demo keeps.
    #[arg(long, default_value = "./demo-data")]
    data: PathBuf,
    /// Port of the first node's S3 listener.
    #[arg(long, default_value_t = 9000)]
    port: u16,
    /// Access key; generated and kept in the folder where none is given.
    #[arg(long, env = "HOLDFAST_DEMO_ACCESS_KEY", requires = "secret_key")]
    access_key: Option<String>,
    /// Its secret. Better given by the environment, where no process list shows it.
    #[arg(long, env = "HOLDFAST_DEMO_SECRET_KEY", requires = "access_key", hide_env_values = true)]
    secret_key: Option<String>,
    /// How many backends; copies on several are not built yet.
    #[arg(long, default_value_t = 1)]
    backends: u32,
    /// Configuration that is merged over the embedded one.
    #[arg(long, value_name = "OVERLAY.yaml")]
    config: Option<PathBuf>,
}

/// What a demo runs on.
pub(crate) struct Demo {
    /// The configuration: embedded, with the overlay over it.
    pub(crate) loader: Loader,
    /// What to tell the person who started it, once it serves.
    pub(crate) welcome: String,
}

/// Why a demo cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    /// Something was asked for that does not exist yet.
    #[error("{0}")]
    NotBuilt(&'static str),
    /// A file or folder could not be made or read.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The master key could not be made.
    #[error(transparent)]
    Key(#[from] node_crypto::keys::KeyFileError),
    /// The kept key cannot be read.
    #[error("{} does not hold an access key and a secret on two lines; remove it to get new ones", .0.display())]
    Credentials(PathBuf),
    /// No randomness.
    #[error("the operating system gave no random numbers: {0}")]
    Random(getrandom::Error),
    /// The configuration has problems.
    #[error(transparent)]
    Config(#[from] Problems),
}

struct Credentials {
    access_key: String,
    secret_key: String,
}

impl Demo {
    /// Makes the folder, the key and the configuration, or finds them again.
    ///
    /// # Errors
    /// What is missing or wrong.
    pub(crate) fn prepare(args: &DemoArgs) -> Result<Self, DemoError> {
        if args.nodes != 1 {
            return Err(DemoError::NotBuilt("clusters are not built yet: --nodes can only be 1"));
        }
        if args.backends != 1 {
            return Err(DemoError::NotBuilt("copies on several backends are not built yet: --backends can only be 1"));
        }
        make_folder(&args.data)?;
        let data = fs::canonicalize(&args.data).map_err(io_error("find", &args.data))?;
        let backend = data.join("backend-1");
        make_folder(&backend)?;
        let master_key = data.join(MASTER_KEY);
        if !master_key.exists() {
            create_key_file(&master_key)?;
        }
        let credentials = match (&args.access_key, &args.secret_key) {
            (Some(access_key), Some(secret_key)) => {
                Credentials { access_key: access_key.clone(), secret_key: secret_key.clone() }
            }
            _ => kept_credentials(&data.join(CREDENTIALS))?,
        };
        let yaml = embedded(&data, &backend, &master_key, args.port, &credentials);
        let mut loader = Loader::new().text("the embedded configuration", &yaml);
        if let Some(overlay) = &args.config {
            loader = loader.file(overlay);
        }
        Ok(Self { loader, welcome: welcome(args.port, &data, &credentials) })
    }
}

fn embedded(data: &Path, backend: &Path, master_key: &Path, port: u16, credentials: &Credentials) -> String {
    let Credentials { access_key, secret_key } = credentials;
    format!(
        "server:\n  listen_addr: \"127.0.0.1:{port}\"\n\
         data_dir: {}\n\
         logging:\n  format: text\n  level: warn\n\
         encryption:\n  enabled: true\n  master_key_file: {}\n\
         backends:\n  - name: backend-1\n    type: fs\n    path: {}\n\
         buckets:\n  - name: {BUCKET}\n\
         users:\n  - name: demo\n    access_key_id: {}\n    secret_access_key: {}\n    allowed_buckets: [\"*\"]\n",
        scalar(&data.join("node-1").display().to_string()),
        scalar(&master_key.display().to_string()),
        scalar(&backend.display().to_string()),
        scalar(access_key),
        scalar(secret_key),
    )
}

/// A text as a YAML scalar that stands for exactly it: quoted, and with its dollars doubled, since
/// `${…}` in it is the caller's own text.
fn scalar(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '$' => quoted.push_str("$$"),
            '\n' => quoted.push_str("\\n"),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

fn welcome(port: u16, data: &Path, credentials: &Credentials) -> String {
    let Credentials { access_key, secret_key } = credentials;
    format!(
        "\nHoldfast serves S3 at http://127.0.0.1:{port}, on {}\n\n\
         \x20 access key  {access_key}\n\
         \x20 secret key  {secret_key}\n\n\
         Try it:\n\n\
         \x20 export AWS_ACCESS_KEY_ID={access_key} AWS_SECRET_ACCESS_KEY={secret_key} AWS_DEFAULT_REGION=us-east-1\n\
         \x20 aws --endpoint-url http://127.0.0.1:{port} s3 cp README.md s3://{BUCKET}/\n\n\
         Ctrl-C stops it; started again it finds its data.\n",
        data.display()
    )
}

fn kept_credentials(path: &Path) -> Result<Credentials, DemoError> {
    match fs::read_to_string(path) {
        Ok(text) => {
            let mut lines = text.lines().map(str::to_owned);
            match (lines.next(), lines.next(), lines.next()) {
                (Some(access_key), Some(secret_key), None) if !access_key.is_empty() && !secret_key.is_empty() => {
                    Ok(Credentials { access_key, secret_key })
                }
                _ => Err(DemoError::Credentials(path.to_owned())),
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let credentials = draw_credentials()?;
            keep(path, &credentials).map_err(io_error("write", path))?;
            Ok(credentials)
        }
        Err(error) => Err(io_error("read", path)(error)),
    }
}

fn draw_credentials() -> Result<Credentials, DemoError> {
    /// Letters and digits that an access key of AWS consists of.
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut drawn = [0; ACCESS_KEY_LENGTH];
    getrandom::fill(&mut drawn).map_err(DemoError::Random)?;
    let access_key = drawn.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 31)])).collect();
    let mut secret = [0; SECRET_BYTES];
    getrandom::fill(&mut secret).map_err(DemoError::Random)?;
    Ok(Credentials { access_key, secret_key: hex::encode(secret) })
}

/// Written under another name first, so that a crash leaves the whole file or none.
fn keep(path: &Path, credentials: &Credentials) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    write!(file, "{}\n{}\n", credentials.access_key, credentials.secret_key)?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}

fn make_folder(path: &Path) -> Result<(), DemoError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io_error("make the folder", path))
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DemoError {
    let path = path.to_owned();
    move |source| DemoError::Io { action, path, source }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    fn args(data: &Path) -> DemoArgs {
        DemoArgs {
            nodes: 1,
            data: data.to_owned(),
            port: 9000,
            access_key: None,
            secret_key: None,
            backends: 1,
            config: None,
        }
    }

    #[test]
    fn the_embedded_configuration_is_whole_and_a_second_demo_finds_its_key_again() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("with space \"and\" $quotes");
        let first = Demo::prepare(&args(&data)).unwrap();
        let second = Demo::prepare(&args(&data)).unwrap();
        assert_eq!(first.welcome, second.welcome);
        let loaded = first.loader.load().unwrap();
        assert_eq!(loaded.config.cluster.buckets[0].name.as_str(), BUCKET);
        assert_eq!(loaded.config.cluster.users.len(), 1);
    }

    #[test]
    fn a_damaged_key_file_is_refused_and_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(CREDENTIALS), "only one line").unwrap();
        assert!(matches!(Demo::prepare(&args(folder.path())), Err(DemoError::Credentials(_))));
    }

    #[test]
    fn what_is_not_built_is_refused_in_words() {
        let folder = tempfile::tempdir().unwrap();
        for (nodes, backends) in [(3, 1), (1, 2), (0, 1)] {
            let asked = DemoArgs { nodes, backends, ..args(folder.path()) };
            assert!(matches!(Demo::prepare(&asked), Err(DemoError::NotBuilt(_))));
        }
    }
}
