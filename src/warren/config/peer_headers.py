"""Whose peers `[[network.peers]]` are (document 000).

To TOML every such header adds to one list of the file, whatever stands above it. Here it is one more way to write
`[[network.NAME.peers]]`, where NAME is the network of the nearest header above (H-02); above every header it is the
only network of the file (H-05). The header is written out in full before TOML sees it, so both ways may be mixed, and
peers keep the order of the text (H-04).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from warren.config.field_names import PLAIN_NAME, joined
from warren.config.toml_spans import Statement, statements
from warren.tunnel.network import RESERVED_NAME

NETWORK = "network"
SHARED = (NETWORK, RESERVED_NAME)


@dataclass(frozen=True, slots=True)
class Layout:
    """A text with every header in full, and where things stand in it."""

    text: str
    """With the same lines as the text that was read. A header whose network is unknown is as it was."""
    lines: Mapping[str, int]
    """By key as findings write it, `network.home.peers[0].name`: the line of each header and key."""


def lay_out(text: str) -> Layout:
    """Finds the owner of every peer's header."""
    found = [*statements(text)]
    whole: list[str] = []
    lines = _Lines()
    nearest = _only_network(found)
    copied = 0
    for statement in found:
        path = statement.path
        if statement.kind == "array" and path == SHARED and nearest is not None:
            path = (NETWORK, nearest, RESERVED_NAME)
            whole += (text[copied : statement.begin], f"[[{NETWORK}.{_quoted(nearest)}.{RESERVED_NAME}]]")
            copied = statement.end
        elif statement.kind != "key" and (name := _network_of(path)) is not None:
            nearest = name
        lines.add(statement, path)
    return Layout("".join((*whole, text[copied:])), lines.of)


def _only_network(found: Sequence[Statement]) -> str | None:
    """The network of a file that has one."""
    names: set[str] = set()
    under: tuple[str, ...] = ()
    for statement in found:
        under = under if statement.kind == "key" else statement.path
        name = _network_of((*under, *statement.path) if statement.kind == "key" else under)
        names |= set() if name is None else {name}
    return names.pop() if len(names) == 1 else None


def _network_of(path: tuple[str, ...]) -> str | None:
    """The network that a header or a key belongs to."""
    is_network = path[0] == NETWORK and len(path) > 1 and path[1] != RESERVED_NAME
    return path[1] if is_network else None


class _Lines:
    """Numbers the tables of each array as they come."""

    def __init__(self) -> None:
        self.of: dict[str, int] = {}
        self._arrays: dict[str, int] = {}
        self._under = ""

    def add(self, statement: Statement, path: tuple[str, ...]) -> None:
        """Takes the next statement down, with `path` for the one it was written with."""
        if statement.kind == "key":
            self._walk(self._under, path, statement.line)
            return
        if statement.kind == "array":
            array = joined(self._walk("", path[:-1], statement.line), path[-1])
            self._arrays[array] = self._arrays.get(array, -1) + 1
            self.of.setdefault(array, statement.line)
        self._under = self._walk("", path, statement.line)

    def _walk(self, key: str, path: tuple[str, ...], line: int) -> str:
        for name in path:
            key = joined(key, name)
            if key in self._arrays:
                key = f"{key}[{self._arrays[key]}]"
            self.of.setdefault(key, line)
        return key


def _quoted(name: str) -> str:
    return name if PLAIN_NAME.fullmatch(name) else '"' + "".join(f"\\U{ord(letter):08x}" for letter in name) + '"'
