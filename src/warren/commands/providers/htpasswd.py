"""A file of users and hashes as nginx's auth_basic_user_file and Apache read it: `NAME:HASH`, one on each line.

What others wrote into it stays as it is, to the octet: comments, blank lines, fields behind the hash.
"""

from __future__ import annotations


def names(octets: bytes) -> frozenset[str]:
    """Of all users in it."""
    return frozenset(name for line in _lines(octets) if (name := _name(line)))


def with_user(octets: bytes, name: str, hashed: str) -> bytes:
    """One user more, at the end; nobody of that name is in it yet."""
    ended = b"" if not octets or octets.endswith(b"\n") else b"\n"
    return octets + ended + f"{name}:{hashed}\n".encode()


def without_user(octets: bytes, name: str) -> bytes:
    """One user less, with all lines of that name; the same where there is none."""
    return b"".join(line for line in _lines(octets) if _name(line) != name)


def _lines(octets: bytes) -> list[bytes]:
    """By newlines alone, as nginx does."""
    *whole, rest = octets.split(b"\n")
    return [line + b"\n" for line in whole] + ([rest] if rest else [])


def _name(line: bytes) -> str:
    name, colon, _ = line.partition(b":")
    return name.decode(errors="replace") if colon and not line.startswith(b"#") else ""
