//! Files that hold one 32-byte key.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::secret::{KEY_LEN, NoEntropy, SecretKey, WeakKey};

/// A key file is never longer: 44 characters of base64 and a line end, with room for blanks.
const MAX_FILE_LEN: usize = 256;
/// Any right for others is too much. Owner and group are the operator's business: a service reads
/// its key by group (`root:holdfast 0640`).
const OTHERS: u32 = 0o007;
const REGULAR_FILE: u32 = 0o100_000;
const FILE_TYPE: u32 = 0o170_000;

/// Why a key file cannot be used. Never holds a part of the file's contents.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file cannot be opened or read.
    #[error("key file {}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A directory, a device, a pipe.
    #[error("key file {} is not a regular file", .0.display())]
    NotAFile(PathBuf),
    /// Others may read, write or execute it.
    #[error("key file {} has mode {mode:04o}: others must have no access (0600 or 0640)", .path.display())]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Neither 32 bytes nor their base64.
    #[error("key file {} holds neither 32 raw bytes nor the base64 of 32 bytes", .0.display())]
    Format(PathBuf),
    /// A key that nobody drew.
    #[error("key file {}: {source}", .path.display())]
    Weak {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: WeakKey,
    },
    /// No randomness for a new key.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
}

/// Reads a key file: exactly 32 raw bytes, or their base64, with or without a line end.
///
/// # Errors
/// The file is missing, open to others, of another form, or holds a key that is not random.
pub fn read_key_file(path: &Path) -> Result<SecretKey, KeyFileError> {
    let io = |source| KeyFileError::Io {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(io)?;
    // Of the open file, so that nobody can exchange it between check and use.
    let mode = file.metadata().map_err(io)?.mode();
    if mode & FILE_TYPE != REGULAR_FILE {
        return Err(KeyFileError::NotAFile(path.to_owned()));
    }
    if mode & OTHERS != 0 {
        return Err(KeyFileError::Mode {
            path: path.to_owned(),
            mode: mode & 0o7777,
        });
    }
    // Reserved at once: a vector that grows would leave copies of the key behind.
    let mut contents = Zeroizing::new(Vec::with_capacity(MAX_FILE_LEN + 1));
    file.take(MAX_FILE_LEN as u64 + 1)
        .read_to_end(&mut contents)
        .map_err(io)?;
    let key = parse(&contents).ok_or_else(|| KeyFileError::Format(path.to_owned()))?;
    SecretKey::from_operator(&key).map_err(|source| KeyFileError::Weak {
        path: path.to_owned(),
        source,
    })
}

/// Draws a key and writes it to a new file of mode 0600, as base64 with a line end. The file and
/// its name are on disk when this returns; before, the name does not stand for a part of a key, however
/// the process or the machine ends.
///
/// # Errors
/// The file exists already, or cannot be written.
pub fn create_key_file(path: &Path) -> Result<(), KeyFileError> {
    let key = SecretKey::generate()?;
    let io = |source| KeyFileError::Io {
        path: path.to_owned(),
        source,
    };
    let mut text = Zeroizing::new([0; KEY_LEN.div_ceil(3) * 4 + 1]);
    // The buffer has exactly the length of the encoded key and a line end.
    if STANDARD.encode_slice(key.expose(), text.as_mut_slice()).is_err() {
        return Err(KeyFileError::Format(path.to_owned()));
    }
    if let Some(end) = text.last_mut() {
        *end = b'\n';
    }
    write_new(path, text.as_slice()).map_err(io)
}

/// Writes a file under a temporary name first, and links it: a link never replaces what is there.
fn write_new(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = Path::new(&temporary);
    // What a crash left of an earlier try was never a key.
    match fs::remove_file(temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(temporary)?;
    file.write_all(contents)?;
    file.sync_all()?;
    drop(file);
    let linked = fs::hard_link(temporary, path);
    fs::remove_file(temporary)?;
    linked?;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all())
}

/// Reads the base64 of 32 bytes, as configurations hold it.
pub(crate) fn parse_base64(text: &[u8]) -> Option<Zeroizing<[u8; KEY_LEN]>> {
    // The decoder wants room for what it estimates, which is up to 2 bytes more.
    let mut out = Zeroizing::new([0; KEY_LEN + 4]);
    let len = STANDARD
        .decode_slice(text.trim_ascii(), out.as_mut_slice())
        .ok()?;
    let key = out[..len].try_into().ok()?;
    Some(Zeroizing::new(key))
}

fn parse(contents: &[u8]) -> Option<Zeroizing<[u8; KEY_LEN]>> {
    match contents.try_into() {
        Ok(raw) => Some(Zeroizing::new(raw)),
        Err(_) if contents.len() > MAX_FILE_LEN => None,
        Err(_) => parse_base64(contents),
    }
}
