"""What the agent and its helper say to each other."""

from __future__ import annotations

import json
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tunnel.strategies import PRIVATE_KEYS
from warren._core import PrivateKey
from warren.errors import HostError, InputError, KeyFileError, StateError, WarrenError
from warren.privsep.helper_protocol import (
    ApplyDns,
    GetHostDns,
    OpenConfig,
    OpenKey,
    OpenTun,
    RecoverDns,
    RemoveSocket,
    Request,
    RevertDns,
    RotateKey,
    VerifyDns,
    encode_answer,
    encode_refusal,
    encode_request,
    key_files_fields,
    parse_answer,
    parse_key_files,
    parse_request,
    steps_below,
)
from warren.tunnel.rotation import KeyFiles, Step

pytestmark = [pytest.mark.unit, pytest.mark.security]

KEYS = ("/etc/warren", "/srv/keys")
REQUESTS: tuple[Request, ...] = (
    OpenKey("/etc/warren/private.key"),
    *(RotateKey("/etc/warren/private.key", step) for step in Step),
    OpenTun(),
    ApplyDns("home", "wg0", (ip_address("192.0.2.1"), ip_address("2001:db8::1"))),
    VerifyDns("home"),
    RevertDns("home"),
    RecoverDns(),
    GetHostDns(),
    OpenConfig(),
    RemoveSocket(),
)


@pytest.mark.parametrize("request_", REQUESTS, ids=str)
def test_each_request_arrives_as_it_was_meant(request_: Request) -> None:
    assert parse_request(encode_request(request_)) == request_


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
        '{"op":"OpenKey","path":"/etc/warren/a.key","mode":"w"}',
        '{"op":"RotateKey","path":"/etc/warren/a.key","step":"drop"}',
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
def test_what_is_not_on_the_list_is_refused(text: str) -> None:
    with pytest.raises(InputError) as error:
        parse_request(text.encode())
    assert error.value.code == "helper.refused"


def test_as_many_name_servers_as_nobody_has_are_refused() -> None:
    with pytest.raises(InputError):
        parse_request(encode_request(ApplyDns("home", "wg0", (ip_address("192.0.2.1"),) * 33)))


@given(st.binary() | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps).map(str.encode))
def test_whatever_comes_is_refused_in_one_way(octets: bytes) -> None:
    with pytest.raises(InputError):
        parse_request(octets)


def test_a_key_is_found_by_its_steps_from_its_directory() -> None:
    assert steps_below("/etc/warren/private.key", KEYS) == ("/etc/warren", ("private.key",))
    assert steps_below("/srv/keys/a/b.key", KEYS) == ("/srv/keys", ("a", "b.key"))


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
        steps_below(path, KEYS)
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
        parse_answer(encode_refusal(error))
    found = arrived.value
    assert (str(found), found.code, found.errno, found.hint) == (str(error), error.code, error.errno, error.hint)


@pytest.mark.parametrize("following", [None, PRIVATE_KEYS[1]])
@pytest.mark.parametrize("previous", [None, PRIVATE_KEYS[0], PRIVATE_KEYS[2]])
def test_the_public_keys_of_key_files_arrive(following: PrivateKey | None, previous: PrivateKey | None) -> None:
    others = (None if key is None else key.public_key() for key in (following, previous))
    files = KeyFiles(PRIVATE_KEYS[0].public_key(), *others)
    answer = encode_answer(key_files_fields(files))
    assert parse_key_files(parse_answer(answer)) == files
