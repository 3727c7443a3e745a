"""`warren curl` and `warren nc`: reach a host in a network whose stack is the agent's own, over its socket."""

from __future__ import annotations

import json
import os
import socket as sockets
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import click

from warren.cli.fetch import Exchange, Url, fetch, parse_url, wrap_tls
from warren.cli.help import Command
from warren.cli.options import json_option, output_option, socket_option
from warren.cli.output import binary_output, is_terminal, report, write
from warren.clock import monotonic_seconds
from warren.errors import InputError, RemoteError, WarrenError
from warren.files.atomic import create_file
from warren.files.trusted_path import NAMED_BY_USER
from warren.localapi.io.client import dial
from warren.localapi.messages import DEFAULT_NETWORK
from warren.terminal import visible_line
from warren.tunnel.config import ENDPOINT_PORT

CHUNK_BYTES = 64 << 10
STANDARD_INPUT = 0
MAX_FILE_BYTES = 256 << 20  # a file is made whole from memory
OUTPUT_MODE = 0o644
CURL_STATUS = {"name.unresolved": 6, "dial.timed_out": 28, "agent.timeout": 28}
COULD_NOT_CONNECT, MALFORMED_URL, TIMED_OUT, BAD_CERTIFICATE, BAD_RESPONSE = 7, 3, 28, 60, 56  # of curl(1)

NETWORK = click.option("-n", "--network", default=DEFAULT_NETWORK, metavar="NAME", help="Network to use.")
HOST = click.argument("host")


@click.command(cls=Command, examples=("warren nc 10.0.0.5 22", "ssh -o ProxyCommand='warren nc %h %p' 10.0.0.5"))
@HOST
@click.argument("port", type=click.IntRange(ENDPOINT_PORT.start, ENDPOINT_PORT.stop - 1))
@NETWORK
@socket_option
def nc(host: str, port: int, network: str, socket: Path) -> None:
    """Connect to a TCP port in a network of backend netstack.

    It ends when the far side has ended the connection. Only root and members of warren-admin may dial.
    """
    with dial(socket, network, host, port) as connection:
        threading.Thread(target=_send_input, args=(connection,), daemon=True).start()
        with binary_output() as output:
            for received in _chunks(connection):
                output.write(received)
                output.flush()


def _send_input(connection: sockets.socket) -> None:
    with suppress(OSError):
        while octets := os.read(STANDARD_INPUT, CHUNK_BYTES):
            connection.sendall(octets)
        connection.shutdown(sockets.SHUT_WR)


def _chunks(connection: sockets.socket) -> Iterator[bytes]:
    with suppress(ConnectionResetError):
        while received := connection.recv(CHUNK_BYTES):
            yield received


@click.command(cls=Command, examples=("warren curl http://10.0.0.5/", "warren curl -I https://intern.corp.example/"))
@click.argument("url")
@click.option("-I", "--head", is_flag=True, help="Send HEAD, and show the head of the response.")
@output_option("standard output")
@click.option("-m", "--max-time", type=click.FloatRange(0.01), default=60.0, metavar="SECONDS", help="Time for all.")
@NETWORK
@socket_option
@json_option
def curl(  # noqa: PLR0913, PLR0917, options
    url: str, head: bool, output: Path | None, max_time: float, network: str, socket: Path, as_json: bool
) -> int:
    """Fetch a URL from a network of backend netstack.

    The method is GET, or HEAD with -I.
    Redirects are shown and not followed. Only root and members of warren-admin may dial.

    Exit status, as of curl(1): 0 there is a response, 3 malformed URL, 6 name not resolved, 7 no connection,
    28 timeout, 56 invalid response, 60 untrusted certificate.
    """
    deadline = monotonic_seconds() + max_time
    try:
        target = parse_url(url)
        with ExitStack() as resources:
            connection = resources.enter_context(dial(socket, network, target.host, target.port, max_time))
            connection.settimeout(max(deadline - monotonic_seconds(), 0.01))
            if target.scheme == "https":
                connection = resources.enter_context(wrap_tls(connection, target.host))
            _transfer(connection, target, head, output, as_json)
    except InputError as error:
        return _curl_failure(str(error), MALFORMED_URL)
    except WarrenError as error:
        usual = BAD_RESPONSE if error.code == "dial.failed" else COULD_NOT_CONNECT
        return _curl_failure(str(error), CURL_STATUS.get(error.code, usual))
    except ssl.SSLCertVerificationError as error:
        return _curl_failure(f"certificate of {url}: {error.verify_message}", BAD_CERTIFICATE)
    except TimeoutError:
        return _curl_failure(f"no complete response within {max_time:g} s", TIMED_OUT)
    except OSError as error:
        return _curl_failure(f"the connection failed: {error.strerror or error}", BAD_RESPONSE)
    return 0


def _curl_failure(problem: str, status: int) -> int:
    report(problem)
    return status


def _transfer(connection: sockets.socket, url: Url, head: bool, output: Path | None, as_json: bool) -> None:
    """Fetch a URL and write the response where it belongs."""
    with ExitStack() as resources:
        shows_body = not head and not as_json
        take = _body_writer(resources, output) if output is not None or shows_body else _discard
        exchange = fetch(connection, url, "HEAD" if head else "GET", take)
    if as_json:
        write(json.dumps(_as_object(exchange), indent=2) + "\n")
    elif head:
        lines = (f"{name}: {visible_line(value)}\n" for name, value in exchange.headers)
        write(f"HTTP/1.1 {exchange.status} {visible_line(exchange.reason)}\n{''.join(lines)}")


def _body_writer(resources: ExitStack, output: Path | None) -> Callable[[bytes], None]:
    """Return what writes a body: as it is to a file or a program, and with visible control characters to a terminal.

    A file is made whole, once the body has ended, or not at all.
    """
    if output is not None:
        body = bytearray()
        resources.push(partial(_create_output, output, body))
        return partial(_collect, body)
    if is_terminal():
        return lambda octets: write(octets.decode("utf-8", "backslashreplace"))
    stream = resources.enter_context(binary_output())

    def take(octets: bytes) -> None:
        stream.write(octets)

    return take


def _collect(body: bytearray, octets: bytes) -> None:
    body += octets
    if len(body) > MAX_FILE_BYTES:
        problem = f"the body is longer than {MAX_FILE_BYTES >> 20} MiB"
        raise RemoteError(problem, code="dial.failed", hint="write it to standard output, without --output")


def _create_output(output: Path, body: bytearray, error: type[BaseException] | None, *_: object) -> None:
    if error is None:
        create_file(output, body, OUTPUT_MODE, trust=NAMED_BY_USER)


def _discard(_octets: bytes) -> None:
    """Take a part of a body that nobody asked for."""


def _as_object(exchange: Exchange) -> dict[str, object]:
    return {
        "status": exchange.status,
        "reason": exchange.reason,
        "headers": [*map(list, exchange.headers)],
        "body_bytes": exchange.body_bytes,
    }
