"""Moments that are easily forgotten: nothing to do, too early, at the same time, and what others left."""

from __future__ import annotations

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tests.cli.program import WARREN
from tests.netns.deadline import until
from tests.netns.host import IN_NAMESPACES
from tests.netns.pair import FAR_INNER, NEAR_INNER
from warren.agent.io.network_reconciler import RECONCILE_INTERVAL, RETRY
from warren.agent.io.network_warnings import LAN_CHECK_INTERVAL

from .agent import USER, Agent, Peer
from .conftest import network_to

pytestmark = IN_NAMESPACES
Two = tuple[Agent, Agent]


def test_an_agent_without_a_network_stops_when_it_is_told_to(two: Two) -> None:
    near, _ = two
    near.configure()
    near.start()
    done = near.attempt("agent", "stop")
    assert (done.returncode, done.stdout) == (0, "the agent has stopped\n")
    assert near.ended() == 0


HAND_OVER = """
import os, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
os.execv(sys.argv[2], sys.argv[2:])
"""


def test_a_socket_of_the_service_manager_is_taken_over_and_left_to_it(two: Two) -> None:
    """Row H-25."""
    near, _ = two
    path = near.directory / "run/warren/agent.sock"
    path.parent.mkdir(parents=True)  # as the service manager does
    command = (*WARREN, "agent", "start", "--root", near.directory, "--user", USER)
    near.process = near.host.start(WARREN[0], "-c", HAND_OVER, path, *command, log="agent")
    until(lambda: near.attempt("info").returncode == 0, "the agent answers")
    near.until_state("active")
    assert near.attempt("agent", "stop").returncode == 0
    assert near.process.wait(10) == 0
    assert path.exists()


def test_a_hangup_at_the_moment_it_is_ready_is_a_reload(two: Two) -> None:
    near, _ = two
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        path = near.directory / "notify"
        manager.bind(str(path))
        path.chmod(0o666)
        manager.settimeout(20)
        command = (*WARREN, "agent", "start", "--root", near.directory, "--user", USER)
        near.process = near.host.start(*command, env={"NOTIFY_SOCKET": str(path)}, log="agent")
        assert manager.recv(200).startswith(b"READY=1")
        near.host.kill(near.pid(), "HUP")
        said = [manager.recv(200), manager.recv(200)]
    assert said[0].startswith(b"RELOADING=1")
    assert said[1] == b"READY=1\nSTATUS=reloaded"
    near.until_state("active")


def test_what_fails_to_start_can_be_taken_down_at_any_moment(two: Two) -> None:
    near, far = two
    network = network_to(far, NEAR_INNER[0], FAR_INNER[0])
    near.host.start("socat", "-u", "UDP-LISTEN:51820", "OPEN:/dev/null")
    until(lambda: "51820" in near.host.run("ss", "-uln"), "the port is taken")
    near.configure(network)
    near.start()
    requests = [("connect",), ("disconnect",)] * 20
    with ThreadPoolExecutor(4) as clients:
        for done in clients.map(lambda words: near.attempt(*words), requests):
            assert done.returncode == 0 or "it cannot" in done.stderr, done.stderr
    assert near.network()["state"] in {"error", "stopped", "starting"}
    assert near.attempt("agent", "stop").returncode == 0
    assert "Traceback" not in near.host.log()


@pytest.mark.parametrize("way", ["disconnect", "reload"])
def test_one_that_failed_is_not_tried_again_once_nobody_wants_it(two: Two, way: str) -> None:
    """Neither one that somebody tells to go, nor one that the file has disabled meanwhile."""
    near, far = two
    network = network_to(far, NEAR_INNER[0], FAR_INNER[0])
    near.host.ip("link", "add", "wg0", "type", "veth", "peer", "name", "other")
    near.configure(network)
    near.start()
    near.until_state("error")
    if way == "disconnect":
        done = near.attempt("disconnect")
        assert done.returncode == 1
        assert "it cannot disconnect" in done.stderr
    else:
        near.config.write_text(near.config.read_text().replace("enable_wireguard = true", "enable_wireguard = false"))
        near.reload()
    near.host.ip("link", "delete", "wg0")
    time.sleep(RETRY.delays[0] + RECONCILE_INTERVAL)  # by then it would be up
    assert (near.network()["state"], near.said("network.up")) == ("error", [])
    near.attempt("connect")
    near.until_state("active")


def test_a_route_into_a_lan_of_this_host_is_told(two: Two) -> None:
    """Row H-16: by validate, and in status, also when the LAN came later."""
    near, far = two
    network = network_to(far, NEAR_INNER[0], FAR_INNER[0])
    near.configure(network.but(peers=(replace(network.peers[0], allowed_ips=("198.51.100.0/24",)),)))
    assert "overlaps" not in near.attempt("validate").stdout
    near.start()
    near.until_state("active")
    assert near.network()["warnings"] == []
    near.host.ip("address", "add", "198.51.100.200/25", "dev", "eth0")
    told = "198.51.100.0/24 overlaps with 198.51.100.128/25, the network of eth0"
    assert f"network.default.peers[0].allowed_ips[0]: {told}" in near.attempt("validate").stdout
    until(lambda: any(told in each for each in near.network()["warnings"]), "it is told", 10 * LAN_CHECK_INTERVAL)
    near.host.ip("address", "delete", "198.51.100.200/25", "dev", "eth0")
    near.attempt("disconnect")
    near.attempt("connect")
    near.until_state("active")
    assert near.network()["warnings"] == []


def test_two_networks_exchange_their_ports_by_a_reload(two: Two) -> None:
    near, far = two
    first = network_to(far, NEAR_INNER[0], FAR_INNER[0])
    second = first.but(name="second", interface="wg1", port=51999, address="10.8.0.1/24", key="second.key", peers=())
    near.configure(first, second)
    near.start()
    near.until_state("active", "second")
    near.configure(first.but(port=51999), second.but(port=51820))
    near.reload()
    until(lambda: near.network("second")["listen_port"] == 51820, "second has the port of the first")
    until(lambda: near.network()["listen_port"] == 51999, "the first has that of second")


def test_a_client_s_configuration_lasts_as_long_as_its_connection(joined: Two) -> None:
    near, far = joined
    near.attempt("disconnect")
    config = {"interface": "wg7", "privateKeyPath": "/etc/warren/private.key", "address": "10.7.0.1/24", "peers": []}
    request = json.dumps({"id": "1", "action": "connect", "network": "default", "config": config})
    path = f"UNIX-CONNECT:{near.directory}/run/warren/agent.sock"
    assert json.loads(near.host.run("socat", "-", path, stdin=request + "\n"))["success"]
    near.until_state("active")
    assert near.network()["interface"] == "wg7"
    near.reload()
    assert near.network()["interface"] == "wg7", "a reload leaves it alone"
    near.attempt("disconnect")
    near.attempt("connect")
    near.until_state("active")
    assert near.network()["interface"] == "wg0"
    assert near.peers().keys() == {far.host.name}


@pytest.mark.security
def test_rules_of_a_killed_agent_go_though_no_network_comes_up(two: Two) -> None:
    near, far = two
    before = near.traces()
    everything = replace(network_to(far, NEAR_INNER[0], FAR_INNER[0]).peers[0], allowed_ips=("0.0.0.0/0",))
    network = network_to(far, NEAR_INNER[0], FAR_INNER[0])
    near.configure(network.but(peers=(everything,)))
    near.start()
    near.until_state("active")
    assert near.traces() != before
    near.host.kill(near.pid(), "KILL")
    near.ended()
    near.configure()
    near.start()
    assert near.traces() == before


def test_a_peer_of_nobody_and_no_name_server_delay_no_end(two: Two) -> None:
    """Row H-55: whatever is asked, the end comes at once."""
    near, _ = two
    hosts = near.directory / "resolv.conf"
    hosts.write_text("nameserver 192.0.2.250\noptions timeout:30 attempts:5\n")
    near.host.run("mount", "--bind", str(hosts), "/etc/resolv.conf")
    key = network_to(near, "10.9.0.9", "10.9.0.8").peers[0].public_key
    lost = Peer("lost", key, ("10.9.0.2/32",), "nowhere.test:51820")
    near.configure(network_to(near, NEAR_INNER[0], FAR_INNER[0]).but(key="own.key", peers=(lost,)))
    near.start()
    near.until_state("active")
    assert near.attempt("agent", "stop").returncode == 0
    assert near.ended() == 0


@pytest.mark.security
def test_recover_gives_back_what_a_killed_agent_left_and_nothing_of_one_that_runs(two: Two) -> None:
    near, far = two
    before = near.traces()
    resolv_conf = near.directory / "etc/resolv.conf"
    resolv_conf.write_text("nameserver 192.0.2.53\n")
    network = network_to(far, NEAR_INNER[0], FAR_INNER[0])
    everything = replace(network.peers[0], allowed_ips=("0.0.0.0/0",))
    near.configure(network.but(peers=(everything,), lines=('dns = ["10.100.0.2"]',)))
    near.start("root")
    near.until_state("active")
    until(lambda: "10.100.0.2" in resolv_conf.read_text(), "the network's server is asked")
    refused = near.attempt("recover")
    assert refused.returncode == 1
    assert "agent stop" in refused.stderr
    near.host.kill(near.pid(), "KILL")
    near.ended()
    assert near.attempt("recover").stdout == "nothing left to clean up\n"
    assert (near.traces(), resolv_conf.read_text()) == (before, "nameserver 192.0.2.53\n")
    assert near.attempt("recover").returncode == 0
