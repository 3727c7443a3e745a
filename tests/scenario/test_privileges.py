"""Started as root, the agent is another user, and a helper does for it what is on the helper's list (H-56, H-74)."""

from __future__ import annotations

import json
import pwd
import sys
from pathlib import Path

import pytest

from tests.cli.program import WARREN
from tests.netns.deadline import until
from tests.netns.host import IN_NAMESPACES
from tests.netns.pair import FAR_INNER, NEAR_INNER

from .agent import USER, Agent
from .conftest import network_to

pytestmark = [
    *IN_NAMESPACES,
    pytest.mark.security,
    pytest.mark.skipif(USER == "root", reason="a user namespace has no other users"),
]
Two = tuple[Agent, Agent]
NET_ADMIN, NET_RAW, IPC_LOCK = 1 << 12, 1 << 13, 1 << 14
ALL_GROUPS = "0 2147483647"
OWN_NAME_SERVERS = "nameserver 192.0.2.53\nsearch example.org\n"


def status(agent: Agent, pid: int) -> dict[str, str]:
    """A process as the kernel has it."""
    lines = agent.host.path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def helper(agent: Agent) -> int:
    """The pid of its helper, or 0 once there is none."""
    for entry in agent.host.path("/proc").glob("[0-9]*"):
        try:
            if (entry / "comm").read_text() == "warren-helper\n" and "Z (" not in (entry / "status").read_text():
                return int(entry.name)
        except OSError:
            continue  # it ended meanwhile
    return 0


def reaches(agent: Agent, address: str = FAR_INNER[0]) -> bool:
    return agent.host.attempt("ping", "-c1", "-W1", address).returncode == 0


def conditions(agent: Agent) -> list[str]:
    """The names of what a person should look at."""
    healthz = json.loads(agent.host.run("curl", "-s", "http://localhost:9090/healthz"))
    return [each["name"] for each in healthz.get("conditions", [])]


def resolv_conf(agent: Agent) -> Path:
    return agent.directory / "etc/resolv.conf"


@pytest.fixture
def with_dns(two: Two) -> Agent:
    """`near` with a network that has name servers, up."""
    near, far = two
    resolv_conf(near).write_text(OWN_NAME_SERVERS)
    near.configure(network_to(far, NEAR_INNER[0], FAR_INNER[0]).but(lines=('dns = ["10.9.0.53"]',)))
    near.start()
    near.until_state("active")
    until(lambda: "10.9.0.53" in resolv_conf(near).read_text(), "its name server is there")
    return near


def test_it_is_another_user_with_two_capabilities_and_can_gain_none(two: Two) -> None:
    near, _ = two
    near.host.run("sh", "-c", f"echo {ALL_GROUPS} > /proc/sys/net/ipv4/ping_group_range")
    near.start()
    near.until_state("active")
    found, user = status(near, near.pid()), pwd.getpwnam(USER)
    assert found["Uid"].split() == [str(user.pw_uid)] * 4
    assert found["Gid"].split() == [str(user.pw_gid)] * 4
    assert "0" not in found["Groups"].split()
    for kind in ("CapEff", "CapPrm"):
        assert int(found[kind], 16) == NET_ADMIN | IPC_LOCK, kind
    for kind in ("CapInh", "CapBnd", "CapAmb"):
        assert int(found[kind], 16) == 0, kind
    assert found["NoNewPrivs"] == "1"
    limits = near.host.path(f"/proc/{near.pid()}/limits").read_text()
    assert "Max core file size        0                    0" in limits
    owner = near.host.path(f"/proc/{near.pid()}/mem").stat().st_uid
    assert owner == 0, "what cannot be dumped belongs to root in /proc"


LIMITS = """
import os, socket, sys
from warren._core import drop_privileges
from warren.errors import HostError
drop_privileges(int(sys.argv[1]), int(sys.argv[2]), [], int(sys.argv[3]))

def refused(what, call):
    try:
        call()
    except (PermissionError, HostError) as error:
        assert error.errno in (1, 13), (what, error.errno)
    else:
        sys.exit(f"{what}: was allowed")

refused("read /etc/shadow", lambda: open("/etc/shadow"))
refused("bind port 53", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).bind(("127.0.0.1", 53)))
refused("be root", lambda: os.setuid(0))
refused("be root's group", lambda: os.setgid(0))
refused("gain it back", lambda: drop_privileges(int(sys.argv[1]), int(sys.argv[2]), [], 1 << 21))
"""


def test_what_a_program_with_its_rights_cannot_do(two: Two) -> None:
    near, _ = two
    user, kept = pwd.getpwnam(USER), NET_ADMIN | NET_RAW | IPC_LOCK
    near.host.run(sys.executable, "-c", LIMITS, str(user.pw_uid), str(user.pw_gid), str(kept))


def test_raw_sockets_only_where_its_groups_may_not_send_echoes(joined: Two) -> None:
    """A namespace of its own begins with a range that is empty."""
    near, _ = joined
    assert int(status(near, near.pid())["CapEff"], 16) == NET_ADMIN | NET_RAW | IPC_LOCK
    until(lambda: near.peers()["far"]["latency_seconds"], "an echo came back", 60)


def test_of_the_helper_the_network_sees_nothing(joined: Two) -> None:
    near, _ = joined
    pid = helper(near)
    assert status(near, pid)["Uid"].split() == ["0"] * 4
    links = [entry.readlink() for entry in near.host.path(f"/proc/{pid}/fd").iterdir() if int(entry.name) > 2]
    assert len(links) <= 2, "its own end of the socket, and the lock of its journal"
    assert sum(str(link).startswith("socket:") for link in links) == 1
    limits = near.host.path(f"/proc/{pid}/limits").read_text()
    assert "Max core file size        0                    0" in limits
    assert "Max open files            64  " in limits


def test_root_s_keys_are_read_changed_and_stay_root_s(joined: Two) -> None:
    """A reload, a rotation, and down and up again, all with files that the agent cannot open."""
    near, far = joined
    near.config.chmod(0o600)
    key = near.directory / "etc/warren/private.key"
    assert (key.stat().st_uid, key.stat().st_mode & 0o777) == (0, 0o600)
    near.configure(network_to(far, NEAR_INNER[0], FAR_INNER[0]).but(lines=("mtu = 1300",)))
    near.reload()
    assert near.network()["mtu"] == 1300
    new = near.ask("rotate-keys")["public_key"]
    far.configure(network_to(near, FAR_INNER[0], NEAR_INNER[0]).but(peers=()))
    assert near.ask("rotate-keys", "--commit")["public_key"] == new
    assert (key.stat().st_uid, key.stat().st_mode & 0o777) == (0, 0o600)
    assert near.ask("rotate-keys", "--abort")["public_key"] == near.key()
    assert near.attempt("disconnect").returncode == 0
    assert near.attempt("connect").returncode == 0
    near.until_state("active")
    until(lambda: reaches(near), "far is reached again", 60)


def test_a_key_of_a_stranger_is_refused(two: Two) -> None:
    """H-70: at run time as in `warren validate`."""
    near, far = two
    near.key("strange.key")
    path = near.directory / "etc/warren/strange.key"
    near.host.run("chown", "4711", str(path))
    network = network_to(far, NEAR_INNER[0], FAR_INNER[0])
    near.configure(network.but(key="strange.key"))
    near.start()
    near.until_state("error")
    assert str(path) in near.network()["error"]
    assert "4711" in near.network()["error"]


def test_what_else_runs_as_its_user_is_no_administrator(joined: Two) -> None:
    near, _ = joined
    as_user = ("setpriv", "--reuid", USER, "--regid", str(pwd.getpwnam(USER).pw_gid), "--clear-groups", "--")
    done = near.host.attempt(*as_user, *WARREN, "disconnect", "--root", str(near.directory))
    assert done.returncode == 1
    assert "may not request disconnect" in done.stderr
    assert near.network()["state"] == "active"


def test_name_servers_are_set_and_given_back(with_dns: Agent) -> None:
    assert resolv_conf(with_dns).stat().st_uid == 0
    assert with_dns.attempt("disconnect").returncode == 0
    assert resolv_conf(with_dns).read_text() == OWN_NAME_SERVERS


def test_killed_it_takes_its_helper_along_which_gives_the_name_servers_back(with_dns: Agent) -> None:
    with_dns.host.kill(with_dns.pid(), "KILL")
    until(lambda: helper(with_dns) == 0, "the helper has ended")
    assert resolv_conf(with_dns).read_text() == OWN_NAME_SERVERS
    with_dns.start()
    with_dns.until_state("active")
    until(lambda: "10.9.0.53" in resolv_conf(with_dns).read_text(), "its name server is there again")


@pytest.mark.needs("curl")
def test_its_tunnels_outlive_the_helper_and_it_says_so(joined: Two) -> None:
    near, far = joined
    assert "helper.ended" not in conditions(near)
    near.host.kill(helper(near), "KILL")
    until(lambda: "helper.ended" in conditions(near), "it is a condition")
    assert near.said("helper.ended")
    assert reaches(near)
    near.configure(network_to(far, NEAR_INNER[0], FAR_INNER[0]).but(lines=("mtu = 1300",)))
    done = near.attempt("agent", "reload")
    assert done.returncode == 1
    assert "the helper has exited" in done.stderr
    assert reaches(near), "what it cannot change it leaves as it is"
    assert near.attempt("agent", "stop").returncode == 0


def test_a_second_agent_leaves_the_first_its_name_servers(with_dns: Agent) -> None:
    done = with_dns.attempt("agent", "start", "--user", USER)
    assert done.returncode == 1
    assert "10.9.0.53" in resolv_conf(with_dns).read_text()


@pytest.mark.parametrize(
    ("user", "said"),
    [("nobody-of-that-name", "useradd --system --user-group"), ("warren\n", "invalid user or group name")],
)
def test_a_user_that_there_is_not_is_named(two: Two, user: str, said: str) -> None:
    near, _ = two
    before = near.traces()
    done = near.attempt("agent", "start", "--user", user)
    assert done.returncode == 1
    assert said in done.stderr
    assert near.traces() == before
    assert list((near.directory / "var/lib/warren").iterdir()) == []


def test_without_the_capability_it_says_which_and_how_to_give_it(two: Two) -> None:
    """H-78."""
    near, _ = two
    near.config.chmod(0o644)
    as_nobody = ("setpriv", "--reuid", USER, "--clear-groups", "--")
    done = near.host.attempt(*as_nobody, *WARREN, "agent", "start", "--root", str(near.directory))
    assert done.returncode == 1
    assert "CAP_NET_ADMIN" in done.stderr
    assert "setcap cap_net_admin,cap_ipc_lock=+eip" in done.stderr


def test_to_stay_root_is_said(two: Two) -> None:
    near, far = two
    near.configure(network_to(far, NEAR_INNER[0], FAR_INNER[0]))
    near.start("root")
    assert near.said("privileges.kept")
    near.until_state("active")
    assert status(near, near.pid())["Uid"].split() == ["0"] * 4
    assert helper(near) == 0


# Where the device of TUN is closed to users, as in some containers, a host may give them one that is open.
OPEN_TUN = "mknod -m 666 /run/tun c 10 200 && mount --bind /run/tun /dev/net/tun"
WITH_THE_CAPABILITY = ("--inh-caps", "+net_admin", "--ambient-caps", "+net_admin")


def test_started_by_another_user_it_needs_the_capability_alone(two: Two) -> None:
    """H-74, its second half: with files of its own it has no helper, and needs none."""
    near, far = two
    near.host.run("sh", "-c", f"{OPEN_TUN} && install -d -o {USER} /run/wireguard")
    near.host.run("mkdir", "-p", str(near.directory / "run/warren"))
    near.host.run("chown", "-R", USER, str(near.directory))
    as_user = ("setpriv", "--reuid", USER, "--regid", str(pwd.getpwnam(USER).pw_gid), "--clear-groups")
    far.start()
    start = (*WARREN, "agent", "start", "--root", near.directory)
    process = near.host.start(*as_user, *WITH_THE_CAPABILITY, "--", *start, log="agent")
    until(lambda: process.poll() is not None or near.attempt("info").returncode == 0, "it answers")
    assert process.poll() is None, near.host.log()
    near.until_state("active")
    until(lambda: reaches(near), "far is reached", 60)
    found = status(near, near.pid())
    assert int(found["CapEff"], 16) == int(found["CapPrm"], 16) == NET_ADMIN
    assert (int(found["CapInh"], 16), int(found["CapAmb"], 16), found["NoNewPrivs"]) == (0, 0, "1")
    assert helper(near) == 0
    assert near.ask("rotate-keys")["public_key"] != near.key()
    assert near.attempt("agent", "stop").returncode == 0
    assert "wg0" not in near.host.links()


def test_after_an_agent_that_stayed_root_another_user_finds_nothing_in_its_way(two: Two) -> None:
    near, far = two
    resolv_conf(near).write_text(OWN_NAME_SERVERS)
    near.configure(network_to(far, NEAR_INNER[0], FAR_INNER[0]).but(lines=('dns = ["10.9.0.53"]',)))
    near.start("root")
    near.until_state("active")
    until(lambda: "10.9.0.53" in resolv_conf(near).read_text(), "its name server is there")
    near.host.kill(near.pid(), "KILL")
    near.start()
    near.until_state("active")
    assert conditions(near) == []
    assert near.attempt("agent", "stop").returncode == 0
    assert [path.name for path in (near.directory / "run/warren").iterdir() if path.is_socket()] == []
    assert resolv_conf(near).read_text() == OWN_NAME_SERVERS
