"""Keys as findings write them, `network.home.peers[0].name`, in the words of each surface (X-18)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping

Words = Callable[[str], str]
"""How a surface writes the name of a field."""

PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]+")
IN_TOML = {
    "enabled": "enable_wireguard",
    "addresses": "address",
    "persistent_keepalive_seconds": "persistent_keepalive_secs",
}
IN_JSON = {"addresses": "address", "persistent_keepalive_seconds": "keepaliveSecs"}


def toml_word(field: str) -> str:
    """A field of a network in document 000's TOML."""
    return IN_TOML.get(field, field)


def json_word(field: str) -> str:
    """A field of a network in document 000's JSON."""
    first, *others = field.split("_")
    return IN_JSON.get(field) or first + "".join(map(str.capitalize, others))


def joined(key: str, name: str) -> str:
    """The key of `name` in the table at `key`; a name that is not plain stands in quotation marks."""
    plain = name if PLAIN_NAME.fullmatch(name) else json.dumps(name)
    return f"{key}.{plain}" if key else plain


def written(key: str, words: Words) -> str:
    """A key made of names of fields, in the words of a surface."""
    return re.sub(r"[a-z_]+", lambda field: words(field[0]), key)


def line_of(key: str, lines: Mapping[str, int]) -> int | None:
    """The line of `key`, or of the nearest thing round it that has one."""
    while key and key not in lines:
        key = key[: max(key.rfind("."), key.rfind("["), 0)]
    return lines.get(key)
