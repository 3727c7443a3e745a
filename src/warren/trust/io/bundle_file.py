"""The trust bundle of a node: a file that every user can read and only its installer can write.

The highest version that was ever installed is in a file next to it. So an older bundle, from a backup or an attacker,
is rejected even if it is copied into place. This does not protect against root, who can write both files.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from warren.errors import TrustError
from warren.files.atomic import replace_file
from warren.files.bounded_read import open_following, read_bounded, read_descriptor
from warren.files.make_directory import make_directory
from warren.files.replaceable import check_replaceable
from warren.files.trusted_path import UntrustedPathError, process_trust
from warren.jws import MAX_BYTES
from warren.trust.bundle import TrustBundle
from warren.trust.bundle_verify import MAX_LINES, verify_bundle

MODE, DIRECTORY_MODE = 0o644, 0o755
MAX_FILE_BYTES = MAX_LINES * (MAX_BYTES + 1)
MAX_VERSION_BYTES = 32


def read_bundle(path: Path, pins: Collection[str], threshold: int = 1) -> TrustBundle | None:
    """Return the installed bundle after its verification, or None if there is none. Raises TrustError."""
    try:
        octets, _ = read_bounded(path, MAX_FILE_BYTES, trust=process_trust())
        return verify_bundle(_text(octets), pins, highest_version(path), threshold=threshold)
    except FileNotFoundError:
        return None
    except (OSError, UntrustedPathError) as error:
        raise _unusable(path, error) from error


def install_bundle(path: Path, text: str, pins: Collection[str], threshold: int = 1) -> TrustBundle:
    """Verify a bundle and put it in place: whole, on the disk when this returns, or not at all. Raises TrustError.

    An installed bundle that the pinned roots no longer verify does not count: its owner has pinned other roots.
    """
    try:
        installed = None
        with suppress(TrustError):
            installed = read_bundle(path, pins, threshold)
        bundle = verify_bundle(text, pins, highest_version(path), threshold=threshold, installed=installed)
        make_directory(path.parent, DIRECTORY_MODE, trust=process_trust(), exact_mode=True)
        check_replaceable(path)
        replace_file(path, text.strip().encode("ascii") + b"\n", MODE, trust=process_trust())
        replace_file(_version_path(path), f"{bundle.version}\n".encode(), MODE, trust=process_trust())
    except (OSError, UntrustedPathError) as error:
        raise _unusable(path, error) from error
    return bundle


def highest_version(path: Path) -> int:
    """Return the highest version that was ever installed, 0 if none was.

    Raises OSError, and TrustError for a file that holds no version.
    """
    try:
        octets, _ = read_bounded(_version_path(path), MAX_VERSION_BYTES, trust=process_trust())
    except FileNotFoundError:
        return 0
    text = _text(octets).strip()
    if not text.isdecimal():
        raise TrustError(f"{_version_path(path)} holds no version", code="trust.malformed")
    return int(text)


def read_text(path: Path) -> str:
    """Return the text of a bundle that a user names. Raises TrustError."""
    try:
        return _text(read_descriptor(open_following(path), MAX_FILE_BYTES)[0])
    except OSError as error:
        raise _unusable(path, error) from error


def read_installed_text(path: Path) -> str:
    """Return the text of the installed bundle. Raises TrustError."""
    try:
        return _text(read_bounded(path, MAX_FILE_BYTES, trust=process_trust())[0])
    except (OSError, UntrustedPathError) as error:
        raise _unusable(path, error) from error


def _text(octets: bytes) -> str:
    return octets.decode("ascii", "replace")


def _version_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.version")


def _unusable(path: Path, error: OSError | UntrustedPathError) -> TrustError:
    if isinstance(error, UntrustedPathError):
        return TrustError(str(error), code="trust.unusable", errno=error.errno, hint=error.hint)
    return TrustError(f"{path}: {error.strerror}", code="trust.unusable", errno=error.errno)
