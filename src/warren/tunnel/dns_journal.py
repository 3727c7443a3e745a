"""The journal of changes to this host's resolver, with all that is needed to undo them (H-13)."""

from __future__ import annotations

import base64
import binascii
import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any

from warren.config.parsers import IPAddress
from warren.files.file_state import MAX_FILE_BYTES, FileState, Kind

VERSION = 2
MAX_MODE = 0o644
ROOT = 0


class DnsBackend(enum.StrEnum):
    """The mechanism that sets the host's name servers."""

    RESOLVECTL = "resolvectl"
    RESOLVCONF = "resolvconf"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Entry:
    """The name servers of one network. `record` is its name for the program of `backend`."""

    network: str
    interface: str
    servers: tuple[IPAddress, ...]
    backend: DnsBackend
    record: str


@dataclass(frozen=True, slots=True)
class Journal:
    """The changes of Warren on this host, oldest first."""

    entries: tuple[Entry, ...] = ()
    original: FileState | None = None
    """The file before the first entry of backend `file`; None without such an entry."""
    written: tuple[bytes, ...] = ()
    """The content that Warren wrote last in its place, and the content that it was about to write."""
    host_servers: tuple[IPAddress, ...] = ()
    """The host's own name servers, from before the first entry."""
    in_place: bool = False
    """True for a mount point, which is written without a rename: it may hold a part of what was written."""

    def with_entry(self, entry: Entry) -> Journal:
        """Return the journal with `entry` as the newest one, in place of the former entry of its network."""
        return replace(self, entries=(*self.without(entry.network).entries, entry))

    def without(self, network: str) -> Journal:
        """Return the journal without the entry of that network."""
        return replace(self, entries=tuple(entry for entry in self.entries if entry.network != network))

    def of(self, network: str) -> Entry | None:
        """Return the entry of that network, or None."""
        return next((entry for entry in self.entries if entry.network == network), None)

    @property
    def in_file(self) -> tuple[Entry, ...]:
        """Return the entries of backend `file`."""
        return tuple(entry for entry in self.entries if entry.backend is DnsBackend.FILE)

    def is_ours(self, state: FileState) -> bool:
        """Return True for content that Warren wrote, or was writing when it was killed."""
        if state.kind is not Kind.FILE:
            return False
        original = () if self.original is None else (self.original.content,)
        halves = (*self.written, *original) if self.in_place else ()
        return state.content in self.written or any(whole.startswith(state.content) for whole in halves)


def restorable(state: FileState) -> FileState:
    """Return a recorded state as it may be put in the place of resolv.conf, whatever the record says.

    That file belongs to root, everybody reads it, and nobody executes it: more than this is never restored.
    """
    return replace(state, mode=state.mode & MAX_MODE, owner=ROOT, group=ROOT)


def encode_journal(journal: Journal) -> bytes:
    """Return the journal as JSON, with the content of files in base64."""
    original = journal.original
    document = {
        "version": VERSION,
        "entries": [
            {
                "network": entry.network,
                "interface": entry.interface,
                "servers": [str(server) for server in entry.servers],
                "backend": entry.backend,
                "record": entry.record,
            }
            for entry in journal.entries
        ],
        "original": None
        if original is None
        else {
            "kind": original.kind,
            "content": _text(original.content),
            "mode": original.mode,
            "owner": original.owner,
            "group": original.group,
        },
        "written": [_text(content) for content in journal.written],
        "host_servers": [str(server) for server in journal.host_servers],
        "in_place": journal.in_place,
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def parse_journal(octets: bytes) -> Journal:
    """Parse a journal from JSON. Raises ValueError."""
    try:
        document = json.loads(octets)
        if document["version"] != VERSION:
            raise ValueError(f"unsupported version {document['version']}, expected {VERSION}")
        original = document["original"]
        return Journal(
            entries=tuple(_parse_entry(entry) for entry in document["entries"]),
            original=None if original is None else _parse_file_state(original),
            written=tuple(_octets(content) for content in document["written"]),
            host_servers=tuple(ip_address(server) for server in document["host_servers"]),
            in_place=bool(document["in_place"]),
        )
    except (KeyError, TypeError, AttributeError, OverflowError, RecursionError, binascii.Error) as error:
        raise ValueError("the file is not a journal of Warren") from error


def _parse_entry(entry: Mapping[str, Any]) -> Entry:
    return Entry(
        network=str(entry["network"]),
        interface=str(entry["interface"]),
        servers=tuple(ip_address(server) for server in entry["servers"]),
        backend=DnsBackend(entry["backend"]),
        record=str(entry["record"]),
    )


def _parse_file_state(state: Mapping[str, Any]) -> FileState:
    return FileState(
        kind=Kind(state["kind"]),
        content=_octets(state["content"]),
        mode=int(state["mode"]),
        owner=int(state["owner"]),
        group=int(state["group"]),
    )


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")


def _octets(text: str) -> bytes:
    octets = base64.b64decode(text, validate=True)
    if len(octets) > MAX_FILE_BYTES:
        raise ValueError(f"a file of {len(octets)} octets, expected at most {MAX_FILE_BYTES}")
    return octets
