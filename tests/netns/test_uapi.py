"""The UAPI socket as raw text: what is refused, with which errno, and that a refused message changes nothing."""

from __future__ import annotations

import errno
import socket

import pytest

from .host import IN_NAMESPACES
from .interface import SOCKETS, Interface, KeyPair

pytestmark = IN_NAMESPACES

KEY = KeyPair().public.hex()
PEER = f"public_key={KEY}\n"
REFUSED = {
    "unknown-key": "colour=red\n",
    "no-value": "listen_port\n",
    "port-too-large": "listen_port=65536\n",
    "port-not-a-number": "listen_port=many\n",
    "key-too-short": "private_key=00ff\n",
    "key-not-hex": f"private_key={'z' * 64}\n",
    "fwmark-too-large": "fwmark=4294967296\n",
    "peer-key-too-short": "public_key=00ff\n",
    "peer-setting-before-a-peer": "endpoint=192.0.2.2:1\n",
    "endpoint-without-port": f"{PEER}endpoint=192.0.2.2\n",
    "endpoint-a-name": f"{PEER}endpoint=host.invalid:1\n",
    "keepalive-too-large": f"{PEER}persistent_keepalive_interval=65536\n",
    "prefix-too-long": f"{PEER}allowed_ip=10.0.0.0/33\n",
    "prefix-without-address": f"{PEER}allowed_ip=/8\n",
    "replace-peers-false": "replace_peers=false\n",
    "update-only-false": f"{PEER}update_only=false\n",
    "protocol-version-2": f"{PEER}protocol_version=2\n",
    "device-setting-after-a-peer": f"{PEER}listen_port=1\n",
}


@pytest.mark.parametrize("lines", REFUSED.values(), ids=REFUSED)
def test_refused(alone: Interface, lines: str) -> None:
    """With a good line before, which must not be carried out either."""
    before = alone.uapi("get=1\n\n")
    answer = alone.uapi(f"set=1\nfwmark=7\n{lines}\n")
    assert answer.startswith("errno=-")
    assert answer != "errno=0\n\n"
    assert alone.uapi("get=1\n\n") == before


@pytest.mark.parametrize("message", ["put=1\n\n", "get=2\n\n", "\n", "set=1\n\0\n\n", "x" * 100_000 + "\n\n"])
def test_what_is_no_request_gets_an_errno_or_the_end(alone: Interface, message: str) -> None:
    answer = alone.uapi(message)
    assert answer == "" or answer.startswith("errno=-")
    assert alone.answers()


def test_several_requests_over_one_connection(alone: Interface) -> None:
    with socket.socket(socket.AF_UNIX) as connection, connection.makefile("rw") as text:
        connection.settimeout(60)
        connection.connect(str(alone.host.path(f"{SOCKETS}/wg0.sock")))
        for mark in (1, 2):
            text.write(f"set=1\nfwmark={mark}\n\nget=1\n\n")
            text.flush()
            assert [text.readline(), text.readline()] == ["errno=0\n", "\n"]
            told = iter(text.readline, "\n")
            assert {"errno=0\n", f"fwmark={mark}\n"} <= set(told)


def test_a_message_cut_short_changes_nothing(alone: Interface) -> None:
    before = alone.uapi("get=1\n\n")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(alone.host.path(f"{SOCKETS}/wg0.sock")))
        connection.sendall(b"set=1\nfwmark=7\n")
    assert alone.uapi("get=1\n\n") == before


def test_a_client_that_says_nothing_holds_up_nobody(alone: Interface) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(alone.host.path(f"{SOCKETS}/wg0.sock")))
        connection.sendall(b"get=1\n")
        assert alone.answers()


def test_a_busy_port_is_eaddrinuse(alone: Interface) -> None:
    alone.up("10.9.0.1/24")
    with alone.host.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        assert alone.uapi(f"set=1\nlisten_port={port}\n\n") == f"errno=-{errno.EADDRINUSE}\n\n"
