"""Ask from a host whether destinations answer: TCP, UDP and ICMP echo; and answer on every address of a host.

    python exit_reach.py serve
    python exit_reach.py tcp:203.0.113.9:8080 udp:2001:db8::9:8080 icmp:203.0.113.9

It prints one line for each destination, in their order: `ok`, or why not. All are asked at the same time.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import socket
import struct
import subprocess
import sys

PORTS = (25, 53, 8080, 8081)
TIMEOUT_SECONDS, TRIES = 2.0, 3
TEXT = b"an exit node"


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.transport.sendto(data, addr)  # type: ignore[attr-defined]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


def own_addresses() -> list[str]:
    links = json.loads(subprocess.run(["ip", "-j", "address"], capture_output=True, check=True).stdout)
    return [each["local"] for link in links for each in link["addr_info"] if not each["local"].startswith("fe80:")]


async def serve() -> None:
    """Answer on every address by a socket of its own, so that answers by UDP come from the address that was asked."""
    loop = asyncio.get_running_loop()
    for port in PORTS:
        for place in own_addresses():
            family = socket.AF_INET6 if ":" in place else socket.AF_INET
            tcp, udp = socket.socket(family, socket.SOCK_STREAM), socket.socket(family, socket.SOCK_DGRAM)
            for own in (tcp, udp):
                own.bind((place, port))
            await asyncio.start_server(echo, sock=tcp)
            await loop.create_datagram_endpoint(Echo, sock=udp)
    print("ready", flush=True)
    await asyncio.Event().wait()


async def ask(destination: str) -> str:
    protocol, _, place = destination.partition(":")
    address, port = (place, 0) if protocol == "icmp" else (place.rpartition(":")[0], int(place.rpartition(":")[2]))
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS * TRIES):
            match protocol:
                case "tcp":
                    await ask_tcp(address, port)
                case "udp":
                    await ask_datagram(address, port, socket.SOCK_DGRAM, TEXT)
                case "icmp":
                    kind = 128 if ":" in address else 8
                    await ask_datagram(address, port, socket.SOCK_DGRAM, struct.pack("!BBHHH", kind, 0, 0, 0, 1) + TEXT)
    except TimeoutError:
        return "silent"
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return "ok"


async def ask_tcp(address: str, port: int) -> None:
    reader, writer = await asyncio.open_connection(address, port)
    writer.write(TEXT)
    assert await reader.readexactly(len(TEXT)) == TEXT
    writer.close()


async def ask_datagram(address: str, port: int, kind: int, request: bytes) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    protocol = 0 if port else socket.IPPROTO_ICMPV6 if family == socket.AF_INET6 else socket.IPPROTO_ICMP
    loop = asyncio.get_running_loop()
    with socket.socket(family, kind, protocol) as own:
        own.setblocking(False)
        own.connect((address, port))
        for _ in range(TRIES):
            await loop.sock_sendall(own, request)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    assert (await loop.sock_recv(own, 2048)).endswith(TEXT)
                    return
        raise TimeoutError


async def main() -> None:
    if sys.argv[1:] == ["serve"]:
        await serve()
    else:
        print("\n".join(await asyncio.gather(*map(ask, sys.argv[1:]))))


asyncio.run(main())
