"""The guide of the harmony-agent interface from quick start to best practices, typed literally: no `--root`."""

from __future__ import annotations

import json
import re
import stat

import pytest

from tests.config.documents import SEVERAL, with_keys
from tests.netns.deadline import until
from tests.netns.host import IN_NAMESPACES
from tests.netns.interface import Interface

from .user import START, User

pytestmark = [*IN_NAMESPACES, pytest.mark.needs("socat", "curl", "ss", "sudo", "watch")]


@pytest.fixture
def started(user: User) -> User:
    """After step 3."""
    user.leaves_running(f"sudo {START} --verbose")
    until(lambda: user.attempts("harmony-agent status").returncode == 0, "harmony-agent is connected")
    return user


def test_quick_start_works_as_written(started: User) -> None:
    """Step 4, and what the guide says of files and modes."""
    assert "default" in started.types("harmony-agent status")
    assert "harmony_agent_active_peers" in started.types("curl -s http://localhost:9090/metrics")
    health = json.loads(started.types("curl -s http://localhost:9090/healthz"))
    assert set(health) >= {"status", "timestamp", "networks"}
    assert set(health["networks"]["default"]) == {
        *("status", "state", "peerHealth", "handshakeRate"),
        *("peersTotal", "peersHealthy", "peersWaiting"),
    }
    socket = started.host.path("/run/harmony-agent.sock").stat()
    assert stat.S_IMODE(socket.st_mode) == 0o660
    assert "debug" in started.host.log()


def test_control_messages_work_as_written(started: User) -> None:
    status = started.asks('{"id":"2","action":"status","network":"default"}')
    assert status["success"]
    assert started.asks('{"id":"3","action":"disconnect","network":"default"}')["success"]
    assert started.attempts("harmony-agent status").returncode != 0
    assert started.attempts("ip link show wg0").returncode != 0
    assert started.asks('{"id":"1","action":"connect","network":"default"}')["success"]
    until(lambda: started.attempts("harmony-agent status").returncode == 0, "it is connected again")


def test_troubleshooting_commands_work_as_written(started: User) -> None:
    """In the document's order; 1400 octets of echo do not fit, and ping says why (H-47)."""
    started.types("harmony-agent validate --config /etc/harmony-agent/config.toml")
    assert "mtu 1420" in started.types("ip link show wg0")
    assert "10.42.0.0/16 dev wg0" in started.types("ip route show")
    assert "fd42:1::/48 dev wg0" in started.types("ip -6 route show")
    until(lambda: started.attempts("ping -c 1 -W 1 10.42.0.1").returncode == 0, "10.42.0.1 answers")
    assert "0% packet loss" in started.types("ping -c 3 10.42.0.1")
    started.types("ping -M do -s 1392 -c 1 10.42.0.1")
    assert "mtu=1420" in (refused := started.attempts("ping -M do -s 1400 -c 1 10.42.0.1")).stdout + refused.stderr
    started.types("iptables -L -n || nft list ruleset")
    text = started.types("cat /etc/harmony-agent/config.toml")
    started.writes("/etc/harmony-agent/config.toml", f'{text}probe = "10.42.0.1"\n')
    started.types("harmony-agent reload")
    until(lambda: started.attempts("curl -s http://localhost:9090/metrics | grep peer_latency").stdout, "latency", 60)
    assert "10.100.0.2" in started.types("cat /etc/resolv.conf")


def test_counters_increase_with_traffic(started: User) -> None:
    """Row H-62."""
    before = counter(started, "harmony_agent_bytes_transmitted_total")
    started.attempts("ping -c 3 -i 0.2 10.42.0.1")
    assert counter(started, "harmony_agent_bytes_transmitted_total") > before
    assert counter(started, "harmony_agent_active_peers") == 1
    assert counter(started, "harmony_agent_handshake_success_total") >= 1


def counter(user: User, name: str) -> float:
    """An unlabelled sample."""
    found = re.search(rf"^{name} (\S+)$", user.types("curl -s http://localhost:9090/metrics"), re.MULTILINE)
    assert found, name
    return float(found[1])


def test_key_rotation_works_as_written(started: User, core: Interface) -> None:
    """Row H-50, with the chmod that the recipe leaves out (H-51)."""
    started.types("umask 022; wg genkey > /etc/harmony-agent/new-private.key")
    text = started.types("cat /etc/harmony-agent/config.toml")
    started.writes("/etc/harmony-agent/config.toml", text.replace("private.key", "new-private.key"))
    refused = started.attempts("harmony-agent reload")
    assert "chmod 600 /etc/harmony-agent/new-private.key" in refused.stderr
    started.types("ping -c 1 -W 5 10.42.0.1")
    started.types("chmod 600 /etc/harmony-agent/new-private.key")
    new = started.types("wg pubkey < /etc/harmony-agent/new-private.key").strip()
    core.configure(f"[Peer]\nPublicKey = {new}\nAllowedIPs = 10.42.0.2/32\n", "addconf")
    started.types("harmony-agent reload")
    until(lambda: started.attempts("ping -c 1 -W 1 10.42.0.1").returncode == 0, "the new key works", 60)


def test_stop_removes_the_interface(started: User) -> None:
    started.types("harmony-agent stop")
    assert started.attempts("ip link show wg0").returncode != 0
    until(lambda: not started.host.path("/run/harmony-agent.sock").exists(), "its socket has gone")
    assert "10.100.0.2" not in started.attempts("cat /etc/resolv.conf").stdout
    assert started.types("harmony-agent version").startswith("harmony-agent ")


def test_file_permissions_of_the_guide_keep_the_agent_working(started: User) -> None:
    """The guide's three lines change nothing of what works."""
    started.types("sudo chmod 600 /etc/harmony-agent/*.key")
    started.types("sudo chmod 640 /etc/harmony-agent/config.toml")
    started.types("sudo chmod 660 /var/run/harmony-agent.sock")
    started.types("harmony-agent reload")
    assert "default" in started.types("harmony-agent status")


def test_json_control_message_with_a_configuration_connects(started: User, core: Interface) -> None:
    """The guide's block, camelCase, over the socket; the key lies where keys lie."""
    assert started.asks('{"id":"3","action":"disconnect","network":"default"}')["success"]
    request = {
        "id": "req-123",
        "action": "connect",
        "network": "default",
        "config": {
            "interface": "wg0",
            "mtu": 1420,
            "address": "10.42.0.2/32",
            "privateKeyPath": "/etc/harmony-agent/private.key",
            "dns": ["10.100.0.2"],
            "peers": [
                {
                    "name": "peer1",
                    "publicKey": core.keys.text,
                    "endpoint": f"vpn.example.com:{core.listen_port}",
                    "allowedIps": ["10.42.0.0/16"],
                    "keepaliveSecs": 25,
                }
            ],
        },
    }
    answer = started.asks(json.dumps(request))
    assert (answer["id"], answer["success"]) == ("req-123", True)
    until(lambda: started.attempts("ping -c 1 -W 1 10.42.0.1").returncode == 0, "10.42.0.1 answers")
    assert "peer1" in started.types("harmony-agent peers default")


def test_several_networks_run_at_once(started: User) -> None:
    """The blocks "TOML Configuration", "Custom DNS", "Split Tunneling" and "Multiple Networks", by a reload."""
    for name in ("prod", "staging"):
        started.types(f"umask 077; wg genkey > /etc/harmony-agent/{name}.key")
    started.types("echo '192.0.2.2 gateway1.example.com gateway2.example.com staging.example.com' >> /etc/hosts")
    text = with_keys(SEVERAL).replace('dns = ["10.1.0.1"]', 'dns = ["1.1.1.1", "8.8.8.8"]')
    text = text.replace('["10.50.0.0/16"]', '["10.50.0.0/16", "192.168.100.0/24"]')
    started.writes("/etc/harmony-agent/config.toml", text)
    started.types("harmony-agent validate --config /etc/harmony-agent/config.toml")
    started.types("harmony-agent reload")
    until(lambda: started.attempts("ip link show wg1").returncode == 0, "wg1 is there")
    until(lambda: "192.168.100.0/24 dev wg1" in started.types("ip route show"), "the routes of the second are there")
    routes = started.types("ip route show")
    assert "10.42.0.0/16 dev wg0" in routes
    assert "10.43.0.0/16 dev wg0" in routes
    assert "mtu 1280" in started.types("ip link show wg1 | grep mtu")
    until(lambda: "10.0.0.1" in started.types("cat /etc/resolv.conf"), "the name servers of the first are there")
    listed = started.types("harmony-agent list")
    assert "production" in listed
    assert "staging" in listed


def test_latency_is_measured(started: User) -> None:
    """`watch` as the guide has it, for as long as it takes to see a line."""
    text = started.types("cat /etc/harmony-agent/config.toml")
    started.writes("/etc/harmony-agent/config.toml", f'{text}probe = "10.42.0.1"\n')
    started.types("harmony-agent reload")
    until(lambda: started.attempts("curl -s http://localhost:9090/metrics | grep peer_latency").stdout, "latency", 60)
    line = "watch -n 1 'curl -s http://localhost:9090/metrics | grep peer_latency'"
    shown = started.attempts(f"TERM=linux timeout 5 {line}").stdout
    assert 'peer_latency_milliseconds{network="default"' in shown.replace("\x1b", "")
