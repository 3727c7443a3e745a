"""A configuration that changes while traffic flows: the difference is applied, and nothing else is disturbed (H-49)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.cli.program import WARREN
from tests.netns.deadline import until
from tests.netns.host import IN_NAMESPACES
from tests.netns.pair import FAR_INNER, NEAR_INNER
from warren._core import PrivateKey

from .agent import USER, Agent, Peer
from .conftest import network_to
from .flood import EchoFlood

pytestmark = IN_NAMESPACES
Two = tuple[Agent, Agent]
MakeFlood = Callable[[Agent, str], EchoFlood]


def stranger(name: str, prefix: str) -> Peer:
    """A peer that nobody is."""
    return Peer(name, str(PrivateKey.generate().public_key()), (prefix,), "192.0.2.9:51820")


def reachable(agent: Agent, address: str = FAR_INNER[0]) -> bool:
    return agent.host.attempt("ping", "-c1", "-W1", address).returncode == 0


def test_peers_come_change_and_go_without_the_loss_of_one_echo_of_another(joined: Two, flood: MakeFlood) -> None:
    """X-21: ten reloads under two hundred echoes a second."""
    near, far = joined
    network = network_to(far, NEAR_INNER[0], FAR_INNER[0])
    handshake = near.peers()["far"]["latest_handshake"]
    with flood(near, FAR_INNER[0]) as echoes:
        for number in range(5):
            more = (stranger("one", f"10.9.1.{number}/32"), stranger("two", "10.9.2.0/24"))
            near.configure(network.but(peers=(*network.peers, *more), lines=(f"mtu = {1400 + number}",)))
            near.reload()
            assert set(near.peers()) == {"far", "one", "two"}
            near.configure(network)
            near.reload()
            assert set(near.peers()) == {"far"}
    print(f"ten reloads: {echoes.sent} echoes, {echoes.lost} lost")
    assert echoes.lost == 0
    assert near.peers()["far"]["latest_handshake"] == handshake


def test_sighup_is_a_reload(joined: Two) -> None:
    near, far = joined
    network = network_to(far, NEAR_INNER[0], FAR_INNER[0])
    near.configure(network.but(lines=("mtu = 1300",)))
    near.host.kill(near.pid(), "HUP")
    until(lambda: "mtu 1300" in near.host.ip("link", "show", "wg0"), "the new MTU is there")


@pytest.mark.parametrize("content", ["", "# nothing yet\n", "cut after the head", "cut before the peers"])
def test_a_file_that_would_remove_everything_is_refused(joined: Two, flood: MakeFlood, content: str) -> None:
    near, _ = joined
    text = near.config.read_text()
    cuts = {
        "cut after the head": text[: text.index("enable_wireguard")],
        "cut before the peers": text[: text.index("[[network.peers]]")],
    }
    emptied = cuts.get(content, content)
    if content == "cut after the head":
        emptied += 'private_key_path = "/etc/warren/private.key"\n'
    before = near.traces()
    with flood(near, FAR_INNER[0]) as echoes:
        near.config.write_text(emptied)
        done = near.attempt("agent", "reload")
        near.host.kill(near.pid(), "HUP")
        until(lambda: near.said("config.rejected"), "the signal's reload is refused in the log")
    assert (done.returncode, done.stdout) == (1, "")
    assert "this would remove" in done.stderr
    assert "--allow-empty" in done.stderr
    assert echoes.lost == 0
    assert (near.network()["state"], near.traces()) == ("active", before)
    assert "config.rejected" in {each["name"] for each in near.look("list")["conditions"]}
    assert "warning   config.rejected: " in near.attempt("doctor").stdout
    near.config.write_text(text)
    near.reload()
    assert "config.rejected" not in {each["name"] for each in near.look("list")["conditions"]}
    near.config.write_text(emptied)
    assert near.attempt("agent", "reload", "--allow-empty").returncode == 0
    assert near.traces() != before


def test_a_network_that_the_file_disables_is_taken_down_without_confirmation(joined: Two) -> None:
    near, _ = joined
    near.config.write_text(near.config.read_text().replace("enable_wireguard = true", "enable_wireguard = false"))
    near.reload()
    near.until_state("stopped")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("mtu = 99", "99 is out of range"),
        ('privat_key = "x"', "privat_key"),
        ('backend = "kernel"\nsocks5.listen = "127.0.0.1:1080"', "backend kernel does not serve it"),
        ("mtu = = 2", "invalid TOML"),
    ],
)
def test_an_invalid_file_changes_nothing_and_says_why(joined: Two, flood: MakeFlood, line: str, said: str) -> None:
    near, far = joined
    before = near.network(), near.traces()
    with flood(near, FAR_INNER[0]) as echoes:
        near.configure(network_to(far, NEAR_INNER[0], FAR_INNER[0]).but(lines=(line,)))
        done = near.attempt("agent", "reload")
    assert done.returncode == 1
    assert said in done.stderr
    assert str(near.config) in done.stderr
    assert echoes.lost == 0
    after = near.network()
    assert (after["state"], after["mtu"], near.traces()) == (before[0]["state"], before[0]["mtu"], before[1])


def test_a_key_that_others_can_read_is_refused_and_the_old_one_stays(joined: Two) -> None:
    """Row H-51: under umask 022 `wg genkey > FILE` leaves 0644."""
    near, far = joined
    near.key("new.key")
    (near.directory / "etc/warren/new.key").chmod(0o644)
    near.configure(network_to(far, NEAR_INNER[0], FAR_INNER[0]).but(key="new.key"))
    done = near.attempt("agent", "reload")
    assert done.returncode == 1
    assert "chmod 600" in done.stderr
    assert near.network()["public_key"] == near.key()
    assert reachable(near)


@pytest.mark.needs("curl")
def test_what_counts_at_the_next_start_is_told_and_stays_a_condition(joined: Two) -> None:
    near, _ = joined
    near.config.write_text(f'{near.config.read_text()}\n[daemon]\nlog_level = "error"\n')
    assert near.attempt("agent", "reload").stderr == "", "the level counts at once"
    near.config.write_text(f"{near.config.read_text()}\n[http]\nport = 9091\n[metrics]\naliases = true\n")
    done = near.attempt("agent", "reload")
    assert (done.returncode, done.stdout) == (0, "reloaded\n")
    assert "changes in [http], [metrics] take effect after a restart" in done.stderr
    assert "config.restart_required" in near.host.run("curl", "-s", "http://localhost:9090/healthz")
    assert near.ask("info")["http"] == ["127.0.0.1:9090", "[::1]:9090"]
    near.attempt("agent", "stop")
    near.host.start("socat", "-u", "TCP-LISTEN:9091,bind=127.0.0.1", "OPEN:/dev/null")
    until(lambda: "9091" in near.host.run("ss", "-tln"), "the port is taken")
    near.start()
    assert near.ask("info")["http"] == ["[::1]:9091"], "a listener that did not open is not listed"
    near.until_state("active")
    done = near.attempt("status")
    assert done.returncode == 0, "tunnels are up without it (H-68)"
    assert "TCP port 9091 of 127.0.0.1 is in use" in done.stderr
    assert "http.port_in_use" in {each["name"] for each in near.ask("status")["conditions"]}
    assert "http.port_in_use" in near.attempt("doctor").stdout
    for pid in near.host.processes("socat"):
        near.host.kill(pid)
    until(lambda: near.ask("info")["http"] == ["127.0.0.1:9091", "[::1]:9091"], "the listener opens by itself")
    assert "http.port_in_use" not in {each["name"] for each in near.ask("status")["conditions"]}


def test_the_log_s_level_is_that_of_the_file_from_the_reload_on(two: Two) -> None:
    """Row H-91. A level of the command line counts more, so this one has none."""
    near, _ = two
    near.process = near.host.start(*WARREN, "agent", "start", "--root", near.directory, "--user", USER, log="agent")
    until(lambda: near.attempt("info").returncode == 0, "the agent answers")
    near.until_state("active")
    text = near.config.read_text()
    assert not near.said("network.applied")
    for level, is_told in (("debug", True), ("error", False)):
        near.config.write_text(f'[daemon]\nlog_level = "{level}"\n{text}')
        near.reload()
        before = len(near.host.log())
        near.attempt("disconnect")
        near.attempt("connect")
        near.until_state("active")
        assert ('"event":"network.applied"' in near.host.log()[before:]) == is_told
        assert ('"event":"network.up"' in near.host.log()[before:]) == is_told


def test_a_network_without_an_address_is_warned_of_in_status(two: Two) -> None:
    """Row H-08."""
    near, far = two
    near.configure(network_to(far, "", FAR_INNER[0]).but(address=""))
    near.start()
    near.until_state("active")
    done = near.attempt("status")
    assert done.returncode == 0
    assert "default: address: is missing: wg0 gets no address" in done.stdout


def test_a_network_more_and_one_less(joined: Two, flood: MakeFlood) -> None:
    """Row H-15."""
    near, far = joined
    network = network_to(far, NEAR_INNER[0], FAR_INNER[0])
    other = replace(
        network,
        name="other",
        interface="wg1",
        port=51999,
        address="10.8.0.1/24",
        key="other.key",
        peers=(stranger("nobody", "10.8.0.2/32"),),
    )
    with flood(near, FAR_INNER[0]) as echoes:
        near.configure(network, other)
        near.reload()
        near.until_state("active", "other")
        assert "wg1" in near.host.links()
        near.configure(network)
        near.reload()
        assert "wg1" not in near.host.links()
    assert echoes.lost == 0
    assert [each["network"] for each in near.ask("list")["networks"]] == ["default"]


def test_a_private_key_is_changed_by_the_recipe_of_the_guide(joined: Two) -> None:
    """Row H-50: a new file, `private_key_path` edited, a reload; the far side learns the key by a reload of its own."""
    near, far = joined
    network = network_to(far, NEAR_INNER[0], FAR_INNER[0])
    near.configure(network.but(key="new.key"))
    peer = replace(network_to(near, FAR_INNER[0], NEAR_INNER[0]).peers[0], public_key=near.key("new.key"))
    far.configure(network_to(near, FAR_INNER[0], NEAR_INNER[0]).but(peers=(peer,)))
    far.reload()
    near.reload()
    until(lambda: reachable(near), "far is reached with the new key", 60)
    assert near.network()["public_key"] == near.key("new.key")
