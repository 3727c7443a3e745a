"""`warren trust`: who may say what, and how a node comes to believe it."""

from __future__ import annotations

import datetime as dt
import json
import os
from pathlib import Path

import click

from warren.cli.options import json_option
from warren.cli.output import tell, write
from warren.cli.trust_options import Security, pin_option, security_options
from warren.clock import wall_seconds
from warren.errors import TrustError
from warren.files.atomic import replace_file
from warren.trust.bundle import TrustBundle, expiry_problem
from warren.trust.bundle_json import bundle_members
from warren.trust.bundle_toml import draft, read_source
from warren.trust.bundle_verify import first_root, sign_bundle, verify_bundle
from warren.trust.io.bundle_file import MODE, install_bundle, read_text
from warren.trust.io.keyset_file import make_keyset, read_keyset

READS = (
    "list_users",
    "list_containers",
    "get_session_status",
    "get_system_health",
    "get_service_status",
    "get_monitoring_data",
)
CHANGES = (
    "create_openvpn_user",
    "create_panel_user",
    "delete_user",
    "spawn_container",
    "stop_container",
    "terminate_session",
    "generate_bootstrap",
    "revoke_bootstrap",
)
ROLES = {"ADMIN": (*READS, *CHANGES), "VIEWER": READS}
"""What a draft begins with: every verb of documents 001 and 004 (V-46)."""
SOURCE, ROOT_FILE, DISPATCH_FILE = "trust.toml", "root.jwks", "dispatch.jwks"
PATH = click.Path(path_type=Path)


@click.group()
def trust() -> None:
    """Say who may command, sign that, and have a node believe it."""


@trust.command()
@click.argument("directory", type=PATH, default=".")
def init(directory: Path) -> None:
    """Make a root key, a dispatch key, and a draft of who may say what.

    Prints the root's thumbprint, which each node has to have as [security] root.
    """
    _prepare(directory)
    root = make_keyset(directory / ROOT_FILE, "root", sealing=False)
    dispatcher = make_keyset(directory / DISPATCH_FILE, "dispatch", sealing=False)
    _put(directory / SOURCE, draft(dispatcher.signing.public, ROLES, int(wall_seconds())))
    write(f"{root.signing.public.kid}\n")
    tell(
        f"{directory / ROOT_FILE} is the root: whoever has it commands every node that pins it",
        "take it offline: keep it on a medium of its own, in two places, and bring it out to sign;\n"
        f"then: warren operator new NAME, put its table into {directory / SOURCE}, warren trust sign",
    )


@trust.command()
@click.argument("file", type=PATH)
def key(file: Path) -> None:
    """Make one more key that signs: the next for dispatch, or the next root.

    Prints its `x`, as the file that `warren trust sign` signs has it, and its thumbprint.
    """
    made = make_keyset(file, "key", sealing=False).signing.public
    write(f'x = "{made.x}"  # thumbprint {made.kid}\n')


@trust.command()
@click.argument("source", metavar=SOURCE, type=PATH, default=SOURCE)
@click.option("--key", "root_file", metavar="FILE", type=PATH, help=f"The root; without it, {ROOT_FILE} beside it.")
@click.option("-o", "--output", metavar="FILE", type=PATH, help="Without it, beside it, as trust.jws.")
def sign(source: Path, root_file: Path | None, output: Path | None) -> None:
    """Sign what stands in a file, as the bundle that nodes take.

    A version that is not higher than that of the bundle signed before, where that one is still there, is refused.
    """
    root = read_keyset(root_file or source.with_name(ROOT_FILE)).signing
    bundle = read_source(_text(source), root.public, int(wall_seconds()))
    output = output or source.with_suffix(".jws")
    _check_higher(bundle, output)
    _put(output, sign_bundle(bundle, root) + "\n")
    write(f"{output}: version {bundle.version} of {bundle.policy_id}, until {_day(bundle.expires)}\n")


@trust.command()
@click.argument("file", type=PATH, required=False)
@security_options
@pin_option
@json_option
def show(security: Security, file: Path | None, pins: tuple[str, ...], as_json: bool) -> None:
    """Print what a bundle says; without FILE, the one that is installed here."""
    text = read_text(file or Path(security.trust))
    by = first_root(text)
    bundle = verify_bundle(text, (by,))
    pinned = by in (pins or security.roots)
    document = {"signed_by": by, "pinned_here": pinned, **bundle_members(bundle)}
    write(json.dumps(document, indent=2) + "\n" if as_json else _in_words(bundle, by, pinned=pinned))


@trust.command()
@click.argument("file", type=PATH)
@security_options
@pin_option
def install(security: Security, file: Path, pins: tuple[str, ...]) -> None:
    """Put a bundle in its place on this node, if a root that is pinned here has signed it.

    One with a lower version than any that was there is refused. A running agent goes by it from the next command on.
    """
    roots = pins or security.roots
    if not roots:
        raise TrustError("no root is pinned on this node", code="trust.root_not_pinned")
    bundle = install_bundle(Path(security.trust), read_text(file), roots)
    write(f"{security.trust}: version {bundle.version} of {bundle.policy_id}, until {_day(bundle.expires)}\n")


def _prepare(directory: Path) -> None:
    """A directory for its owner alone, unless it is there, and in it nothing of what is to be made."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise TrustError(f"{directory}: {error.strerror}", code="trust.unusable", errno=error.errno) from error
    for path in (directory / name for name in (SOURCE, ROOT_FILE, DISPATCH_FILE)):
        if os.path.lexists(path):
            hint = "choose another directory: what is there is kept"
            raise TrustError(f"{path} is there already", code="trust.unusable", hint=hint)


def _check_higher(bundle: TrustBundle, output: Path) -> None:
    """Whoever signed what is there: a node that has it would not take this one."""
    if not output.exists():
        return
    text = read_text(output)
    before = verify_bundle(text, (first_root(text),)).version
    if bundle.version <= before:
        problem = f"version {bundle.version} is not higher than {before}, which {output} has"
        raise TrustError(
            problem, code="trust.rollback", hint="nothing was signed; write a higher version into the file"
        )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problem = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise TrustError(f"{path}: {problem}", code="trust.unusable") from error


def _put(path: Path, text: str) -> None:
    try:
        replace_file(path, text.encode("ascii"), MODE)
    except OSError as error:
        raise TrustError(f"{path}: {error.strerror}", code="trust.unusable", errno=error.errno) from error


def _in_words(bundle: TrustBundle, by: str, *, pinned: bool) -> str:
    lines = [
        f"version {bundle.version} of {bundle.policy_id}",
        f"signed by {by}, which is {'pinned' if pinned else 'NOT pinned'} here",
        f"from {_day(bundle.issued)} until {_day(bundle.expires)}",
        *(f"dispatch key {each.signing.kid}{_until(each.expires)}" for each in bundle.dispatch),
        *(
            f"operator {each.id} ({', '.join(each.roles)}) {each.signing.kid}{_until(each.expires)}"
            for each in bundle.operators.values()
        ),
        *(f"{role} may: {', '.join(sorted(verbs)) or 'nothing'}" for role, verbs in bundle.roles.items()),
        *(f"{verb} needs {each.count} more of {', '.join(each.roles)}" for verb, each in bundle.approvals.items()),
    ]
    if problem := expiry_problem(bundle, wall_seconds()):
        lines.append(f"warning: {problem}")
    return "".join(f"{line}\n" for line in lines)


def _until(expires: int | None) -> str:
    return "" if expires is None else f", until {_day(expires)}"


def _day(seconds: int) -> str:
    try:
        return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, ValueError, OSError):  # a year that has five digits
        return f"{seconds} s after 1970"
