"""`warren audit`: what was decided and done here, and whether the log still is as it was written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from warren.agent.io.config_file import read_config
from warren.audit.io.keyfile import read_verifying_keys
from warren.audit.io.logfiles import LogFiles, last_head, log_in, log_of
from warren.audit.text import line_text
from warren.audit.verify import Anchor, Finding, Location, Verdict, read_anchors, verify_log
from warren.cli.options import config_options, config_path, json_option, own_defaults
from warren.cli.output import tell, warn, write
from warren.errors import InputError, WarrenError
from warren.jws import VerifyingKey
from warren.trust.io.identity_file import read_identity

FILES = click.argument("files", metavar="[FILE…]", nargs=-1, type=click.Path(path_type=Path, exists=True))
LONGEST_NAME = 256
Keys = Mapping[str, VerifyingKey] | None


@click.group()
def audit() -> None:
    """Verify and show the log of what was decided and done here.

    It is read from its files; no agent need run. Without FILE it is the log of this host's agent.
    """


@audit.command()
@FILES
@click.option("--anchor", "held", metavar="CHECKPOINT", multiple=True, help="One held elsewhere, or a file with it.")
@click.option(
    "--key", metavar="KEY", help="The node's public key, or a file with it: JWK, or of `warren identity show`."
)
@config_options
def verify(files: Sequence[Path], held: Sequence[str], key: str | None, config: Path | None, root: str) -> int:
    """Say whether the log is as it was written, and where it is not.

    Found are lines that were edited, removed, put in or moved. That the log was cut behind its last checkpoint, or
    written anew by somebody who has the node's key, is found with a checkpoint that was held elsewhere: --anchor.
    Without --key and FILE the key is this node's own, if you may read it.

    Exit status: 0 as it was written; 1 it is not, and where was told; or it could not be read.
    """
    log = _log(files, config, root)
    keys = read_verifying_keys(key) if key else None if files else _own_keys(config, root)
    if keys is None:
        warn("the signatures of checkpoints are not verified: give the node's public key as --key")
    try:
        anchors, faults = read_anchors(log.tokens(), keys)
        found = verify_log(log.lines(), [*anchors, *_held(held, keys)])
    except OSError as error:
        raise _unreadable(error) from error
    write(_summary(found))
    for fault in (*faults, *found.faults):
        tell(str(fault))
    return int(bool(faults or found.faults))


@audit.command()
@FILES
@click.option("-n", "count", metavar="COUNT", type=click.IntRange(min=1), help="The last COUNT alone.")
@json_option
@config_options
def show(files: Sequence[Path], count: int | None, as_json: bool, config: Path | None, root: str) -> None:
    """Print the log, one event on a line; with --json as it is written."""
    try:
        lines = [line for _, line in _log(files, config, root).lines()]
    except OSError as error:
        raise _unreadable(error) from error
    for line in lines[-count:] if count else lines:
        write((line.decode("ascii", "replace") if as_json else line_text(line)) + "\n")


@audit.command()
@FILES
@click.option("--checkpoint", is_flag=True, help="The last checkpoint alone: what an anchor is made of.")
@json_option
@config_options
def head(files: Sequence[Path], checkpoint: bool, as_json: bool, config: Path | None, root: str) -> None:
    """Say how long the log is, and the hash that all of it leads to."""
    log = _log(files, config, root)
    try:
        found, token = last_head(log), log.last_token
    except OSError as error:
        raise _unreadable(error) from error
    if checkpoint:
        if token is None:
            raise InputError("the log has no checkpoint yet", code="audit.missing")
        write(f"{token}\n")
    elif as_json:
        write(json.dumps({"n": found.n, "head": found.digest, "checkpoint": token}) + "\n")
    else:
        write(f"{found.n} {found.digest}\n")


def _own_keys(config: Path | None, root: str) -> Keys:
    """This node's, where this user may read them."""
    defaults = own_defaults(root)
    security = read_config(config_path(config, defaults), defaults).commands.security
    try:
        public = read_identity(Path(security.identity)).signing.public
    except WarrenError:
        return None
    return {public.kid: public}


def _log(files: Sequence[Path], config: Path | None, root: str) -> LogFiles:
    if files:
        return log_in(files)
    defaults = own_defaults(root)
    return log_of(Path(read_config(config_path(config, defaults), defaults).commands.audit))


def _held(given: Sequence[str], keys: Keys) -> list[Anchor]:
    found: list[Anchor] = []
    for each in given:
        # A checkpoint has two dots, and more letters than a file's name may have.
        is_file = len(each) < LONGEST_NAME and Path(each).exists()
        token = (Path(each).read_text("ascii", "replace") if is_file else each).strip().rpartition("\n")[2]
        anchors, faults = read_anchors([(Location(f"the anchor {each[:40]}", 1), token)], keys)
        if faults:
            raise InputError(f"{each[:40]}: this anchor {_why(faults)}", code="audit.invalid_anchor")
        found += anchors
    return found


def _why(faults: Sequence[Finding]) -> str:
    return faults[0].problem.removeprefix("the checkpoint behind this entry ")


def _summary(found: Verdict) -> str:
    if not found.first:
        return "the log is empty\n"
    state = "NOT as it was written" if found.faults else "as it was written"
    said = f"entries {found.first} to {found.head.n}: {state}; head {found.head.digest}\n"
    if found.sealed < found.head.n:
        said += f"entries {found.sealed + 1} to {found.head.n} are behind the last checkpoint\n"
    return said


def _unreadable(error: OSError) -> InputError:
    return InputError(f"{error.filename}: {error.strerror}", code="audit.unreadable", errno=error.errno)
