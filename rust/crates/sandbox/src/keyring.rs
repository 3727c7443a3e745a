//! The session keyring (session-keyring(7)): a program gets an empty one, not that of whoever started the agent.

use std::io;
use std::ptr;

/// keyctl(2)
const JOIN_SESSION_KEYRING: libc::c_int = 1;

/// Join a new session keyring without a name, which no other session can find. Return whether the keyring of before is
/// out of reach: a kernel without keyrings has none.
pub(crate) fn leave_session() -> bool {
    // SAFETY: a null name makes an anonymous keyring; no memory is read or written.
    let joined = unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION_KEYRING, ptr::null::<libc::c_char>()) };
    joined >= 0 || io::Error::last_os_error().raw_os_error() == Some(libc::ENOSYS)
}
