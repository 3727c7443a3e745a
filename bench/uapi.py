"""One request over an interface's UAPI socket, and how long it took."""

from __future__ import annotations

import base64
import socket
import time
from collections.abc import Iterable

import loadgen
from failure import BenchError
from tunnel import Interface

ANSWER_SECONDS = 120
RECEIVE_BYTES = 1 << 16


def set_peers(interface: Interface, keys: Iterable[str], first: int = 0) -> float:
    """Makes peers of these keys (base64) in one message, numbered from `first`; the seconds until it is answered."""
    settings = (loadgen.peer_settings(base64.b64decode(key).hex(), number) for number, key in enumerate(keys, first))
    request = f"set=1\n{''.join(settings)}\n".encode()
    begin = time.monotonic()
    answer = ask(interface, request)
    seconds = time.monotonic() - begin
    if answer != b"errno=0\n\n":
        raise BenchError(f"{interface.engine.name} answered {answer!r} to a set")
    return seconds


def ask(interface: Interface, request: bytes) -> bytes:
    """A raw request and its raw answer, which ends with an empty line."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ANSWER_SECONDS)
        connection.connect(str(interface.host.path("/run/wireguard/wg0.sock")))
        connection.sendall(request)
        answer = b""
        while not answer.endswith(b"\n\n") and (part := connection.recv(RECEIVE_BYTES)):
            answer += part
    return answer
