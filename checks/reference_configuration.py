"""The page `docs/reference/configuration.md`, and the check of keys in documents: both from the rows of the tables."""

from __future__ import annotations

import re
from collections.abc import Iterator

from checks.markdown import NOTE, table
from warren.agent.config import TABLE_GROUPS, UNSUPPORTED_TABLES
from warren.config.defaults import PROGRAMS
from warren.config.fields import options_of
from warren.config.reference import ReferenceRow, ReferenceTable, reference_rows, reference_tables
from warren.tunnel.network import NetworkConfig, NetworkPeer

NETWORKS = (
    ReferenceTable(
        "network.NAME", "One network; NAME is 1 to 64 of A-Z a-z 0-9 _ -.", tuple(reference_rows(NetworkConfig))
    ),
    *reference_tables(NetworkConfig, "network.NAME"),
    ReferenceTable(
        "network.NAME.peers",
        "A peer of a network, as `[[network.NAME.peers]]`, or as `[[network.peers]]` for the nearest network above it.",
        tuple(reference_rows(NetworkPeer)),
        is_list=True,
    ),
)
INTRODUCTION = """\
The agent reads one file in TOML. An unknown key is an error that names the nearest known one.
A value is taken from, in this order: a flag, the environment, the file, the default.
`warren config show --origin` prints every effective value with its source, and `warren validate` every problem.

- A duration is a number of seconds, or text such as `90s`, `30m`, `24h`, `7d` or `1h30m`.
- A size is a number of bytes, or text such as `64k`, `512m` or `2g`.
- `--root DIR` puts DIR before every path.
- [Configuration](../guide/configuration.md) is the guide.
"""
MENTION = re.compile(r"`\[([a-z_.]+)\](?:` `| )([a-z0-9_.]+)")
"""A key in the text of a document, as "`[sandbox] memory`" or "`[sandbox]` `memory`"."""
TABLE_HEAD = re.compile(r"^\|[^|`]*`\[([a-z_.]+)\]`[^|]*\|.*\n\|[- |]+\|\n((?:\|.*\n)*)", re.MULTILINE)
"""A table in Markdown whose first head names a table of the configuration: its first column has keys."""


def all_tables() -> tuple[ReferenceTable, ...]:
    """Return every table of the file, in the order of the page."""
    return (*NETWORKS, *(found for group in TABLE_GROUPS for found in reference_tables(group)))


def configuration_page() -> str:
    """Render every table with every key."""
    files = "".join(
        f"- `{program}` reads `{defaults.config}`, or the file of `--config`.\n"
        for program, defaults in PROGRAMS.items()
    )
    sections = "\n".join(map(_section, all_tables()))
    return f"# Configuration reference\n\n{NOTE}\n{INTRODUCTION}{''.join(_variables())}{files}\n{sections}"


def _variables() -> Iterator[str]:
    """Yield a line for each key that the environment overrides."""
    for group in TABLE_GROUPS:
        for key, option in options_of(group):
            if option.environment:
                names = ", else ".join(f"`{variable.name}`" for variable in option.environment)
                path, _, name = key.rpartition(".")
                yield f"- {names} in the environment overrides `[{path}] {name}`.\n"


def _section(found: ReferenceTable) -> str:
    heads = ["key", "value", "default", "meaning"]
    rows = [[f"`{row.key}`", row.accepts, row.default, row.doc] for row in found.rows]
    if found in NETWORKS:
        heads.insert(1, "in JSON")
        for cells, row in zip(rows, found.rows, strict=True):
            cells.insert(1, _json_key(row))
    header = f"[[{found.name}]]" if found.is_list else f"[{found.name}]"
    return f"## `{header}`\n\n{found.doc}\n\n{table(heads, rows)}"


def _json_key(row: ReferenceRow) -> str:
    return "" if row.json_key is None else f"`{row.json_key}`"


def unknown_keys(text: str) -> Iterator[str]:
    """Yield each `[table] key` in a document that is not a key of a row."""
    named = [*MENTION.findall(text)]
    for name, rows in TABLE_HEAD.findall(text):
        named += [(name, key) for row in rows.splitlines() for key in re.findall(r"`([a-z0-9_.]+)`", row.split("|")[1])]
    for name, key in named:
        if not _is_known(name, key.rstrip(".")):
            yield f"[{name}] {key}"


def _is_known(name: str, key: str) -> bool:
    """Return True if `key` is a key of the table, a table within it, or of a table without support in this version."""
    path = f"{name}.{key}"
    known = {f"{found.name}.{row.key}" for found in all_tables() for row in found.rows}
    known |= {found.name for found in all_tables()} | {key.removesuffix(".NAME") for key in known if "NAME" in key}
    patterns = (re.escape(key).replace("NAME", r"[\w-]+") for key in known)
    return name in UNSUPPORTED_TABLES or any(re.fullmatch(pattern, path) for pattern in patterns)
