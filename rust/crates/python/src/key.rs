//! Keys. Secrets are wiped when Python drops them, compared in constant time, never hashed and never shown.

use std::fmt;

use proto::key::{self, KEY_BASE64, KEY_BYTES};
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::failure;

/// A Curve25519 private key. Wiped when the last reference is dropped; compared in constant time; never shown.
#[pyclass(frozen, eq, module = "warren._core")]
#[derive(PartialEq)]
pub(crate) struct PrivateKey(pub(crate) key::PrivateKey);

/// A Curve25519 public key, which identifies a peer. `str()` is its base64.
#[pyclass(frozen, eq, hash, from_py_object, module = "warren._core")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct PublicKey(pub(crate) key::PublicKey);

/// The symmetric key mixed into a handshake. Wiped, compared and hidden like a private key.
#[pyclass(frozen, eq, module = "warren._core")]
#[derive(PartialEq)]
pub(crate) struct PresharedKey(pub(crate) key::PresharedKey);

/// The text of a key: a string, or a buffer that the caller wipes.
#[derive(FromPyObject)]
enum KeyText {
    #[pyo3(transparent, annotation = "str")]
    Text(PyBackedStr),
    #[pyo3(transparent, annotation = "bytes | bytearray | memoryview")]
    Octets(PyBuffer<u8>),
}

impl KeyText {
    fn parse<Key>(
        &self,
        py: Python<'_>,
        from_base64: impl FnOnce(&str) -> Result<Key, key::KeyError>,
    ) -> PyResult<Key> {
        match self {
            Self::Text(text) => from_base64(text),
            Self::Octets(octets) if octets.item_count() == KEY_BASE64 => {
                let mut copy = Zeroizing::new([0; KEY_BASE64]);
                octets.copy_to_slice(py, &mut *copy)?;
                std::str::from_utf8(&*copy).map_err(|_| key::KeyError::NotBase64).and_then(from_base64)
            }
            Self::Octets(octets) => Err(key::KeyError::Length(octets.item_count())),
        }
        .map_err(|error| failure::key_text(py, error))
    }
}

/// Return a key of 32 random octets of the system, written directly to its memory.
fn random<Key>(filled: impl FnOnce(&mut dyn FnMut(&mut [u8; KEY_BYTES])) -> Key) -> PyResult<Key> {
    let mut given = Ok(());
    let key = filled(&mut |octets| given = SystemRandom::new().fill(octets));
    given.map(|()| key).map_err(|_| PyOSError::new_err("the system has no randomness to give"))
}

/// Write the text of a secret into a buffer that the caller wipes.
fn write_text(py: Python<'_>, text: &Zeroizing<String>, room: &PyBuffer<u8>) -> PyResult<()> {
    room.copy_from_slice(py, text.as_bytes())
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[pymethods]
impl PrivateKey {
    /// Create a key from the system's randomness.
    #[staticmethod]
    fn generate() -> PyResult<Self> {
        random(|fill| key::PrivateKey::filled(fill)).map(Self)
    }

    /// Parse the 44 characters of wg(8), without surrounding white space. Raises KeyTextError.
    #[staticmethod]
    fn from_base64(py: Python<'_>, text: KeyText) -> PyResult<Self> {
        text.parse(py, key::PrivateKey::from_base64).map(Self)
    }

    /// Return the secret as text, which Python cannot wipe: write it to a file or a pipe at once.
    fn to_base64(&self) -> String {
        self.0.to_base64().as_str().to_owned()
    }

    /// Write the 44 characters of wg(8) into a buffer of that length, which the caller wipes. Raises BufferError.
    fn write_base64(&self, py: Python<'_>, room: PyBuffer<u8>) -> PyResult<()> {
        write_text(py, &self.0.to_base64(), &room)
    }

    /// Return the public key.
    fn public_key(&self) -> PublicKey {
        PublicKey(self.0.public_key())
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.0)
    }
}

#[pymethods]
impl PublicKey {
    /// Parse the 44 characters of wg(8), without surrounding white space. Raises KeyTextError.
    #[staticmethod]
    fn from_base64(py: Python<'_>, text: KeyText) -> PyResult<Self> {
        text.parse(py, key::PublicKey::from_base64).map(Self)
    }

    /// Return the 44 characters of wg(8).
    fn to_base64(&self) -> String {
        self.0.to_base64().as_str().to_owned()
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.0)
    }
}

#[pymethods]
impl PresharedKey {
    /// Create a key from the system's randomness.
    #[staticmethod]
    fn generate() -> PyResult<Self> {
        random(|fill| key::PresharedKey::filled(fill)).map(Self)
    }

    /// Parse the 44 characters of wg(8), without surrounding white space. Raises KeyTextError.
    #[staticmethod]
    fn from_base64(py: Python<'_>, text: KeyText) -> PyResult<Self> {
        text.parse(py, key::PresharedKey::from_base64).map(Self)
    }

    /// Return the all-zero key, which means no preshared key in a change and on the wire.
    #[staticmethod]
    fn none() -> Self {
        Self(key::PresharedKey::default())
    }

    /// Return the secret as text, which Python cannot wipe: write it to a file or a pipe at once.
    fn to_base64(&self) -> String {
        self.0.to_base64().as_str().to_owned()
    }

    /// Write the 44 characters of wg(8) into a buffer of that length, which the caller wipes. Raises BufferError.
    fn write_base64(&self, py: Python<'_>, room: PyBuffer<u8>) -> PyResult<()> {
        write_text(py, &self.0.to_base64(), &room)
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.0)
    }
}
