"""`warren validate`: report every problem of a configuration."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from warren.agent.config import AgentConfig, collection_paused
from warren.agent.io.config_file import check_keys, key_owners, read_config
from warren.agent.io.preflight import host_warnings
from warren.cli.format import format_count
from warren.cli.help import Command
from warren.cli.options import config_options, config_path, json_option, own_defaults
from warren.cli.output import write
from warren.config.defaults import Defaults
from warren.config.reader import in_order
from warren.errors import ConfigError, Finding
from warren.terminal import visible_line


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of checking a configuration."""

    path: Path
    config: AgentConfig | None
    findings: Sequence[Finding] = ()
    warnings: Sequence[Finding] = ()


@click.command(cls=Command, examples=("warren validate", "warren validate --config ./agent.toml --json"))
@config_options
@json_option
def validate(config: Path | None, root: str, as_json: bool) -> int:
    """Check a configuration and report every problem.

    Read-only: it needs no agent, no network access and no privileges apart from reading the file. A key file that is
    missing or not readable is reported as not checked.

    Exit status: 0 the agent can start with it, 1 it cannot.
    """
    defaults = own_defaults(root)
    with collection_paused():
        verdict = check_config(config_path(config, defaults), defaults)
    write(json.dumps(as_object(verdict), indent=2) + "\n" if as_json else as_text(verdict))
    return 1 if verdict.findings else 0


def check_config(path: Path, defaults: Defaults) -> Verdict:
    """Check a configuration and its key files. Raises WarrenError if there is no such file."""
    try:
        config = read_config(path, defaults)
    except ConfigError as error:
        return Verdict(path, None, error.findings)
    keys = check_keys(config, key_owners(config.daemon.user))
    warnings = (*config.warnings, *keys.unchecked, *host_warnings(config))
    return Verdict(path, config, keys.findings, in_order(warnings))


def as_text(verdict: Verdict) -> str:
    """Return a line for each finding and warning, `FILE:LINE: KEY: problem; expected`, and a summary."""
    lines = [_line(verdict.path, finding) for finding in verdict.findings]
    lines += [_line(verdict.path, finding, "warning: ") for finding in verdict.warnings]
    return "".join(f"{visible_line(line)}\n" for line in (*lines, _summary(verdict)))


def _line(path: Path, finding: Finding, label: str = "") -> str:
    place = f"{path}:{finding.line}" if finding.line else str(path)
    return f"{place}: {label}{finding.key}: {finding.problem}; {finding.expected}"


def _summary(verdict: Verdict) -> str:
    if verdict.findings:
        return f"{verdict.path} is invalid: {format_count(len(verdict.findings), 'problem')}"
    networks = () if verdict.config is None else verdict.config.networks
    enabled = sum(network.enabled for network in networks)
    peers = sum(len(network.peers) for network in networks)
    counts = f"{format_count(len(networks), 'network')}, {enabled} enabled; {format_count(peers, 'peer')}"
    return f"{verdict.path} is valid: {counts}"


def as_object(verdict: Verdict) -> dict[str, object]:
    """Return the result for JSON. Existing members keep their names and meanings."""
    return {
        "file": str(verdict.path),
        "valid": not verdict.findings,
        "findings": [_finding_object(finding) for finding in verdict.findings],
        "warnings": [_finding_object(warning) for warning in verdict.warnings],
    }


def _finding_object(finding: Finding) -> dict[str, object]:
    return {"key": finding.key, "line": finding.line, "problem": finding.problem, "expected": finding.expected}
