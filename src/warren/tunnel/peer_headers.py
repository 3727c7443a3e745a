"""The short header `[[network.peers]]` of document 000.

In TOML every such header adds to one list of the file. In document 000 it is another spelling of
`[[network.NAME.peers]]`, where NAME is the network of the nearest header above (H-02). Above every header of a network
it is the only network of the file (H-05). The header is expanded before tomllib reads the text, so both spellings may
be mixed, and peers keep the order of the text (H-04).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from warren.config.field_names import PLAIN_NAME
from warren.config.toml_spans import KeyLines, LazyKeyLines, Statement, statements
from warren.tunnel.network import RESERVED_NAME

NETWORK = "network"
SHARED = (NETWORK, RESERVED_NAME)
# Every spelling of the short header, and more: escapes in quotation marks, and such a line within a string.
MAY_BE_SHARED = re.compile(r"^[ \t]*\[\[[ \t]*(?:[\"']?network[\"']?[ \t]*\.[ \t]*[\"']?peers|[^\n]*\\)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Layout:
    """A text with every header expanded, and the lines of its keys."""

    text: str
    """It has the same lines as the original. A header whose network is unknown is unchanged."""
    lines: Mapping[str, int]
    """The line of each header and key, by key as findings write it: `network.home.peers[0].name`."""


def expand_peer_headers(text: str) -> Layout:
    """Return `text` with the network of every peer header written out.

    A text without such a header is scanned for the lines of its keys only once somebody asks for one.
    """
    if not MAY_BE_SHARED.search(text):
        return Layout(text, LazyKeyLines(text))
    written = [*statements(text)]
    parts: list[str] = []
    lines = KeyLines()
    nearest = _only_network(written)
    copied = 0
    for statement in written:
        path = statement.path
        if statement.kind == "array" and path == SHARED and nearest is not None:
            path = (NETWORK, nearest, RESERVED_NAME)
            parts += (text[copied : statement.begin], f"[[{NETWORK}.{_quoted(nearest)}.{RESERVED_NAME}]]")
            copied = statement.end
        elif statement.kind != "key" and (name := _network_of(path)) is not None:
            nearest = name
        lines.add(statement, path)
    return Layout("".join((*parts, text[copied:])), lines.lines)


def _only_network(written: Sequence[Statement]) -> str | None:
    """Return the network of a file that has exactly one."""
    names: set[str] = set()
    table: tuple[str, ...] = ()
    for statement in written:
        table = table if statement.kind == "key" else statement.path
        name = _network_of((*table, *statement.path) if statement.kind == "key" else table)
        names |= set() if name is None else {name}
    return names.pop() if len(names) == 1 else None


def _network_of(path: tuple[str, ...]) -> str | None:
    """Return the network that a header or a key belongs to."""
    is_network = path[0] == NETWORK and len(path) > 1 and path[1] != RESERVED_NAME
    return path[1] if is_network else None


def _quoted(name: str) -> str:
    return name if PLAIN_NAME.fullmatch(name) else '"' + "".join(f"\\U{ord(letter):08x}" for letter in name) + '"'
