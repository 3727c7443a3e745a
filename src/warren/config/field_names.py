"""Keys as findings write them: `network.home.peers[0].name`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache

PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]+")


def camel_case(name: str) -> str:
    """Return a name in the spelling of the JSON of document 000: `private_key_path` becomes `privateKeyPath`."""
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def joined(key: str, name: str) -> str:
    """Return the key of `name` in the table at `key`; a name with other characters is in quotation marks."""
    plain = _plain(name)
    return f"{key}.{plain}" if key else plain


@lru_cache(maxsize=256)
def _plain(name: str) -> str:
    """Return a name as a key has it; the same few names occur at every peer."""
    return name if PLAIN_NAME.fullmatch(name) else json.dumps(name)


def line_of(key: str, lines: Mapping[str, int]) -> int | None:
    """Return the line of `key`, or of the nearest enclosing key that has one."""
    while key and key not in lines:
        key = key[: max(key.rfind("."), key.rfind("["), 0)]
    return lines[key] if key else None
