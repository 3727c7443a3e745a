"""The Python API without an interface: two nodes in one process, over the loopback, with no privilege."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_interface, ip_network
from pathlib import Path

import pytest

import warren
from warren import Endpoint, InterfaceConfig, PeerConfig, PrivateKey
from warren.errors import HostError, StateError, Unreachable

pytestmark = pytest.mark.integration

NEAR, FAR, NOWHERE, SILENT = "10.9.0.1", "10.9.0.2", "10.9.0.3", "10.9.0.4"
BULK = bytes(range(256)) * 8192


def free_port() -> int:
    """A UDP port that is free now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def configs() -> tuple[InterfaceConfig, InterfaceConfig]:
    """Two that know each other; near also has a peer that nobody is."""
    keys, ports = (PrivateKey.generate(), PrivateKey.generate()), (free_port(), free_port())
    silent = PeerConfig(
        PrivateKey.generate().public_key(), endpoint=Endpoint("127.0.0.1", 9), allowed_ips=(ip_network(SILENT),)
    )
    near, far = (
        InterfaceConfig(
            name,
            keys[own],
            listen_port=ports[own],
            addresses=(ip_interface(address),),
            peers=(
                PeerConfig(
                    keys[1 - own].public_key(),
                    endpoint=Endpoint("127.0.0.1", ports[1 - own]),
                    allowed_ips=(ip_network(other),),
                ),
                *((silent,) if own == 0 else ()),
            ),
        )
        for own, (name, address, other) in enumerate((("node-near", NEAR, FAR), ("node-far", FAR, NEAR)))
    )
    return near, far


@asynccontextmanager
async def nodes() -> AsyncIterator[tuple[warren.Node, warren.Node]]:
    near, far = configs()
    async with warren.Node.open(near) as first, warren.Node.open(far) as second:
        yield first, second


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Sends back what it gets, to the end."""
    while octets := await reader.read(65536):
        writer.write(octets)
        await writer.drain()
    writer.close()


def run(test: Callable[[warren.Node, warren.Node], Awaitable[None]]) -> None:
    """Runs a test with two nodes."""

    async def main() -> None:
        async with asyncio.timeout(120), nodes() as (near, far):
            await test(near, far)

    asyncio.run(main())


def test_streams_carry_every_byte_and_know_the_far_address() -> None:
    peers: list[object] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peers.append(writer.get_extra_info("peername")[0])
        await echo(reader, writer)

    async def test(near: warren.Node, far: warren.Node) -> None:
        async with await far.start_server(serve, 7):
            reader, writer = await near.open_connection(FAR, 7)
            assert writer.get_extra_info("peername") == (FAR, 7)
            async with asyncio.TaskGroup() as group:
                received = group.create_task(reader.read())
                group.create_task(send(writer))
            assert received.result() == BULK
            writer.close()

    run(test)
    assert peers == [NEAR]


async def send(writer: asyncio.StreamWriter) -> None:
    """Everything, and then the end of one direction."""
    writer.write(BULK)
    await writer.drain()
    writer.write_eof()


def test_a_socket_works_with_what_takes_one() -> None:
    async def test(near: warren.Node, far: warren.Node) -> None:
        async with await far.start_server(echo, 7):
            reader, writer = await asyncio.open_connection(sock=await near.connect(FAR, 7))
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
            writer.close()

    run(test)


def test_errors_say_what_happened() -> None:
    async def test(near: warren.Node, far: warren.Node) -> None:
        async with await far.start_server(echo, 7):
            with pytest.raises(HostError, match="in use"):
                await far.start_server(echo, 7)
            with pytest.raises(ConnectionRefusedError, match=f"{FAR}:8 refused the connection"):
                await near.open_connection(FAR, 8)
            with pytest.raises(Unreachable, match="no peer has it in its allowed IPs") as error:
                await near.open_connection(NOWHERE, 7)
            assert (error.value.peer, error.value.handshake_age_seconds) == (None, None)
            with pytest.raises((TimeoutError, Unreachable)):
                await near.open_connection(SILENT, 7, timeout=0.2)
            with pytest.raises(socket.gaierror, match="neither an address nor a host name"):
                await near.open_connection("far example", 7)
            with pytest.raises(socket.gaierror, match="has no address"):
                await near.resolve("far.invalid")
            with pytest.raises(socket.gaierror, match="has no address"):
                await near.open_connection("far.invalid", 7)

    run(test)


def test_a_cancelled_dial_and_a_closed_server_leave_nothing() -> None:
    async def test(near: warren.Node, far: warren.Node) -> None:
        dialling = asyncio.ensure_future(near.connect(SILENT, 7))
        await asyncio.sleep(0)
        dialling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await dialling
        async with await far.start_server(echo, 7):
            (await near.connect(FAR, 7)).close()
        with pytest.raises(ConnectionRefusedError):
            await near.connect(FAR, 7)

    run(test)


def test_a_node_that_is_not_open_says_so() -> None:
    node = warren.Node.open(configs()[0])
    with pytest.raises(StateError, match="enter it by `async with`"):
        asyncio.run(node.connect(FAR, 7))


@pytest.mark.needs("openssl")
def test_tls_passes_through_a_node(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    request = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=far"
    files = ("-addext", f"subjectAltName=IP:{FAR}", "-keyout", key, "-out", certificate)
    subprocess.run([*request.split(), *files], check=True, capture_output=True)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificate, key)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await writer.start_tls(server)
        await echo(reader, writer)

    async def test(near: warren.Node, far: warren.Node) -> None:
        async with await far.start_server(serve, 443):
            trusting = ssl.create_default_context(cafile=str(certificate))
            reader, writer = await near.open_connection(FAR, 443, ssl=trusting)
            assert writer.get_extra_info("cipher")
            writer.write(b"in secret")
            assert await reader.readexactly(9) == b"in secret"
            writer.close()
            with pytest.raises(ssl.SSLCertVerificationError):
                await near.open_connection(FAR, 443, ssl=ssl.create_default_context())

    run(test)
