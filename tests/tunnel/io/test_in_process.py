"""A tunnel in the calling process: an interface like any other, that ends with its object."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.ends import PORT, Ends, reachable
from tests.netns.deadline import until
from tests.netns.host import IN_NAMESPACES
from tests.netns.pair import FAR_INNER, NEAR_INNER

pytestmark = IN_NAMESPACES


def python(ends: Ends, code: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs a program in `near`. Whatever it says, it says no secret."""
    done = ends.near.attempt(sys.executable, "-c", code, *arguments)
    assert not any(secret in done.stdout + done.stderr for secret in ends.secrets)
    return done


def succeeds(ends: Ends, code: str, *arguments: str | Path) -> list[str]:
    """The lines that it printed."""
    done = python(ends, code, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


THREE_LINES = """
import sys, subprocess, warren
with warren.up(sys.argv[1]) as tunnel:
    print(tunnel.name, tunnel.status().is_up, subprocess.call(["ping", "-qc1", "-W5", sys.argv[2]], stdout=2))
print(subprocess.call(["ip", "link", "show", tunnel.name], stderr=subprocess.DEVNULL))
"""


def test_three_lines_give_a_tunnel(ends: Ends) -> None:
    ends.done(ends.far, "up", ends.conf(ends.far))
    before = ends.traces(ends.near)
    assert succeeds(ends, THREE_LINES, ends.conf(ends.near), FAR_INNER[0]) == ["wg0 True 0", "1"]
    ends.expect_traces(ends.near, before)


OF_VALUES = """
import sys
from ipaddress import ip_interface, ip_network
from warren import Endpoint, InterfaceConfig, PeerConfig, PrivateKey, up
far = PrivateKey.generate().public_key()
peer = PeerConfig(far, endpoint=Endpoint("localhost", 51820), allowed_ips=(ip_network("10.7.0.2/32"),))
config = InterfaceConfig("wg7", PrivateKey.generate(), addresses=(ip_interface("10.7.0.1/24"),), peers=(peer,))
with up(config) as tunnel:
    status = tunnel.status()
    print(status.peers[0].public_key == peer.public_key, status.peers[0].allowed_ips == peer.allowed_ips)
    print(status.peers[0].endpoint.is_address, status.link.routes[0].destination)
"""


def test_from_values_instead_of_a_file(ends: Ends) -> None:
    assert succeeds(ends, OF_VALUES) == ["True True", "True 10.7.0.2/32"]


CHANGE = """
import sys, warren
from dataclasses import replace
from warren.tunnel.wgquick import parse_wgquick
before = parse_wgquick(open(sys.argv[1]).read(), name="wg0").interface
home = before.peers[0]
with warren.up(before) as tunnel:
    print("up", flush=True)
    sys.stdin.readline()
    handshake = tunnel.status().peers[0].latest_handshake
    other = warren.PeerConfig(warren.PrivateKey.generate().public_key(), allowed_ips=home.allowed_ips[2:])
    tunnel.reconfigure(replace(before, mtu=1300, peers=(replace(home, allowed_ips=home.allowed_ips[:2]), other)))
    status = tunnel.status()
    print(status.link.mtu, len(status.peers), status.peers[0].latest_handshake == handshake, flush=True)
    tunnel.reconfigure(before)
    status = tunnel.status()
    print(status.link.mtu, len(status.peers), status.peers[0].latest_handshake == handshake, flush=True)
    sys.stdin.readline()
"""


def test_a_change_keeps_the_sessions_of_the_other_peers(ends: Ends) -> None:
    ends.done(ends.far, "up", ends.conf(ends.far))
    conf = ends.conf(ends.near, allowed_ips=f"{FAR_INNER[0]}/32, {FAR_INNER[1]}/128, 10.42.0.0/16")
    command = ["nsenter", "-t", str(ends.near.pid), "-n", "-m", "-p", "--", sys.executable, "-c", CHANGE, str(conf)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "up\n"
            assert reachable(ends)
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.stdout.readline() == "1300 2 True\n"
            assert process.stdout.readline() == "1420 1 True\n"
            assert reachable(ends)
        finally:
            process.stdin.close()
        assert process.wait(120) == 0


HANGS = """
import sys, warren
tunnel = warren.up(sys.argv[1])
print("up", flush=True)
sum(range(10**15))  # holds the interpreter's lock for days
"""


def test_a_python_that_hangs_stops_neither_packets_nor_wg_show(ends: Ends) -> None:
    ends.done(ends.far, "up", ends.conf(ends.far))
    process = ends.near.start(sys.executable, "-c", HANGS, ends.conf(ends.near))
    until(lambda: "up" in ends.near.log(), "the tunnel is up")
    assert ends.far.attempt("ping", "-c3", "-i0.2", "-W5", NEAR_INNER[0]).returncode == 0
    assert f"listening port: {PORT}" in ends.near.run("wg", "show", "wg0")
    assert process.poll() is None
    ends.near.kill(ends.near.processes(sys.executable)[0])
    process.wait(120)
    assert "wg0" not in ends.near.links()


EVENTS = """
import asyncio, sys, warren
from warren._core import Event

async def main():
    seen = asyncio.Queue()
    loop = asyncio.get_running_loop()
    with warren.up(sys.argv[1]) as tunnel:
        events = tunnel.events
        loop.add_reader(events.fileno(), lambda: [seen.put_nowait(event) for event in events.drain()])
        ping = await asyncio.create_subprocess_exec("ping", "-qc1", "-W5", sys.argv[2], stdout=sys.stderr)
        while True:
            match await asyncio.wait_for(seen.get(), 60):
                case Event.PortBound(port):
                    print("bound", port)
                case Event.HandshakeCompleted(peer):
                    print("handshake", peer)
                    break
        await ping.wait()
        loop.remove_reader(events.fileno())
    print(events.drain()[-1].reason, events.dropped)

asyncio.run(main())
"""


def test_asyncio_hears_of_events(ends: Ends) -> None:
    ends.done(ends.far, "up", ends.conf(ends.far))
    said = succeeds(ends, EVENTS, ends.conf(ends.near), FAR_INNER[0])
    assert said == [f"bound {PORT}", f"handshake {ends.public_key(ends.far)}", "closed 0"]


REFUSED = """
import socket, sys, warren
taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
taken.bind(("", int(sys.argv[2])))
try:
    warren.up(sys.argv[1])
except warren.WarrenError as error:
    print(type(error).__name__, error.code, error)
"""


def test_a_port_in_use_leaves_nothing(ends: Ends) -> None:
    before = ends.traces(ends.near)
    (said,) = succeeds(ends, REFUSED, ends.conf(ends.near), str(PORT))
    assert said.startswith(f"HostError host.port_in_use UDP port {PORT}: ")
    ends.expect_traces(ends.near, before)


AGAIN = """
import sys, warren
first = warren.up(sys.argv[1])
try:
    warren.up(sys.argv[1])
except warren.WarrenError as error:
    print(error.code, first.status().is_up)
first.close()
first.close()
try:
    first.status()
except warren.WarrenError as error:
    print(error.code)
warren.up(sys.argv[1])
print("free again")
"""


def test_one_at_a_time_and_closed_for_good(ends: Ends) -> None:
    before = ends.traces(ends.near)
    assert succeeds(ends, AGAIN, ends.conf(ends.near)) == ["interface.exists True", "interface.closed", "free again"]
    ends.expect_traces(ends.near, before)


DELETED = """
import subprocess, sys, warren
tunnel = warren.up(sys.argv[1])
print(subprocess.call([sys.executable, "-m", "warren.cli.main", "down", "wg0"]), flush=True)
print(subprocess.call([sys.executable, "-m", "warren.cli.main", "status"], stderr=subprocess.STDOUT), flush=True)
try:
    tunnel.status()
except warren.WarrenError as error:
    print(error.code, tunnel.events.drain()[-1].reason)
tunnel.close()
"""


def test_its_link_may_go_before_it(ends: Ends) -> None:
    assert succeeds(ends, DELETED, ends.conf(ends.near)) == [
        "wg0 is down",
        "0",
        "warren: wg0 is not up: its link was deleted while its engine was running",
        "        close it in the program that opened it, or end that program",
        "3",
        "interface.closed the link was deleted",
    ]


WARNED = """
import sys, warnings, warren
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    warren.up(sys.argv[1]).close()
print(*(warning.message for warning in caught))
"""


@pytest.mark.security
def test_a_file_that_others_can_read_is_warned_of(ends: Ends) -> None:
    conf = ends.conf(ends.near, mode=0o644)
    assert f"chmod 600 {conf}" in succeeds(ends, WARNED, conf)[0]


THREADS = """
import sys, warren
from concurrent.futures import ThreadPoolExecutor
from warren.tunnel.plan import InterfaceChange
with warren.up(sys.argv[1]) as tunnel, ThreadPoolExecutor(8) as pool:
    results = [pool.submit(tunnel.status) for _ in range(200)]
    print(all(result.result().is_up for result in results))
    results = [pool.submit(tunnel.close) for _ in range(8)] + [pool.submit(tunnel.status) for _ in range(20)]
    print({getattr(result.exception(), "code", None) for result in results} <= {None, "interface.closed"})
"""


def test_any_thread_may_ask(ends: Ends) -> None:
    assert succeeds(ends, THREADS, ends.conf(ends.near)) == ["True", "True"]


OTHER_USER = """
import os, warren
from warren.tunnel.io.observe import served_interfaces, survey
warren.Tunnel  # imported while it can be
os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
for name, error in survey(served_interfaces()).failures.items():
    print(name, error.code)
try:
    warren.Tunnel(warren.InterfaceConfig("wg1", warren.PrivateKey.generate()))
except warren.WarrenError as error:
    print(error.code)
"""


@pytest.mark.security
def test_another_user_may_neither_ask_nor_make_one(ends: Ends) -> None:
    ends.done(ends.near, "up", ends.conf(ends.near))
    assert succeeds(ends, f"import warren; warren.Tunnel{OTHER_USER}") == [
        "wg0 host.not_permitted",
        "host.not_permitted",
    ]
