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
from warren.cluster import CLUSTER
from warren.errors import TrustError
from warren.files.atomic import replace_file
from warren.files.bounded_read import read_named
from warren.files.make_directory import make_directory
from warren.files.trusted_path import NAMED_BY_USER
from warren.terminal import visible_line
from warren.trust.bundle import TrustBundle, expiry_problem
from warren.trust.bundle_json import bundle_members
from warren.trust.bundle_toml import draft_policy, parse_policy
from warren.trust.bundle_verify import (
    claimed_roots,
    cosign_bundle,
    missing_signatures,
    parse_unverified,
    sign_bundle,
    verify_bundle,
)
from warren.trust.io.bundle_file import MODE, install_bundle, read_installed_text, read_text
from warren.trust.io.keyset_file import make_keyset, read_keyset
from warren.trust.principals import Operator

MAX_POLICY_BYTES = 1 << 20  # as the longest bundle that is made of it
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
@click.option("--cluster", metavar="NAME", default="default", help="Name of the cluster, a label of DNS.")
def init(directory: Path, cluster: str) -> None:
    """Create a root key, a dispatch key and a draft policy.

    Prints the root thumbprint, which every node pins as [security] root. The files go into DIRECTORY, by default the
    current directory.
    """
    try:
        CLUSTER(cluster, "cluster")
    except ValueError as error:
        raise TrustError(str(error), code="trust.malformed", hint="nothing was created") from None
    _prepare(directory)
    root = make_keyset(directory / ROOT_FILE, "root", sealing=False)
    dispatcher = make_keyset(directory / DISPATCH_FILE, "dispatch", sealing=False)
    _write_text(directory / POLICY_FILE, draft_policy(cluster, dispatcher.signing.public, ROLES, int(wall_seconds())))
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
    _write_signed(output, sign_bundle(bundle, root))


@trust.command(examples=("warren trust cosign trust.jws --key second-root.jwks",))
@click.argument("file", type=PATH)
@click.option("--key", "root_file", metavar="FILE", type=PATH, required=True, help="Root key that signs too.")
def cosign(file: Path, root_file: Path) -> None:
    """Add the signature of another root to a trust bundle.

    A policy with a `root_threshold` above 1 needs that many signatures. Look at the bundle first: warren trust show.
    """
    root = read_keyset(root_file).signing
    _write_signed(file, cosign_bundle(read_text(file), root))


@trust.command(examples=("warren trust show", "warren trust show trust.jws --json"))
@click.argument("file", type=PATH, required=False)
@security_options
@pin_option
@json_option
def show(security: Security, file: Path | None, pins: tuple[str, ...], as_json: bool) -> None:
    """Show a trust bundle.

    Without FILE, the installed bundle.
    """
    text = read_text(file) if file else read_installed_text(Path(security.trust))
    missing = missing_signatures(text)
    signers = claimed_roots(text)
    bundle = parse_unverified(text) if missing else verify_bundle(text, signers)
    pinned = len(set(signers) & set(pins or security.roots)) >= security.threshold
    document = {"signed_by": [*signers], "pinned_here": pinned, "missing_signatures": missing}
    if as_json:
        write(json.dumps({**document, **bundle_members(bundle)}, indent=2) + "\n")
    else:
        write(_as_text(bundle, signers, pinned=pinned, missing=missing))


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
    bundle = install_bundle(Path(security.trust), read_text(file), roots, security.threshold)
    write(f"{security.trust}: version {bundle.version} of {bundle.policy_id}, until {_day(bundle.expires)}\n")


def _prepare(directory: Path) -> None:
    """Create the directory with mode 0700 if it is missing, and check that no file in it would be overwritten."""
    try:
        make_directory(directory, 0o700, trust=NAMED_BY_USER)
    except OSError as error:
        raise TrustError(f"{directory}: {error.strerror}", code="trust.unusable", errno=error.errno) from error
    for path in (directory / name for name in (POLICY_FILE, ROOT_FILE, DISPATCH_FILE)):
        if path.exists() or path.is_symlink():
            hint = "choose another directory; existing files are never overwritten"
            raise TrustError(f"{path} already exists", code="trust.unusable", hint=hint)


def _write_signed(output: Path, text: str) -> None:
    _write_text(output, text + "\n")
    bundle, missing = parse_unverified(text), missing_signatures(text)
    write(f"{output}: version {bundle.version} of {bundle.policy_id}, until {_day(bundle.expires)}\n")
    if missing:
        problem = f"{missing} of {bundle.root_threshold} signatures are missing: nodes reject the bundle until then"
        report(problem, f"next: warren trust cosign {output} --key FILE")


def _check_higher(bundle: TrustBundle, output: Path) -> None:
    """Raise TrustError if the existing bundle has the same version or a higher one: nodes would reject this one."""
    if not output.exists():
        return
    previous = parse_unverified(read_text(output)).version
    if bundle.version <= previous:
        problem = f"version {bundle.version} is not higher than version {previous} of {output}"
        hint = "nothing was signed; raise the version in the policy file"
        raise TrustError(problem, code="trust.rollback", hint=hint)


def _read_text(path: Path) -> str:
    try:
        return read_named(path, MAX_POLICY_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        problem = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise TrustError(f"{path}: {problem}", code="trust.unusable") from error


def _write_text(path: Path, text: str) -> None:
    try:
        replace_file(path, text.encode("ascii"), MODE, trust=NAMED_BY_USER)
    except OSError as error:
        raise TrustError(f"{path}: {error.strerror}", code="trust.unusable", errno=error.errno) from error


def _as_text(bundle: TrustBundle, signers: tuple[str, ...], *, pinned: bool, missing: int) -> str:
    lines = [
        f"version {bundle.version} of {bundle.policy_id}",
        f"cluster {bundle.cluster}",
        f"signed by {', '.join(signers)}, {'pinned' if pinned else 'NOT pinned'} on this node",
        *([f"NOT VERIFIED: {missing} of {bundle.root_threshold} signatures are missing"] if missing else []),
        f"valid from {_day(bundle.issued)} until {_day(bundle.expires)}",
        *(f"dispatch key {entry.signing.kid}{_until(entry.expires)}" for entry in bundle.dispatch),
        *(
            f"operator {entry.id} ({', '.join(entry.roles)}) {_methods(entry)}{_until(entry.expires)}"
            for entry in bundle.operators.values()
        ),
        *(f"role {role}: {', '.join(sorted(verbs)) or 'no verbs'}" for role, verbs in bundle.roles.items()),
        *(f"{verb} needs {rule.count} approvals of {', '.join(rule.roles)}" for verb, rule in bundle.approvals.items()),
    ]
    if problem := expiry_problem(bundle, wall_seconds()):
        lines.append(f"warning: {problem}")
    return "".join(f"{visible_line(line)}\n" for line in lines)


def _methods(operator: Operator) -> str:
    """Return the thumbprints of an operator's keys, with the method of those that are not files."""
    own = [operator.signing.kid] if operator.signing else []
    return " ".join((*own, *(f"{key.method}:{key.kid}" for key in operator.webauthn.values())))


def _until(expires: int | None) -> str:
    return "" if expires is None else f", until {_day(expires)}"


def _day(seconds: int) -> str:
    try:
        return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, ValueError, OSError):  # a year after 9999
        return f"{seconds} s after 1970-01-01"
