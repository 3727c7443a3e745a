"""The canonical TOML of networks and settings: read again, it means the same. Peers are `[[network.NAME.peers]]`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from warren.config.field_names import toml_word
from warren.config.plain import Plain, network_values, peer_values
from warren.tunnel.network import NetworkConfig

NO_NOTES: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Section:
    """A header and what stands under it."""

    header: str
    key: str
    """Of the table, as in a finding: `network.home.peers[0]`."""
    values: Mapping[str, Plain]


def network_sections(network: NetworkConfig, *, whole: bool = False) -> Iterator[Section]:
    """A network and its peers; `whole`: defaults too."""
    key = f"network.{network.name}"
    yield Section(f"[{key}]", key, _in_toml(network_values(network, whole=whole)))
    for number, peer in enumerate(network.peers):
        yield Section(f"[[{key}.peers]]", f"{key}.peers[{number}]", _in_toml(peer_values(peer, whole=whole)))


def encode_toml(sections: Sequence[Section], notes: Mapping[str, str] = NO_NOTES) -> str:
    """The text of `sections`; a note stands as a comment behind the key that it is for."""
    return "\n".join(f"{section.header}\n{''.join(_lines(section, notes))}" for section in sections)


def _lines(section: Section, notes: Mapping[str, str]) -> Iterator[str]:
    for key, value in section.values.items():
        note = notes.get(f"{section.key}.{key}")
        yield f"{key} = {_value(value)}{f'  # {note}' if note else ''}\n"


def _in_toml(values: Mapping[str, Plain]) -> dict[str, Plain]:
    return {toml_word(field): value for field, value in values.items()}


def _value(value: Plain) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case str():
            # The escapes of JSON are escapes of TOML; DEL is the one character more that TOML wants escaped.
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case list():
            return f"[{', '.join(map(_value, value))}]"
