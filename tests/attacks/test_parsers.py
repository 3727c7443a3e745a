"""Whatever octets reach a parser that root runs, it returns a value or raises the errors that its docstring names.

The helper, the runner, `warren recover`, `identity`, `trust`, `audit` and the OpenVPN programs run as root and read
what others wrote. A parser that raises anything else ends its process, or leaves undone what was to be restored. Each
row of `PARSERS` is tried with arbitrary octets, with the texts of `HOSTILE`, and with valid input that was damaged;
`make soak` tries 20,000 examples of each. `test_every_parser_has_a_row` finds a parser that was added without a row.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from warren import jws
from warren.agent.config import load_config
from warren.audit.chain import parse_link
from warren.audit.checkpoint import parse_unverified
from warren.audit.verify import read_checkpoint
from warren.commands.approval import parse_approval
from warren.commands.envelope import parse_envelope
from warren.commands.handlers.openvpn_protocol import parse_killed, parse_status
from warren.commands.intent import parse_intent
from warren.commands.providers.openvpn_user import parse_user
from warren.commands.providers.pki import parse_issued
from warren.commands.result_json import decode_result
from warren.config.defaults import WARREN
from warren.errors import InputError, WarrenError
from warren.jws import SigningKey
from warren.privsep.io.operations.table import HELPER_OPERATIONS
from warren.privsep.operation import parse_request
from warren.privsep.runner_protocol import parse_message
from warren.strictjson import parse_object
from warren.trust.bundle_json import parse_bundle
from warren.trust.bundle_toml import parse_policy
from warren.trust.keyset import encode_keyset, parse_keyset, parse_sealing_key
from warren.tunnel.dns_journal import parse_journal
from warren.tunnel.wgquick import parse_wgquick

PACKAGE = Path(__file__).parents[2] / "src" / "warren"
ROOT = SigningKey(bytes(range(32)))
DISPATCHER = SigningKey(bytes(32))
TOKEN = ROOT.sign(b"{}", "warren-cmd+jws").encode()
KEYSET = encode_keyset("alice", bytes(32), bytes(range(32)))
TIMES = {"iat": 1_700_000_000, "exp": 1_700_000_060}
SIGNED = {"format": 1, "cluster": "home", **TIMES}
INTENT = {"verb": "get_version", "args": {}, "targets": ["node-1"], "corr_id": "c-1", "bundle_min": 1, **SIGNED}
APPROVAL = {"intent": "0" * 64, "author": "alice", "decision": "approve", **SIGNED}
COMMAND = {
    "corr_id": "c-1",
    "verb": "get_version",
    "args": {},
    "actor": {"id": "alice", "role": "admin"},
    "policy_id": "policy-1",
    "nonce": "0123456789abcdef",
    "agent_targets": ["node-1"],
    "transport": "local",
    "sid": "s-1",
    **SIGNED,
}
BUNDLE = {
    "version": 1,
    "policy_id": "policy-1",
    **SIGNED,
    "roots": [ROOT.public.x],
    "dispatch": [{"x": DISPATCHER.public.x}],
    "operators": {},
    "roles": {"admin": ["get_version"]},
}
POLICY = f"""cluster = "home"
version = 1
policy_id = "policy-1"
expires = 1970-01-02T00:00:00Z
[[dispatch]]
x = "{DISPATCHER.public.x}"
[roles]
admin = ["get_version"]
[operators]
"""
CONFIG = """[network.home]
private_key_path = "/etc/warren/private.key"
address = ["10.9.0.1/24", "fd09::1/64"]
[[network.home.peers]]
name = "office"
public_key = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
endpoint = "vpn.example:51820"
allowed_ips = ["10.9.0.2/32"]
"""
WGQUICK = f"""[Interface]
PrivateKey = {base64.b64encode(bytes(range(32))).decode()}
Address = 10.9.0.1/24, fd09::1/64
[Peer]
PublicKey = xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=
Endpoint = [2001:db8::9]:51820
AllowedIPs = 0.0.0.0/0, ::/0
"""
JOURNAL = {
    "version": 2,
    "entries": [],
    "original": None,
    "written": [""],
    "host_servers": ["192.0.2.1"],
    "in_place": False,
}
USER = {"username": "ada", "serial": "1f", "password_hash": "x", "created": 1, "expires": 2}
STATUS = (
    "HEADER\tCLIENT_LIST\tCommon Name\tReal Address\tVirtual Address\tVirtual IPv6 Address\tBytes Received\t"
    "Bytes Sent\tConnected Since\tConnected Since (time_t)\tUsername\tClient ID\tPeer ID\tData Channel Cipher\n"
    "CLIENT_LIST\tada\t192.0.2.1:1\t10.8.0.2\t\t1\t2\tnow\t1700000000\tada\t0\t0\tAES-256-GCM"
)


@dataclass(frozen=True, slots=True)
class Parser:
    """A parser, an input that it accepts or nearly does, and the errors that it may raise."""

    name: str
    parse: Callable[[bytes], object]
    seed: bytes
    errors: tuple[type[Exception], ...] = (ValueError,)

    def __str__(self) -> str:
        return self.name


def _text(parse: Callable[[str], object]) -> Callable[[bytes], object]:
    """Return a parser of octets; who reads the file refuses those that are not UTF-8."""
    return lambda octets: parse(octets.decode(errors="replace"))


def _members(parse: Callable[[dict[str, object]], object]) -> Callable[[bytes], object]:
    """Return a parser of octets that are strict JSON, as every signed payload is."""
    return lambda octets: parse(parse_object(octets))


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


PARSERS = (
    Parser(
        "parse_request", lambda octets: parse_request(octets, HELPER_OPERATIONS), b'{"op": "RestoreDns"}', (InputError,)
    ),
    Parser(
        "parse_message",
        parse_message,
        _json({"op": "Cancel", "corr_id": "c", "code": "CANCELLED", "reason": ""}),
        (InputError,),
    ),
    Parser("parse_object", parse_object, _json(COMMAND)),
    Parser("read", _text(jws.read), TOKEN),
    Parser("parse_envelope", _members(parse_envelope), _json(COMMAND)),
    Parser("parse_intent", _members(parse_intent), _json(INTENT)),
    Parser("parse_approval", _members(parse_approval), _json(APPROVAL)),
    Parser("parse_bundle", _members(parse_bundle), _json(BUNDLE)),
    Parser("parse_policy", _text(lambda text: parse_policy(text, ROOT.public, 1)), POLICY.encode(), (WarrenError,)),
    Parser("parse_keyset", parse_keyset, KEYSET),
    Parser("parse_sealing_key", parse_sealing_key, KEYSET),
    Parser("parse_journal", parse_journal, _json(JOURNAL)),
    Parser("decode_result", decode_result, b"{}"),
    Parser("parse_user", parse_user, _json(USER)),
    Parser("parse_killed", _text(parse_killed), b"SUCCESS: common name 'ada' found, 1 client(s) killed"),
    Parser("parse_status", _text(lambda text: parse_status(text.split("\n"))), STATUS.encode()),
    Parser(
        "parse_issued",
        lambda octets: parse_issued(octets, octets),
        b"-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n",
    ),
    Parser("parse_link", parse_link, b'{"seq":1,"prev":"00","hash":"00"}'),
    Parser("parse_unverified", _text(parse_unverified), TOKEN),
    Parser(
        "read_checkpoint",
        _text(lambda text: read_checkpoint(text, {})),
        TOKEN,
    ),
    Parser("load_config", _text(lambda text: load_config(text, "agent.toml", WARREN)), CONFIG.encode(), (WarrenError,)),
    Parser("parse_wgquick", _text(lambda text: parse_wgquick(text, name="wg0")), WGQUICK.encode(), (WarrenError,)),
)
# Parsers without a row, each with the reason.
INNER = {
    "parse_answer": "what the helper, which is root, answers to the agent",
    "parse_error": "a member of a message or of an answer",
    "parse_result": "what decode_result parses",
    "parse_signed": "the same, of a node's result, which the command line reads",
    "parse_outcome": "what warren-sandbox, which is root, reports to the runner",
}
DEPTH = 100_000
HOSTILE = (
    b"",
    b"\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf{}",
    b"null",
    b"[]",
    b'"text"',
    b"[" * DEPTH,
    b'{"a":' * DEPTH,
    b'{"op":' + b"[" * DEPTH,
    b'{"op": {}}',
    b'{"op": ["RestoreDns"]}',
    b'{"op": null}',
    b"NaN",
    b'{"a": 1e999}',
    b'{"a": ' + b"9" * 5000 + b"}",
    b'{"a": "\\ud800"}',
    b'{"a": 1, "a": 2}',
    b"a = [" * DEPTH,
    b"a = " + b"[" * DEPTH,
    b"a = " + b"{a=" * DEPTH,
    b"a." * 1000 + b"a = 1",  # tomllib takes the square of it
    b"a = " + b"9" * 5000,
    b"a = 9999-99-99",
    b"[network." + b"a." * 1000 + b"b]",
)


VALID = {"parse_object", "read", "parse_envelope", "parse_intent", "parse_approval", "parse_bundle", "parse_policy"}
VALID |= {"parse_keyset", "parse_journal", "parse_user", "parse_killed", "parse_status", "load_config", "parse_wgquick"}


@pytest.mark.parametrize("parser", [parser for parser in PARSERS if parser.name in VALID], ids=str)
def test_what_is_damaged_is_accepted_when_it_is_whole(parser: Parser) -> None:
    """Otherwise the first member would refuse every example, and the rest would not be reached."""
    parser.parse(parser.seed)


@pytest.mark.parametrize("parser", PARSERS, ids=str)
def test_hostile_text_is_refused_with_the_documented_error(parser: Parser) -> None:
    for octets in HOSTILE:
        attempt(parser, octets)


@pytest.mark.parametrize("parser", PARSERS, ids=str)
def test_arbitrary_octets_are_refused_with_the_documented_error(parser: Parser) -> None:
    @given(st.binary(max_size=200))
    def check(octets: bytes) -> None:
        attempt(parser, octets)

    check()


@pytest.mark.parametrize("parser", PARSERS, ids=str)
def test_damaged_input_is_refused_with_the_documented_error(parser: Parser) -> None:
    @settings(suppress_health_check=[HealthCheck.too_slow])
    @given(damaged(parser.seed))
    def check(octets: bytes) -> None:
        attempt(parser, octets)

    check()


@pytest.mark.parametrize("parser", [parser for parser in PARSERS if parser.seed.startswith(b"{")], ids=str)
def test_member_of_another_type_is_refused_with_the_documented_error(parser: Parser) -> None:
    @settings(suppress_health_check=[HealthCheck.too_slow])
    @given(changed_members(json.loads(parser.seed)))
    def check(members: object) -> None:
        attempt(parser, _json(members))

    check()


def attempt(parser: Parser, octets: bytes) -> None:
    """Run a parser; any error but its own fails the test."""
    with contextlib.suppress(*parser.errors):
        parser.parse(octets)


def damaged(seed: bytes) -> st.SearchStrategy[bytes]:
    """Return valid input in which a few pieces were replaced, removed or repeated."""
    place = st.integers(0, len(seed))
    edit = st.tuples(
        place,
        st.integers(0, 8),
        st.one_of(st.binary(max_size=8), st.sampled_from([b"[", b"{", b'"', b"\n", b"\\ud800", b"-1", b"9" * 400])),
    )

    def apply(edits: list[tuple[int, int, bytes]]) -> bytes:
        octets = seed
        for start, removed, inserted in edits:
            octets = octets[:start] + inserted + octets[start + removed :]
        return octets

    return st.lists(edit, min_size=1, max_size=4).map(apply)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.just("\ud800")),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=5,
)


def changed_members(members: dict[str, object]) -> st.SearchStrategy[dict[str, object]]:
    """Return an object in which one member has another value, or is missing, or is new."""
    name = st.one_of(st.sampled_from([*members, "new"]), st.text(max_size=5))
    return st.one_of(
        st.tuples(name, JSON).map(lambda change: {**members, change[0]: change[1]}),
        name.map(lambda left_out: {key: value for key, value in members.items() if key != left_out}),
    )


def parsers_of(module: Path) -> Iterator[str]:
    """Yield the public functions of a module that parse octets, a text or the members of an object."""
    kinds = {"bytes", "str", "Iterable[str]", "Mapping[str, Any]", "dict[str, Any]", "Mapping[str, object]"}
    for node in ast.parse(module.read_text()).body:
        if (
            isinstance(node, ast.FunctionDef)
            and node.name.split("_")[0] in ("parse", "decode", "load")
            and node.args.args
        ):
            annotation = node.args.args[0].annotation
            if annotation is not None and ast.unparse(annotation) in kinds:
                yield node.name


def test_every_parser_has_a_row() -> None:
    """The packages of the processes that are root; the values inside of a larger text are parsed by a row's parser."""
    found = {
        name
        for package in ("privsep", "trust", "audit", "commands")
        for module in (PACKAGE / package).rglob("*.py")
        for name in parsers_of(module)
    }
    assert found - {parser.name for parser in PARSERS} - INNER.keys() == set()
