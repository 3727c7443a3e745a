//! One of this processor's paths through the AEAD.

use aead::{Aead, Path};

/// The path that a number names, counted round.
pub(crate) fn chosen(number: u8) -> Aead {
    let paths: Vec<_> = Path::available().collect();
    Aead::on(paths[usize::from(number) % paths.len()]).expect("an available path")
}
