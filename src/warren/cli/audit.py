"""`warren audit`: verify and show the audit log."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from warren.agent.io.config_file import key_owners, read_config
from warren.audit.io.keyfile import read_verifying_keys
from warren.audit.io.logfiles import LogFiles, last_head, log_in, log_of
from warren.audit.text import line_text
from warren.audit.verify import Anchor, Keys, Location, Verdict, read_checkpoint, read_checkpoints, verify_log
from warren.cli.help import Group, Option
from warren.cli.options import config_options, config_path, json_option, own_defaults
from warren.cli.output import report, warn, write
from warren.clock import wall_seconds
from warren.errors import InputError, WarrenError
from warren.files.bounded_read import read_named
from warren.files.trusted_path import process_trust
from warren.trust.io.identity_file import read_identity

FILES = click.argument("files", metavar="[FILE…]", nargs=-1, type=click.Path(path_type=Path, exists=True))
MAX_PATH_CHARACTERS = 256
MAX_CHECKPOINT_BYTES = 1 << 20  # a file may have several, the last of which counts
FAULTY = 1
UNVERIFIED = 3


@click.group(cls=Group, examples=("warren audit verify", "warren audit show -n 20"))
def audit() -> None:
    """Verify and show the audit log.

    The log is read from its files; the agent need not be running. Without FILE, it is the log of this host's agent.
    """


@audit.command(examples=("warren audit verify", "warren audit verify --anchor checkpoint.jws --key identity.json"))
@FILES
@click.option(
    "--anchor",
    "anchors",
    cls=Option,
    metavar="CHECKPOINT",
    multiple=True,
    help="Trusted checkpoint kept off this host, or a file with it.",
    default_text="none",
)
@click.option(
    "--key",
    cls=Option,
    metavar="KEY",
    help="Public key of the node, or a file with it: a JWK, or the output of `warren identity show`.",
    default_text="this node's key, without FILE",
)
@config_options
def verify(files: Sequence[Path], anchors: Sequence[str], key: str | None, config: Path | None, root: str) -> int:
    """Verify the log's integrity.

    Edited, removed, inserted and reordered lines are always detected. A log that was truncated after its last
    checkpoint, or rewritten by a holder of the node's key, is detected only with --anchor.

    A log without checkpoints proves nothing: anybody who can write it can rewrite it. With the node's key, entries
    older than one interval of checkpoints without one are reported.

    Exit status: 0 the log is intact; 1 it was tampered with, lacks checkpoints, or cannot be read; 3 nothing is proven,
    as no key was given or no checkpoint is due yet.
    """
    log = _log(files, config, root)
    keys = read_verifying_keys(key) if key else None if files else _own_keys(config, root)
    trusted = _parse_anchors(anchors, keys)
    try:
        verdict = _verify(log, keys, trusted)
        if verdict.unproven:  # the agent may have signed a checkpoint after they were read: it is there by now
            verdict = _verify(log, keys, trusted)
    except OSError as error:
        raise _unreadable(error) from error
    write(_summary(verdict, keys))
    for finding in (*verdict.findings, *(verdict.unproven if keys else ())):
        report(str(finding))
    if keys is None:
        warn("signatures of checkpoints are not verified: pass the node's public key with --key")
    return _exit_status(verdict, keys)


@audit.command(examples=("warren audit show", "warren audit show -n 20 --json"))
@FILES
@click.option(
    "-n",
    "count",
    cls=Option,
    metavar="COUNT",
    type=click.IntRange(min=1),
    help="Show the last COUNT entries.",
    default_text="all",
)
@json_option
@config_options
def show(files: Sequence[Path], count: int | None, as_json: bool, config: Path | None, root: str) -> None:
    """Show the entries of the log.

    With --json, they are shown as stored.
    """
    try:
        lines = (line for _, line in _log(files, config, root).lines())
        for line in lines if count is None else deque(lines, count):
            write((line.decode("ascii", "replace") if as_json else line_text(line)) + "\n")
    except OSError as error:
        raise _unreadable(error) from error


@audit.command(examples=("warren audit head", "warren audit head --checkpoint > checkpoint.jws"))
@FILES
@click.option("--checkpoint", is_flag=True, help="Show the last checkpoint, to keep as an anchor.")
@json_option
@config_options
def head(files: Sequence[Path], checkpoint: bool, as_json: bool, config: Path | None, root: str) -> None:
    """Show length and head hash."""
    log = _log(files, config, root)
    try:
        last, token = last_head(log), log.last_token
    except OSError as error:
        raise _unreadable(error) from error
    if checkpoint:
        if token is None:
            raise InputError("the log has no checkpoint yet", code="audit.missing")
        write(f"{token}\n")
    elif as_json:
        write(json.dumps({"n": last.n, "head": last.digest, "checkpoint": token}) + "\n")
    else:
        write(f"{last.n} {last.digest}\n")


def _own_keys(config: Path | None, root: str) -> Keys:
    """Return this node's public key, or None if this user may not read it."""
    defaults = own_defaults(root)
    settings = read_config(config_path(config, defaults), defaults)
    owners = key_owners(settings.daemon.user)
    try:
        public = read_identity(Path(settings.commands.security.identity), owners).signing.public
    except WarrenError:
        return None
    return {public.kid: public}


def _log(files: Sequence[Path], config: Path | None, root: str) -> LogFiles:
    try:
        if files:
            return log_in(files)
        defaults = own_defaults(root)
        settings = read_config(config_path(config, defaults), defaults)
        return log_of(Path(settings.commands.audit), process_trust(*(key_owners(settings.daemon.user) or ())))
    except OSError as error:
        raise _unreadable(error) from error


def _parse_anchors(texts: Sequence[str], keys: Keys) -> list[Anchor]:
    """Return the anchors that are given as checkpoints or as files with one. Raises InputError."""
    anchors: list[Anchor] = []
    for text in texts:
        # A checkpoint has two dots, and more characters than a file name may have.
        is_file = len(text) < MAX_PATH_CHARACTERS and Path(text).exists()
        token = (
            (read_named(Path(text), MAX_CHECKPOINT_BYTES).decode("ascii", "replace") if is_file else text)
            .strip()
            .rpartition("\n")[2]
        )
        try:
            anchors.append(Anchor(Location(f"anchor {text[:40]}", 1), read_checkpoint(token, keys)))
        except ValueError as error:
            raise InputError(f"invalid anchor {text[:40]}: {error}", code="audit.invalid_anchor") from error
    return anchors


def _verify(log: LogFiles, keys: Keys, trusted: Sequence[Anchor]) -> Verdict:
    """Verify a log with its checkpoints. Raises OSError."""
    checkpoints, findings = read_checkpoints(log.tokens(), keys)
    verdict = verify_log(log.lines(), [*checkpoints, *trusted], wall_seconds())
    return replace(verdict, findings=(*findings, *verdict.findings))


def _exit_status(verdict: Verdict, keys: Keys) -> int:
    if verdict.findings or (keys and verdict.unproven):
        return FAULTY
    return UNVERIFIED if keys is None or not verdict.covered else 0


def _summary(verdict: Verdict, keys: Keys) -> str:
    if not verdict.first:
        return "the log is empty, which proves nothing\n"
    if verdict.findings:
        state = "TAMPERED"
    elif keys is None:
        state = "consistent, but no signature was verified"
    elif not verdict.covered:
        state = "NOT PROVEN" if verdict.unproven else "consistent, but no checkpoint is there yet"
    else:
        state = "NOT PROVEN" if verdict.unproven else "intact"
    text = f"entries {verdict.first} to {verdict.head.n}: {state}; head {verdict.head.digest}\n"
    if verdict.covered < verdict.head.n:
        text += f"entries {verdict.covered + 1} to {verdict.head.n} are not covered by a checkpoint yet\n"
    return text


def _unreadable(error: OSError) -> InputError:
    return InputError(f"{error.filename}: {error.strerror}", code="audit.unreadable", errno=error.errno)
