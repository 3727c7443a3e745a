//! The choice of an AEAD path of this processor.

use aead::{Aead, Path};

/// Return the path that a number selects, modulo their count.
pub(crate) fn chosen(number: u8) -> Aead {
    let paths: Vec<_> = Path::available().collect();
    Aead::on(paths[usize::from(number) % paths.len()]).expect("an available path")
}
