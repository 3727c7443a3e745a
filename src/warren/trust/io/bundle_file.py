"""The trust bundle of a node: a file that all may read and whoever installs it may write.

Beside it stands the highest version that was ever there, so that an older bundle, from a backup or a thief, stays out
also when it is put in the place by hand. Who can write both files is root on the node, and beyond any of this.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from warren.errors import TrustError
from warren.files.atomic import make_directory, replace_file
from warren.jws import MAX_BYTES
from warren.trust.bundle import TrustBundle
from warren.trust.bundle_verify import MAX_LINES, verify_bundle

MODE = 0o644
MAX_FILE_BYTES = MAX_LINES * (MAX_BYTES + 1)
MAX_VERSION_BYTES = 32


def read_bundle(path: Path, pins: Collection[str]) -> TrustBundle | None:
    """What is installed, proven; None where nothing is. Raises TrustError."""
    try:
        return verify_bundle(_read(path), pins, highest_version(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(path, error) from error


def install_bundle(path: Path, text: str, pins: Collection[str]) -> TrustBundle:
    """Puts a bundle in place: whole, on the disk when this returns, or not at all. Raises TrustError."""
    try:
        bundle = verify_bundle(text, pins, highest_version(path))
        make_directory(path.parent)
        replace_file(path, text.strip().encode("ascii") + b"\n", MODE)
        replace_file(_version_path(path), f"{bundle.version}\n".encode(), MODE)
    except OSError as error:
        raise _unusable(path, error) from error
    return bundle


def highest_version(path: Path) -> int:
    """Of all that were installed there; 0 where none was. Raises OSError, and TrustError for a file that says none."""
    try:
        with _version_path(path).open("rb") as file:
            words = file.read(MAX_VERSION_BYTES).decode("ascii", "replace").strip()
    except FileNotFoundError:
        return 0
    if not words.isdecimal():
        raise TrustError(f"{_version_path(path)} says no version", code="trust.malformed")
    return int(words)


def read_text(path: Path) -> str:
    """A file with a bundle that is not installed. Raises TrustError."""
    try:
        return _read(path)
    except OSError as error:
        raise _unusable(path, error) from error


def _read(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(MAX_FILE_BYTES).decode("ascii", "replace")


def _version_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.version")


def _unusable(path: Path, error: OSError) -> TrustError:
    return TrustError(f"{path}: {error.strerror}", code="trust.unusable", errno=error.errno)
