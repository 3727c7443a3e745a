"""The table of the helper's operations: the closed shape of each request, the reply to it, and how one is added."""

from __future__ import annotations

import json
import os
import re
import socket
import threading
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.project.conftest import ROOT
from tests.tunnel.strategies import PRIVATE_KEYS
from warren._core import PrivateKey
from warren.errors import HostError, InputError, KeyFileError, StateError, WarrenError
from warren.privsep.io.helper_client import HelperClient
from warren.privsep.io.helper_process import HelperProcess
from warren.privsep.io.helper_state import HelperRules, HelperState
from warren.privsep.io.operations.config_file import OpenConfig
from warren.privsep.io.operations.control_socket import RemoveSocket
from warren.privsep.io.operations.dns import (
    GET_HOST_DNS,
    RECOVER_DNS,
    ApplyDns,
    GetHostDns,
    RecoverDns,
    RevertDns,
    VerifyDns,
)
from warren.privsep.io.operations.exit_node import APPLY_EXIT, ApplyExit, CheckExit, RecoverExits, RevertExit
from warren.privsep.io.operations.key_files import KEY_FILES, OpenKey, RotateKey, locate_key
from warren.privsep.io.operations.runner import OpenRunner
from warren.privsep.io.operations.table import FORKED_HELPER_OPERATIONS, HELPER_OPERATIONS
from warren.privsep.io.operations.tun import OpenTun
from warren.privsep.operation import (
    Operation,
    encode_answer,
    encode_error,
    operation_table,
    parse_answer,
    parse_request,
)
from warren.privsep.wire import TEXT
from warren.tunnel.exit_policy import ExitNode, parse_exit_entry
from warren.tunnel.exit_sets import ExitHost
from warren.tunnel.nft_exit import ExitRules
from warren.tunnel.rotation import KeyFiles, Step

pytestmark = [pytest.mark.integration, pytest.mark.security]

KEYS = ("/etc/warren", "/srv/keys")
REQUESTS: tuple[object, ...] = (
    OpenKey("/etc/warren/private.key"),
    *(RotateKey("/etc/warren/private.key", step) for step in Step),
    OpenTun(),
    ApplyDns("home", "wg0", (ip_address("192.0.2.1"), ip_address("2001:db8::1"))),
    VerifyDns("home"),
    RevertDns("home"),
    RecoverDns(),
    GetHostDns(),
    ApplyExit.of(
        ExitRules(
            "home",
            "wg0",
            ExitNode(enabled=True, allow_lan=True, deny=(parse_exit_entry("[2001:db8::/32]:25-26"),)),
            ExitHost((ip_address("192.0.2.1"),), (ip_interface("192.0.2.1/24"),), (ip_network("10.7.0.0/24"),)),
        ),
        {4: ("eth0", "br-0.7"), 6: ()},
    ),
    CheckExit("home"),
    RevertExit("home"),
    RecoverExits(),
    OpenConfig(),
    RemoveSocket(),
    OpenRunner(),
)


def encoded(request: object) -> bytes:
    return FORKED_HELPER_OPERATIONS[type(request).__name__].encode(request)


@pytest.mark.parametrize("request_", REQUESTS, ids=str)
def test_each_request_arrives_as_it_was_sent(request_: object) -> None:
    operation, parsed = parse_request(encoded(request_), FORKED_HELPER_OPERATIONS)
    assert (operation, parsed) == (FORKED_HELPER_OPERATIONS[type(request_).__name__], request_)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("network", "home; flush ruleset"),
        ("interface", 'wg0" accept; #'),
        ("interface", "../all"),
        ("ipv4_uplinks", ["../../kernel"]),
        ("ipv6_uplinks", [".."]),
        ("ipv6_uplinks", ["a name of too many octets"]),
        ("routes", ["10.0.0.0/8 }"]),
        ("mesh", ["10.0.0.1/8"]),
        ("deny", ["10.0.0.0/8:25; accept"]),
        ("own", ["192.0.2.1\n"]),
        ("attached", ["192.0.2.1/24/8"]),
    ],
)
def test_exit_node_that_is_no_exit_node_is_refused(field: str, value: object) -> None:
    """What a request names goes into a ruleset and into paths."""
    rules = ExitRules("home", "wg0", ExitNode(enabled=True), ExitHost())
    members = json.loads(APPLY_EXIT.encode(ApplyExit.of(rules, {})))
    parse_request(json.dumps(members).encode(), HELPER_OPERATIONS)
    with pytest.raises(InputError):
        parse_request(json.dumps(members | {field: value}).encode(), HELPER_OPERATIONS)


def test_no_operation_is_without_a_request_here() -> None:
    assert {type(request).__name__ for request in REQUESTS} == FORKED_HELPER_OPERATIONS.keys()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        "[" * 100_000,
        '{"op":"Run","path":"/bin/sh"}',
        '{"op":"OpenKey"}',
        '{"op":"OpenKey","path":7}',
        '{"op":"OpenKey","path":"\\ud800"}',
        '{"op":"OpenKey","path":"/etc/warren/a.key","mode":"w"}',
        '{"op":"RotateKey","path":"/etc/warren/a.key","step":"drop"}',
        '{"op":"RotateKey","path":"/etc/warren/a.key","step":["prepare"]}',
        '{"op":"OpenTun","path":"/dev/mem"}',
        '{"op":"ApplyDns","network":"home","interface":"wg0","servers":[]}',
        '{"op":"ApplyDns","network":"home","interface":"wg0","servers":["dns.example"]}',
        '{"op":"ApplyDns","network":"home","interface":"wg0","servers":[3221225985]}',
        '{"op":"ApplyDns","network":"home","interface":"../x","servers":["192.0.2.1"]}',
        '{"op":"ApplyDns","network":"home","interface":"--help me","servers":["192.0.2.1"]}',
        '{"op":"RevertDns","network":"a/../b"}',
        '{"op":["RecoverDns"]}',
    ],
)
def test_what_is_not_in_the_table_is_refused(text: str) -> None:
    with pytest.raises(InputError) as error:
        parse_request(text.encode(), FORKED_HELPER_OPERATIONS)
    assert error.value.code == "helper.refused"


def test_more_name_servers_than_anybody_has_are_refused() -> None:
    with pytest.raises(InputError):
        parse_request(encoded(ApplyDns("home", "wg0", (ip_address("192.0.2.1"),) * 33)), FORKED_HELPER_OPERATIONS)


@given(st.binary() | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps).map(str.encode))
def test_whatever_arrives_is_refused_in_one_way(octets: bytes) -> None:
    with pytest.raises(InputError):
        parse_request(octets, FORKED_HELPER_OPERATIONS)


def test_a_key_is_located_from_its_directory() -> None:
    assert locate_key("/etc/warren/private.key", KEYS) == ("/etc/warren", ("private.key",))
    assert locate_key("/srv/keys/a/b.key", KEYS) == ("/srv/keys", ("a", "b.key"))


@pytest.mark.parametrize(
    "path",
    [
        "/etc/shadow",
        "/etc/warren",
        "/etc/warren/",
        "/etc/warrent/private.key",
        "/etc/warren/../shadow",
        "/etc/warren/a/../../shadow",
        "/etc/warren/./private.key",
        "/etc/warren//private.key",
        "/etc/warren/private.key/",
        "/etc/warren/private.key\0.txt",
        "etc/warren/private.key",
        "private.key",
        "",
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(KeyFileError) as error:
        locate_key(path, KEYS)
    assert error.value.code == "key_file.not_allowed"


@pytest.mark.parametrize(
    "error",
    [
        KeyFileError("a", code="key_file.permissions", errno=13, hint="b"),
        StateError("there is no prepared key", code="rotation.invalid_step"),
        HostError("a", code="dns.changed"),
        InputError("a", code="helper.refused"),
    ],
)
def test_an_error_arrives_as_it_was_raised(error: WarrenError) -> None:
    with pytest.raises(type(error)) as arrived:
        parse_answer(encode_error(error))
    assert _members(arrived.value) == _members(error)


def test_an_error_of_a_class_of_its_own_arrives_as_one_of_the_host() -> None:
    class PlantedError(HostError):
        pass

    with pytest.raises(HostError, match=r"^planted$"):
        parse_answer(encode_error(PlantedError("planted", code="path.untrusted")))


@pytest.mark.parametrize("following", [None, PRIVATE_KEYS[1]])
@pytest.mark.parametrize("previous", [None, PRIVATE_KEYS[0], PRIVATE_KEYS[2]])
def test_the_public_keys_of_key_files_arrive(following: PrivateKey | None, previous: PrivateKey | None) -> None:
    others = (None if key is None else key.public_key() for key in (following, previous))
    files = KeyFiles(PRIVATE_KEYS[0].public_key(), *others)
    assert KEY_FILES.decode(parse_answer(encode_answer(KEY_FILES.encode(files)))) == files


def test_problems_and_addresses_arrive() -> None:
    problems = (HostError("one", code="dns.changed", hint="two"),)
    arrived = RECOVER_DNS.reply.decode(parse_answer(encode_answer(RECOVER_DNS.reply.encode(problems))))
    assert [_members(error) for error in arrived] == [_members(error) for error in problems]
    servers = (ip_address("192.0.2.1"), ip_address("2001:db8::1"))
    assert GET_HOST_DNS.reply.decode(parse_answer(encode_answer(GET_HOST_DNS.reply.encode(servers)))) == servers


def _members(error: WarrenError) -> tuple[object, ...]:
    return type(error), str(error), error.code, error.errno, error.hint


@dataclass(frozen=True, slots=True)
class Planted:
    """A request that the helper does not have."""

    text: str


def shout(_: HelperState, request: Planted) -> str:
    return request.text.upper()


PLANTED = Operation(Planted, {"text": TEXT}, shout, TEXT)


def test_an_operation_is_added_by_one_row(tmp_path: Path) -> None:
    """The client, the wire and the process need no change for it."""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    rules = HelperRules((), frozenset((os.geteuid(),)), tmp_path, tmp_path, tmp_path, tmp_path)
    process = HelperProcess(rules, operation_table(*FORKED_HELPER_OPERATIONS.values(), PLANTED))
    client = HelperClient(near)
    server = threading.Thread(target=process.answer, args=(far,))
    with far:
        server.start()
        assert client.call(PLANTED, Planted("now")) == "NOW"
        server.join()
        client.close()


def test_a_row_has_the_fields_of_its_request() -> None:
    with pytest.raises(ValueError, match="different fields"):
        operation_table(Operation(Planted, {}, shout, TEXT))


@pytest.mark.parametrize("operation", FORKED_HELPER_OPERATIONS.values(), ids=lambda operation: operation.name)
def test_an_operation_stands_in_its_module_and_in_the_table_alone(operation: Operation[Any, Any, Any]) -> None:
    """Beside them only its callers name it, and these are in one module."""
    package = ROOT / "src/warren/privsep"
    own = Path(operation.request.__module__.rpartition(".")[2]).with_suffix(".py").name
    request = {path.name for path in package.rglob("*.py") if re.search(rf"\b{operation.name}\(", path.read_text())}
    row = re.sub(r"(?<!^)(?=[A-Z])", "_", operation.name).upper()
    rows = {path.name for path in package.rglob("*.py") if re.search(rf"\b{row}\b", path.read_text())}
    assert request <= {own, "privileged_ops.py"}
    assert rows == {own, "table.py", "privileged_ops.py"}


def test_only_a_forked_helper_starts_a_runner() -> None:
    """Where the helper is a unit it lacks the capabilities of a runner, which is a unit too."""
    assert FORKED_HELPER_OPERATIONS.keys() - HELPER_OPERATIONS.keys() == {"OpenRunner"}
    with pytest.raises(InputError):
        parse_request(encoded(OpenRunner()), HELPER_OPERATIONS)
