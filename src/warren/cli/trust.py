"""`warren trust`: create, sign, install and show trust bundles."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import click

from warren.cli.help import Group, Option
from warren.cli.options import PATH, json_option
from warren.cli.output import report, write
from warren.cli.trust_options import Security, pin_option, security_options
from warren.clock import wall_seconds
from warren.errors import TrustError
from warren.files.atomic import replace_file
from warren.files.directory import make_directory
from warren.trust.bundle import TrustBundle, expiry_problem
from warren.trust.bundle_json import bundle_members
from warren.trust.bundle_toml import draft_policy, parse_policy
from warren.trust.bundle_verify import claimed_root, sign_bundle, verify_bundle
from warren.trust.io.bundle_file import MODE, install_bundle, read_text
from warren.trust.io.keyset_file import make_keyset, read_keyset

READ_ONLY_VERBS = (
    "list_users",
    "list_containers",
    "get_session_status",
    "get_system_health",
    "get_service_status",
    "get_monitoring_data",
)
CHANGING_VERBS = (
    "create_openvpn_user",
    "create_panel_user",
    "delete_user",
    "spawn_container",
    "stop_container",
    "terminate_session",
    "generate_bootstrap",
    "revoke_bootstrap",
)
ROLES = {"ADMIN": (*READ_ONLY_VERBS, *CHANGING_VERBS), "VIEWER": READ_ONLY_VERBS}
"""The roles of a draft, with every verb of the ViWorkS gateway agent and ViWorkS outbound interfaces (V-46)."""
POLICY_FILE, ROOT_FILE, DISPATCH_FILE = "trust.toml", "root.jwks", "dispatch.jwks"


@click.group(cls=Group, examples=("warren trust init ./trust", "warren trust sign ./trust/trust.toml"))
def trust() -> None:
    """Create, sign and install trust bundles."""


@trust.command(examples=("warren trust init ./trust",))
@click.argument("directory", type=PATH, default=".")
def init(directory: Path) -> None:
    """Create a root key, a dispatch key and a draft policy.

    Prints the root thumbprint, which every node pins as [security] root. The files go into DIRECTORY, by default the
    current directory.
    """
    _prepare(directory)
    root = make_keyset(directory / ROOT_FILE, "root", sealing=False)
    dispatcher = make_keyset(directory / DISPATCH_FILE, "dispatch", sealing=False)
    _write_text(directory / POLICY_FILE, draft_policy(dispatcher.signing.public, ROLES, int(wall_seconds())))
    write(f"{root.signing.public.kid}\n")
    report(
        f"created {directory / ROOT_FILE}: its holder controls every node that pins it",
        "keep it offline, in two copies, and use it only to sign;\n"
        f"next: run `warren operator new NAME`, add its table to {directory / POLICY_FILE}, run `warren trust sign`",
    )


@trust.command(examples=("warren trust key next-root.jwks",))
@click.argument("file", type=PATH)
def key(file: Path) -> None:
    """Create another dispatch key or root key.

    Prints its `x`, as the policy file needs it, and its thumbprint.
    """
    public = make_keyset(file, "key", sealing=False).signing.public
    write(f'x = "{public.x}"  # thumbprint {public.kid}\n')


@trust.command(examples=("warren trust sign trust.toml", "warren trust sign trust.toml --key root.jwks"))
@click.argument("source", metavar="POLICY", type=PATH, default=POLICY_FILE)
@click.option(
    "--key",
    "root_file",
    cls=Option,
    metavar="FILE",
    type=PATH,
    help="Root key that signs.",
    default_text=f"{ROOT_FILE} next to POLICY",
)
@click.option(
    "-o",
    "--output",
    cls=Option,
    metavar="FILE",
    type=PATH,
    help="Write to FILE, replacing an older version.",
    default_text="POLICY with the suffix .jws",
)
def sign(source: Path, root_file: Path | None, output: Path | None) -> None:
    """Sign a policy file into a trust bundle.

    If the output file exists, the policy needs a higher version than that bundle has.
    """
    root = read_keyset(root_file or source.with_name(ROOT_FILE)).signing
    bundle = parse_policy(_read_text(source), root.public, int(wall_seconds()))
    output = output or source.with_suffix(".jws")
    _check_higher(bundle, output)
    _write_text(output, sign_bundle(bundle, root) + "\n")
    write(f"{output}: version {bundle.version} of {bundle.policy_id}, until {_day(bundle.expires)}\n")


@trust.command(examples=("warren trust show", "warren trust show trust.jws --json"))
@click.argument("file", type=PATH, required=False)
@security_options
@pin_option
@json_option
def show(security: Security, file: Path | None, pins: tuple[str, ...], as_json: bool) -> None:
    """Show a trust bundle.

    Without FILE, the installed bundle.
    """
    text = read_text(file or Path(security.trust))
    signer = claimed_root(text)
    bundle = verify_bundle(text, (signer,))
    pinned = signer in (pins or security.roots)
    document = {"signed_by": signer, "pinned_here": pinned, **bundle_members(bundle)}
    write(json.dumps(document, indent=2) + "\n" if as_json else _as_text(bundle, signer, pinned=pinned))


@trust.command(examples=("warren trust install trust.jws", "warren trust install trust.jws --pin THUMBPRINT"))
@click.argument("file", type=PATH)
@security_options
@pin_option
def install(security: Security, file: Path, pins: tuple[str, ...]) -> None:
    """Install a bundle signed by a pinned root.

    A version lower than that of any bundle installed before is rejected. A running agent uses the new bundle from the
    next command on.
    """
    roots = pins or security.roots
    if not roots:
        raise TrustError("no trust root is pinned in [security]", code="trust.root_not_pinned")
    bundle = install_bundle(Path(security.trust), read_text(file), roots)
    write(f"{security.trust}: version {bundle.version} of {bundle.policy_id}, until {_day(bundle.expires)}\n")


def _prepare(directory: Path) -> None:
    """Create the directory with mode 0700 if it is missing, and check that no file in it would be overwritten."""
    try:
        make_directory(directory, 0o700)
    except OSError as error:
        raise TrustError(f"{directory}: {error.strerror}", code="trust.unusable", errno=error.errno) from error
    for path in (directory / name for name in (POLICY_FILE, ROOT_FILE, DISPATCH_FILE)):
        if path.exists() or path.is_symlink():
            hint = "choose another directory; existing files are never overwritten"
            raise TrustError(f"{path} already exists", code="trust.unusable", hint=hint)


def _check_higher(bundle: TrustBundle, output: Path) -> None:
    """Raise TrustError if the existing bundle has the same version or a higher one: nodes would reject this one."""
    if not output.exists():
        return
    text = read_text(output)
    previous = verify_bundle(text, (claimed_root(text),)).version
    if bundle.version <= previous:
        problem = f"version {bundle.version} is not higher than version {previous} of {output}"
        hint = "nothing was signed; raise the version in the policy file"
        raise TrustError(problem, code="trust.rollback", hint=hint)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problem = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise TrustError(f"{path}: {problem}", code="trust.unusable") from error


def _write_text(path: Path, text: str) -> None:
    try:
        replace_file(path, text.encode("ascii"), MODE)
    except OSError as error:
        raise TrustError(f"{path}: {error.strerror}", code="trust.unusable", errno=error.errno) from error


def _as_text(bundle: TrustBundle, signer: str, *, pinned: bool) -> str:
    lines = [
        f"version {bundle.version} of {bundle.policy_id}",
        f"signed by {signer}, {'pinned' if pinned else 'NOT pinned'} on this node",
        f"valid from {_day(bundle.issued)} until {_day(bundle.expires)}",
        *(f"dispatch key {entry.signing.kid}{_until(entry.expires)}" for entry in bundle.dispatch),
        *(
            f"operator {entry.id} ({', '.join(entry.roles)}) {entry.signing.kid}{_until(entry.expires)}"
            for entry in bundle.operators.values()
        ),
        *(f"role {role}: {', '.join(sorted(verbs)) or 'no verbs'}" for role, verbs in bundle.roles.items()),
        *(f"{verb} needs {rule.count} approvals of {', '.join(rule.roles)}" for verb, rule in bundle.approvals.items()),
    ]
    if problem := expiry_problem(bundle, wall_seconds()):
        lines.append(f"warning: {problem}")
    return "".join(f"{line}\n" for line in lines)


def _until(expires: int | None) -> str:
    return "" if expires is None else f", until {_day(expires)}"


def _day(seconds: int) -> str:
    try:
        return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, ValueError, OSError):  # a year after 9999
        return f"{seconds} s after 1970-01-01"
