"""The names of this host, by which clients may address its servers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from warren.files.bounded_read import read_bounded
from warren.files.trusted_path import NAMED_BY_USER

HOSTS = Path("/etc/hosts")
MAX_HOSTS_BYTES = 1 << 20
MULTICAST_DNS = ".local"


def own_names(hosts: Path = HOSTS) -> frozenset[str]:
    """Return the names of this host in lower case: its host name, its first label, and those beside them in `hosts`.

    No resolver is asked: a start must not wait for one, and its answer would be somebody else's word.
    """
    name = socket.gethostname().lower().removesuffix(".")
    label = name.partition(".")[0]
    own = {name, label, label + MULTICAST_DNS} if label else set[str]()
    with suppress(OSError):
        text = read_bounded(hosts, MAX_HOSTS_BYTES, trust=NAMED_BY_USER)[0].decode("ascii", "replace")
        own.update(alias for names in _entries(text) if own & names for alias in names)
    return frozenset(own)


def _entries(text: str) -> Iterator[frozenset[str]]:
    """Yield the names of each line of hosts(5)."""
    for line in text.splitlines():
        yield frozenset(line.partition("#")[0].lower().split()[1:])
