"""A file of users and hashes as nginx's auth_basic_user_file and Apache read it: `NAME:HASH`, one per line.

Other content is preserved octet by octet: comments, blank lines, fields after the hash.
"""

from __future__ import annotations


def names(octets: bytes) -> frozenset[str]:
    """Return the names of all users."""
    return frozenset(name for line in _lines(octets) if (name := _name(line)))


def with_user(octets: bytes, name: str, hashed: str) -> bytes:
    """Append a user whose name is not in the file yet."""
    newline = b"" if not octets or octets.endswith(b"\n") else b"\n"
    return octets + newline + f"{name}:{hashed}\n".encode()


def without_user(octets: bytes, name: str) -> bytes:
    """Remove all lines of a user; return the same octets if there are none."""
    return b"".join(line for line in _lines(octets) if _name(line) != name)


def _lines(octets: bytes) -> list[bytes]:
    """Split at newlines only, as nginx does."""
    *whole, rest = octets.split(b"\n")
    return [line + b"\n" for line in whole] + ([rest] if rest else [])


def _name(line: bytes) -> str:
    name, colon, _ = line.partition(b":")
    return name.decode(errors="replace") if colon and not line.startswith(b"#") else ""
