//! The choice of an implementation path.

use std::str::FromStr;

use crate::path::Path;
use crate::plan::{BATCH, next_group};

/// ChaCha20-Poly1305 on a path that this processor supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aead {
    /// Available: every constructor checks it.
    path: Path,
}

/// Why no path was chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// Not the name of a path.
    #[error("unknown AEAD {0:?}: expected auto, avx512, avx2 or ring")]
    Unknown(String),
    /// A path that this processor does not support.
    #[error("this processor does not support {0}; use auto for the fastest that it supports")]
    Unavailable(Path),
}

impl Aead {
    /// Return the fastest path of this processor.
    #[must_use]
    pub fn fastest() -> Self {
        Self { path: Path::available().next().unwrap_or(Path::Ring) }
    }

    /// Return this path, if this processor supports it.
    ///
    /// # Errors
    /// [`ChoiceError::Unavailable`].
    pub fn on(path: Path) -> Result<Self, ChoiceError> {
        if path.is_available() { Ok(Self { path }) } else { Err(ChoiceError::Unavailable(path)) }
    }

    /// Return the path.
    #[must_use]
    pub fn path(self) -> Path {
        self.path
    }

    /// Return the groups in which a batch of `count` packets of `length` octets each is processed: the lanes of each, or 1
    /// for a packet that ring processes alone.
    #[must_use]
    pub fn groups(self, length: usize, count: usize) -> Vec<usize> {
        let mut groups = Vec::new();
        let mut left = count;
        while left > 0 {
            let batch = left.min(BATCH);
            let mut rest = batch;
            while rest > 0 {
                let (form, taken) = next_group(self.path, std::iter::repeat_n(length, rest));
                groups.push(form.lanes());
                rest -= taken;
            }
            left -= batch;
        }
        groups
    }
}

impl FromStr for Aead {
    type Err = ChoiceError;

    /// Parse `auto` or the name of a path, as in the environment variable `WARREN_AEAD`.
    fn from_str(name: &str) -> Result<Self, ChoiceError> {
        if name == "auto" {
            return Ok(Self::fastest());
        }
        let path = Path::ALL.into_iter().find(|path| path.to_string() == name);
        Self::on(path.ok_or_else(|| ChoiceError::Unknown(name.to_owned()))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_chooses_the_path() {
        assert_eq!("auto".parse(), Ok(Aead::fastest()));
        assert_eq!("ring".parse::<Aead>().unwrap().path(), Path::Ring);
        for path in Path::ALL {
            let chosen = path.to_string().parse::<Aead>().map(Aead::path);
            let expected = if path.is_available() { Ok(path) } else { Err(ChoiceError::Unavailable(path)) };
            assert_eq!(chosen, expected);
        }
    }

    #[test]
    fn an_unknown_name_is_rejected_with_the_known_ones() {
        let error = "AVX2".parse::<Aead>().unwrap_err();
        assert_eq!(error.to_string(), "unknown AEAD \"AVX2\": expected auto, avx512, avx2 or ring");
    }
}
