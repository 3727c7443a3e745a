"""`warren validate`: every problem of a configuration at once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from warren.agent.config import AgentConfig
from warren.agent.io.config_file import check_keys, key_owners, read_config
from warren.agent.io.preflight import host_warnings
from warren.cli.options import config_options, config_path, own_defaults
from warren.cli.output import write
from warren.config.defaults import Defaults
from warren.config.reader import in_order
from warren.errors import ConfigError, Finding


@dataclass(frozen=True, slots=True)
class Verdict:
    """What there is to say of a configuration."""

    path: Path
    config: AgentConfig | None
    findings: Sequence[Finding] = ()
    warnings: Sequence[Finding] = ()


@click.command()
@config_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
def validate(config: Path | None, root: str, as_json: bool) -> int:
    """Say everything that is wrong with a configuration.

    It changes nothing, needs no agent, no network and no rights but to read the file. A key file that is not there, or
    that this user may not read, is not checked, which is said.

    Exit status: 0 the agent can start with it, 1 it cannot.
    """
    defaults = own_defaults(root)
    verdict = judge(config_path(config, defaults), defaults)
    write(json.dumps(document(verdict), indent=2) + "\n" if as_json else in_words(verdict))
    return 1 if verdict.findings else 0


def judge(path: Path, defaults: Defaults) -> Verdict:
    """Reads a configuration and looks at its key files. Raises WarrenError if there is no such file."""
    try:
        config = read_config(path, defaults)
    except ConfigError as error:
        return Verdict(path, None, error.findings)
    keys = check_keys(config, key_owners(config.daemon.user))
    warnings = (*config.warnings, *keys.unchecked, *host_warnings(config))
    return Verdict(path, config, keys.findings, in_order(warnings))


def in_words(verdict: Verdict) -> str:
    """A line for each finding and warning, `FILE:LINE: KEY: what is; what would be right`, and one of all."""
    lines = [_line(verdict.path, finding) for finding in verdict.findings]
    lines += [_line(verdict.path, finding, "warning: ") for finding in verdict.warnings]
    return "".join(f"{line}\n" for line in (*lines, _summary(verdict)))


def _line(path: Path, finding: Finding, label: str = "") -> str:
    place = f"{path}:{finding.line}" if finding.line else str(path)
    return f"{place}: {label}{finding.key}: {finding.problem}; {finding.expected}"


def _summary(verdict: Verdict) -> str:
    if verdict.findings:
        return f"{verdict.path} cannot be used: {_count(len(verdict.findings), 'problem')}"
    networks = () if verdict.config is None else verdict.config.networks
    enabled = sum(network.enabled for network in networks)
    peers = sum(len(network.peers) for network in networks)
    return f"{verdict.path} is valid: {_count(len(networks), 'network')}, {enabled} enabled; {_count(peers, 'peer')}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def document(verdict: Verdict) -> dict[str, object]:
    """The answer for programs. Names and meanings stay; new ones may come."""
    return {
        "file": str(verdict.path),
        "valid": not verdict.findings,
        "findings": [_object(finding) for finding in verdict.findings],
        "warnings": [_object(warning) for warning in verdict.warnings],
    }


def _object(finding: Finding) -> dict[str, object]:
    return {"key": finding.key, "line": finding.line, "problem": finding.problem, "expected": finding.expected}
