//! Random numbers of the operating system.

use crate::error::Error;

/// Draws `N` bytes.
pub(crate) fn draw<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Error::Random(error.to_string()))?;
    Ok(bytes)
}
