"""Find and run nft and iptables-legacy-save."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from warren.errors import HostError
from warren.tunnel.firewall import Chains, parse_iptables, parse_ruleset
from warren.tunnel.io.host_program import DIRECTORIES, ProgramRunner

TIMEOUT_SECONDS = 20  # a ruleset of a hundred thousand elements takes a few
LEGACY = (
    ("ip", "iptables-legacy-save", Path("/proc/net/ip_tables_names")),
    ("ip6", "ip6tables-legacy-save", Path("/proc/net/ip6_tables_names")),
)
PATH = os.pathsep.join(f"/{directory}" for directory in DIRECTORIES)
RUNNER = ProgramRunner(PATH, TIMEOUT_SECONDS, "exit.refused")


def load_ruleset(text: str) -> None:
    """Apply a ruleset whole or not at all. Raises HostError."""
    _run(["nft", "-f", "-"], text)


def table_comment(family: str, name: str) -> str | None:
    """Return the comment of a table, empty without one; None if there is no such table. Raises HostError."""
    for item in _json(["nft", "-j", "list", "tables"]):
        table = item.get("table")
        if isinstance(table, dict) and (table.get("family"), table.get("name")) == (family, name):
            return _comment(family, name)
    return None


def _comment(family: str, name: str) -> str:
    """Return the comment of a table; nft before 1.0.9 does not print it as JSON."""
    lines = _run(["nft", "-t", "list", "table", family, name]).splitlines()
    return next((line.split('"')[1] for line in lines[1:2] if line.strip().startswith('comment "')), "")


def read_chains() -> Chains:
    """Return the chains of every packet filter of this host. Raises HostError."""
    try:
        chains = parse_ruleset({"nftables": _json(["nft", "-j", "-t", "list", "ruleset"])})
    except ValueError as error:
        raise HostError(str(error), code="exit.refused") from error
    for family, program, tables in LEGACY:
        # Only where the kernel has such a table: the program would load the module that makes one.
        if "filter" in _lines(tables) and shutil.which(program, path=PATH):
            chains |= parse_iptables(_run([program, "-t", "filter"]), family)
    return chains


def _lines(path: Path) -> Sequence[str]:
    try:
        return path.read_text().split()
    except OSError:
        return ()


def _json(arguments: Sequence[str]) -> list[Any]:
    try:
        found = json.loads(_run(arguments))["nftables"]
    except (ValueError, KeyError, TypeError) as error:
        raise HostError(f"`{' '.join(arguments)}` printed no JSON", code="exit.refused") from error
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _run(arguments: Sequence[str], text: str = "") -> str:
    program = shutil.which(arguments[0], path=PATH)
    if program is None:
        hint = "install the package nftables"
        raise HostError(f"an exit node needs the program {arguments[0]}", code="exit.refused", hint=hint)
    return RUNNER.run(arguments, program, text)
