//! One key.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::arena::{self, Octets, SECRET_BYTES};
use crate::state;

/// 32 octets in key memory, wiped when dropped, compared in constant time, never shown.
///
/// It stays in place: a move copies a pointer and leaves nothing behind to wipe. Reading it costs as much as through
/// any reference; creating and dropping it takes a lock briefly and usually allocates nothing.
pub struct Secret(NonNull<Octets>);

// SAFETY: a secret owns its slot, which belongs to no thread, and hands it out as references borrowed from itself.
unsafe impl Send for Secret {}
// SAFETY: as above; it is only read through a shared reference.
unsafe impl Sync for Secret {}

impl Secret {
    /// Take 32 octets and wipe their source.
    #[must_use]
    pub fn take(octets: &mut [u8; SECRET_BYTES]) -> Self {
        let secret = Self::from(&*octets);
        octets.zeroize();
        secret
    }
}

impl Default for Secret {
    /// Return a secret of zeros.
    fn default() -> Self {
        Self(arena::locked().take())
    }
}

impl From<&[u8; SECRET_BYTES]> for Secret {
    fn from(octets: &[u8; SECRET_BYTES]) -> Self {
        let mut secret = Self::default();
        secret.copy_from_slice(octets);
        secret
    }
}

impl Clone for Secret {
    fn clone(&self) -> Self {
        Self::from(&**self)
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        (**self).zeroize();
        state::count_wiped();
        arena::locked().give_back(self.0);
    }
}

impl Deref for Secret {
    type Target = [u8; SECRET_BYTES];

    fn deref(&self) -> &Self::Target {
        // SAFETY: the slot belongs to this secret until it is dropped, and is initialised.
        unsafe { self.0.as_ref() }
    }
}

impl DerefMut for Secret {
    fn deref_mut(&mut self) -> &mut Self::Target {
        // SAFETY: as above, and there is no other reference while `self` is borrowed exclusively.
        unsafe { self.0.as_mut() }
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.ct_eq(&**other).into()
    }
}
impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_hidden_and_its_source_is_wiped() {
        let mut octets = [7; SECRET_BYTES];
        let secret = Secret::take(&mut octets);
        assert_eq!(format!("{secret:?}"), "Secret(hidden)");
        assert_eq!((octets, *secret), ([0; SECRET_BYTES], [7; SECRET_BYTES]));
    }

    #[test]
    fn secrets_are_compared_by_content() {
        let secret = Secret::from(&[7; SECRET_BYTES]);
        assert_eq!(secret, secret.clone());
        assert_ne!(secret, Secret::default());
    }
}
