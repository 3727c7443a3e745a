"""The host has a network's name servers, and afterwards its own again, to the octet, whatever happened between."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from ipaddress import ip_address
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.faults import kills, python
from tests.powercut import power_cuts
from warren.errors import HostError
from warren.files.file_state import FileState, Kind
from warren.tunnel.dns import nameservers
from warren.tunnel.dns_journal import DnsBackend, Entry, Journal, encode_journal
from warren.tunnel.io.dns import Resolver

pytestmark = pytest.mark.integration

SERVERS = (ip_address("10.100.0.2"),)
OTHERS = (ip_address("1.1.1.1"), ip_address("8.8.8.8"))
PLAIN = "# by hand \nnameserver 192.0.2.53\nsearch example.org\n\n"

Snapshot = dict[str, tuple[str | bytes, int, int, int]]


class Host:
    """The parts of a host that a resolver sees, below a directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state = root / "var/lib/warren/dns"
        self.file = root / "etc/resolv.conf"
        self.file.parent.mkdir(parents=True, exist_ok=True)

    @property
    def resolver(self) -> Resolver:
        """Of a process that starts now."""
        return Resolver(self.state, self.root)

    def snapshot(self) -> Snapshot:
        """All that is in /etc, and how it is."""
        return {path.name: _as_it_is(path) for path in self.file.parent.iterdir()}

    def servers(self) -> tuple[str, ...]:
        return tuple(server.decode() for server in nameservers(self.file.read_bytes()))

    def program(self, name: str, script: str) -> None:
        path = self.root / "usr/bin" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def is_clean(self) -> bool:
        return not self.state.exists() or list(self.state.iterdir()) == []


def _as_it_is(path: Path) -> tuple[str | bytes, int, int, int]:
    status = path.lstat()
    content = str(path.readlink()) if path.is_symlink() else path.read_bytes()
    return content, status.st_mode, status.st_uid, status.st_gid


def a_file(host: Host) -> None:
    host.file.write_text(PLAIN)
    host.file.chmod(0o640)


def a_link(host: Host) -> None:
    target = host.root / "run/resolver/resolv.conf"
    target.parent.mkdir(parents=True)
    target.write_text(PLAIN)
    host.file.symlink_to("../run/resolver/resolv.conf")


def a_link_to_nothing(host: Host) -> None:
    host.file.symlink_to("/run/absent/resolv.conf")


def nothing(host: Host) -> None:
    assert not host.file.exists()


ORIGINALS = [a_file, a_link, a_link_to_nothing, nothing]
Original = Callable[[Host], None]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """One whose file is a file."""
    made = Host(tmp_path)
    a_file(made)
    return made


def codes(problems: Sequence[HostError]) -> list[str]:
    return [problem.code for problem in problems]


@pytest.mark.parametrize("original", ORIGINALS)
def test_it_comes_back_as_it_was(tmp_path: Path, original: Original) -> None:
    host = Host(tmp_path)
    original(host)
    before = host.snapshot()
    assert host.resolver.apply("production", "wg0", SERVERS) is DnsBackend.FILE
    assert host.servers() == ("10.100.0.2",)
    assert host.file.lstat().st_mode & 0o777 == 0o644
    assert ("search example.org" in host.file.read_text()) is (original in (a_file, a_link))
    host.resolver.verify("production")
    host.resolver.revert("production")
    assert host.snapshot() == before
    assert host.is_clean()
    host.resolver.revert("production")
    assert host.resolver.recover() == ()
    assert host.snapshot() == before


def test_a_link_leads_where_it_led_and_its_target_is_not_touched(tmp_path: Path) -> None:
    host = Host(tmp_path)
    a_link(host)
    host.resolver.apply("production", "wg0", SERVERS)
    assert (tmp_path / "run/resolver/resolv.conf").read_text() == PLAIN
    host.resolver.revert("production")
    assert host.file.read_text() == PLAIN


steps = st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.sampled_from([SERVERS, OTHERS])), max_size=8)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A new directory for each example."""
    return (tmp_path_factory.mktemp("host") for _ in count())


@given(steps=steps, original=st.sampled_from(ORIGINALS))
@settings(max_examples=50)  # each some hundred writes to the disk
def test_networks_come_and_go_in_any_order(
    places: Iterator[Path], steps: list[tuple[str, tuple[object, ...] | None]], original: Original
) -> None:
    host = Host(next(places))
    original(host)
    before, applied = host.snapshot(), dict[str, tuple[object, ...]]()
    for network, servers in steps:
        applied.pop(network, None)
        if servers is None:
            host.resolver.revert(network)
        else:
            host.resolver.apply(network, f"wg-{network}", servers)  # type: ignore[arg-type]
            applied[network] = servers
        wanted = dict.fromkeys(str(server) for each in reversed(applied.values()) for server in each)
        assert host.snapshot() == before if not applied else host.servers() == tuple(wanted)
    assert host.resolver.recover() == ()
    assert host.snapshot() == before
    assert host.is_clean()


def test_another_interface_of_the_same_network(host: Host) -> None:
    before = host.snapshot()
    host.resolver.apply("production", "wg0", SERVERS)
    host.resolver.apply("production", "wg7", OTHERS)
    assert host.servers() == ("1.1.1.1", "8.8.8.8")
    host.resolver.revert("production")
    assert host.snapshot() == before


def test_the_hosts_own_servers_are_those_of_before(host: Host) -> None:
    own = (ip_address("192.0.2.53"),)
    assert host.resolver.host_servers() == own
    host.resolver.apply("production", "wg0", SERVERS)
    host.resolver.apply("staging", "wg1", OTHERS)
    host.resolver.revert("production")
    assert host.resolver.host_servers() == own
    host.resolver.revert("staging")
    host.file.write_text("nameserver 198.51.100.53\nnameserver nonsense\n")
    assert host.resolver.host_servers() == (ip_address("198.51.100.53"),)


def edited(host: Host) -> None:
    with host.file.open("a") as file:
        file.write("nameserver 192.0.2.99\n")


def replaced_by_a_link(host: Host) -> None:
    host.file.unlink()
    host.file.symlink_to("/run/others/resolv.conf")


def removed(host: Host) -> None:
    host.file.unlink()


@pytest.mark.parametrize("edit", [edited, replaced_by_a_link, removed])
@pytest.mark.parametrize("original", [a_file, a_link, nothing])
def test_what_others_made_of_it_stays(tmp_path: Path, edit: Original, original: Original) -> None:
    host = Host(tmp_path)
    original(host)
    if edit is removed and original is nothing:
        return  # then all is as before
    host.resolver.apply("production", "wg0", SERVERS)
    edit(host)
    theirs = host.snapshot()
    with pytest.raises(HostError, match=r"resolv\.conf was changed by another program"):
        host.resolver.verify("production")
    with pytest.raises(HostError) as refused:
        host.resolver.apply("staging", "wg1", OTHERS)
    assert refused.value.code == "dns.changed"
    with pytest.raises(HostError) as error:
        host.resolver.revert("production")
    assert error.value.code == "dns.changed"
    assert host.snapshot() == theirs
    if original is a_file:
        kept = host.state / "resolv.conf.before"
        assert str(kept) in error.value.hint
        assert kept.read_text() == PLAIN
    if original is a_link:
        assert error.value.hint.endswith(f"ln -sf ../run/resolver/resolv.conf {host.file}")
    host.resolver.revert("production")  # it is Warren's no more
    host.resolver.apply("production", "wg0", SERVERS)
    host.resolver.revert("production")
    assert host.snapshot() == theirs


def test_every_network_hears_of_the_edit(host: Host) -> None:
    host.resolver.apply("production", "wg0", SERVERS)
    host.resolver.apply("staging", "wg1", OTHERS)
    edited(host)
    theirs = host.snapshot()
    assert codes(host.resolver.recover()) == ["dns.changed", "dns.changed"]
    assert host.snapshot() == theirs
    assert host.resolver.recover() == ()


def test_a_journal_that_cannot_be_read_is_named_and_nothing_is_touched(host: Host) -> None:
    host.resolver.apply("production", "wg0", SERVERS)
    (host.state / "dns.json").write_text("{}")
    before = host.snapshot()
    assert codes(host.resolver.recover()) == ["dns.journal_unusable"]
    with pytest.raises(HostError, match=r"dns\.json: the file is not a journal of Warren"):
        host.resolver.apply("staging", "wg1", OTHERS)
    assert host.snapshot() == before


# Killed

CALL = """
import sys
from ipaddress import ip_address
from itertools import count
from pathlib import Path
from warren.tunnel.io.dns import Resolver
root, method, *words = sys.argv[1:]
resolver = Resolver(Path(root) / "var/lib/warren/dns", Path(root))
if method == "apply":
    resolver.apply(words[0], words[1], [ip_address(word) for word in words[2:]])
else:
    assert not getattr(resolver, method)(*words)
"""


def call(host: Host, *words: str) -> list[str]:
    return python(CALL, str(host.root), *words)


APPLY, APPLY_ANOTHER = ["apply", "a", "wg0", "10.100.0.2"], ["apply", "b", "wg1", "10.100.0.3"]
REVERT, RECOVER = ["revert", "a"], ["recover"]


@pytest.mark.needs("strace")
@pytest.mark.parametrize(
    ("original", "networks", "words"),
    [
        (a_file, [], APPLY),
        (a_file, ["a"], APPLY_ANOTHER),
        (a_file, ["a"], REVERT),
        (a_file, ["a", "b"], REVERT),
        (a_file, ["a", "b"], RECOVER),
        (a_link, [], APPLY),
        (a_link, ["a"], REVERT),
        (nothing, [], APPLY),
        (nothing, ["a"], REVERT),
    ],
)
def test_killed_anywhere_it_comes_back(
    tmp_path: Path, original: Original, networks: list[str], words: list[str]
) -> None:
    before: dict[Path, Snapshot] = {}

    def prepare(place: Path) -> list[str]:
        host = Host(place)
        original(host)
        before[place] = host.snapshot()
        for network in networks:
            host.resolver.apply(network, f"wg-{network}", SERVERS)
        return call(host, *words)

    crashes = 0
    for kill, place in kills(tmp_path, prepare):
        crashes += 1
        host = Host(place)
        assert host.resolver.recover() == (), kill
        assert host.snapshot() == before[place], kill
        assert host.is_clean(), kill
    assert crashes > 5


@pytest.mark.needs("strace")
@pytest.mark.parametrize("original", ORIGINALS)
@pytest.mark.parametrize(
    ("networks", "words"),
    [([], APPLY), (["a"], APPLY_ANOTHER), (["a"], REVERT), (["a", "b"], REVERT), (["a", "b"], RECOVER)],
    ids=["apply", "apply-another", "revert", "revert-one", "recover"],
)
def test_after_a_power_cut_it_comes_back(
    tmp_path: Path, original: Original, networks: list[str], words: list[str]
) -> None:
    before: list[Snapshot] = []

    def prepare(place: Path) -> list[str]:
        host = Host(place)
        original(host)
        before.append(host.snapshot())
        for network in networks:
            host.resolver.apply(network, f"wg-{network}", SERVERS)
        return call(host, *words)

    cuts = 0
    for cut, place in power_cuts(tmp_path, prepare):
        cuts += 1
        host = Host(place)
        assert host.resolver.recover() == (), cut
        assert host.snapshot() == before[0], cut
        assert host.is_clean(), cut
    assert cuts > 10


# Where a rename is not possible

BOUND = """
touch "$1/etc/resolv.conf" && mount --bind "$2" "$1/etc/resolv.conf" || exit 9
shift 2
for command in "$@"; do sh -c "$command" || exit 8; done
"""


@pytest.mark.root
@pytest.mark.needs("unshare", "mount")
def test_a_mount_point_is_written_in_place(tmp_path: Path) -> None:
    """As in a container, where the file is the engine's."""
    host, source = Host(tmp_path / "host"), tmp_path / "resolv.conf"
    source.write_text(PLAIN)
    source.chmod(0o640)
    before = _as_it_is(source)

    def run(*calls: list[str]) -> str:
        commands = [f"{_quoted(each)}; cat {host.file}; echo =" for each in calls]
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", BOUND, "-", str(host.root), str(source), *commands],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    applied, reverted, _ = run(call(host, "apply", "a", "wg0", "10.100.0.2"), call(host, "revert", "a")).split("=\n")
    assert "nameserver 10.100.0.2\n" in applied
    assert reverted == PLAIN
    assert _as_it_is(source) == before
    run(call(host, "apply", "a", "wg0", "10.100.0.2"))
    source.write_bytes(source.read_bytes()[:20])  # killed within the write
    assert run(call(host, "recover")).split("=\n")[0] == PLAIN
    assert _as_it_is(source) == before
    assert host.is_clean()


def _quoted(command: list[str]) -> str:
    return " ".join("'" + word.replace("'", "'\\''") + "'" for word in command)


@pytest.mark.root
@pytest.mark.needs("unshare", "mount")
def test_a_read_only_host_refuses_and_keeps_what_it_has(tmp_path: Path) -> None:
    host = Host(tmp_path)
    a_file(host)
    before = host.snapshot()
    etc = host.file.parent
    script = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "-", str(etc), *call(host, "apply", "a", "wg0", "10.100.0.2")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.splitlines()[-1] == f"warren.errors.HostError: {host.file}: Read-only file system"
    assert host.snapshot() == before
    assert host.is_clean()


# Programs

RESOLVED = """
[ "$1" = dns ] && [ $# = 1 ] && exit 0
echo "$@" >> "${0%/*}/told"
"""


def told(host: Host) -> list[str]:
    file = host.root / "usr/bin/told"
    return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def resolved(tmp_path: Path) -> Host:
    """A host whose names go through resolved."""
    host = Host(tmp_path)
    host.file.write_text("nameserver 127.0.0.53\n")
    host.program("resolvectl", RESOLVED)
    return host


def test_resolved_is_told_and_the_file_left_alone(resolved: Host) -> None:
    before = resolved.snapshot()
    assert resolved.resolver.apply("production", "wg0", SERVERS) is DnsBackend.RESOLVECTL
    resolved.resolver.verify("production")
    resolved.resolver.revert("production")
    assert told(resolved) == ["dns wg0 10.100.0.2", "domain wg0 ~.", "revert wg0"]
    assert resolved.snapshot() == before
    assert resolved.is_clean()


def test_a_file_that_no_longer_leads_to_resolved_is_told(resolved: Host) -> None:
    resolved.resolver.apply("production", "wg0", SERVERS)
    resolved.file.write_text(PLAIN)
    with pytest.raises(HostError, match="lookups no longer use resolvectl") as error:
        resolved.resolver.verify("production")
    assert error.value.code == "dns.changed"
    resolved.file.write_text("nameserver 127.0.0.53\n")
    resolved.resolver.verify("production")


def test_behind_resolved_are_those_that_it_asks(resolved: Host) -> None:
    uplinks = resolved.root / "run/systemd/resolve/resolv.conf"
    uplinks.parent.mkdir(parents=True)
    uplinks.write_text("nameserver 192.0.2.53\n")
    resolved.resolver.apply("production", "wg0", SERVERS)
    uplinks.write_text("nameserver 10.100.0.2\nnameserver 192.0.2.53\n")
    assert resolved.resolver.host_servers() == (ip_address("192.0.2.53"),)


def test_after_a_kill_it_is_told_to_forget(resolved: Host) -> None:
    resolved.resolver.apply("production", "wg0", SERVERS)
    assert resolved.resolver.recover() == ()
    assert told(resolved)[-1] == "revert wg0"
    assert resolved.is_clean()


def test_one_that_does_not_answer_is_passed_over(resolved: Host) -> None:
    resolved.program("resolvectl", "exit 1")
    (resolved.root / "usr/bin/resolvconf").symlink_to("resolvectl")
    assert resolved.resolver.apply("production", "wg0", SERVERS) is DnsBackend.FILE
    assert resolved.servers() == ("10.100.0.2",)


def test_one_that_refuses_is_quoted_and_nothing_of_it_stays(resolved: Host) -> None:
    resolved.program("resolvectl", RESOLVED + '[ "$1" != domain ] || { echo "Link wg0 is loopback" >&2; exit 1; }')
    with pytest.raises(HostError, match=r"`resolvectl domain wg0 ~\.`: Link wg0 is loopback") as error:
        resolved.resolver.apply("production", "wg0", SERVERS)
    assert error.value.code == "dns.refused"
    assert told(resolved)[-1] == "revert wg0"
    assert resolved.is_clean()


@pytest.mark.parametrize("link_is_there", [True, False])
def test_a_refusal_to_forget_counts_while_the_link_is_there(resolved: Host, link_is_there: bool) -> None:
    resolved.resolver.apply("production", "wg0", SERVERS)
    resolved.program("resolvectl", "exit 1")
    if link_is_there:
        (resolved.root / "sys/class/net/wg0").mkdir(parents=True)
    assert codes(resolved.resolver.recover()) == (["dns.refused"] if link_is_there else [])
    assert resolved.is_clean() is not link_is_there


# The real resolvconf

ON_THE_HOST = """
import sys
from ipaddress import ip_address
from pathlib import Path
from warren.tunnel.io.dns import Resolver
resolver = Resolver(Path(sys.argv[1]))
if sys.argv[2] == "apply":
    print(resolver.apply("production", "wg0", [ip_address("10.100.0.2")]))
else:
    assert not getattr(resolver, sys.argv[2])(*sys.argv[3:])
"""
IN_ITS_OWN_ETC = """
mount -t tmpfs tmpfs /run && cp /etc/ld.so.cache "$1" && mount --bind "$1" /etc || exit 9
shift
for command in "$@"; do sh -c "$command" || exit 8; done
"""
FROM_DHCP = "printf 'nameserver 192.0.2.53\\nsearch example.org\\n' | resolvconf -a eth0.dhcp"


@pytest.mark.root
@pytest.mark.needs("unshare", "mount", "resolvconf")
@pytest.mark.parametrize("undo", [["revert", "production"], ["recover"]])
def test_resolvconf_is_told_and_forgets(tmp_path: Path, undo: list[str]) -> None:
    etc, state = tmp_path / "etc", tmp_path / "state"
    etc.mkdir()

    def run(*commands: str) -> str:
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", IN_ITS_OWN_ETC, "-", str(etc), *commands],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    show = "echo =; cat /etc/resolv.conf; echo ="
    apply, revert = (_quoted(python(ON_THE_HOST, str(state), *words)) for words in (["apply"], undo))
    _, before, way, applied, _, after, _ = run(FROM_DHCP, show, apply, show, revert, show).split("=\n")
    assert way == "resolvconf\n"
    assert "nameserver 192.0.2.53" in before
    assert [line for line in applied.splitlines() if line.startswith("nameserver")] == ["nameserver 10.100.0.2"]
    assert after == before
    assert list(state.iterdir()) == []


@pytest.mark.security
@pytest.mark.skipif(os.geteuid() != 0, reason="the file is given to root")
def test_what_a_journal_restores_is_root_s_and_no_program(tmp_path: Path) -> None:
    """Whatever a journal says, resolv.conf gets no setuid bit, no other owner and no writer but root."""
    host = Host(tmp_path)
    host.file.parent.mkdir(parents=True, exist_ok=True)
    host.file.write_text("# Warren's\n")
    original = FileState(Kind.FILE, b"nameserver 192.0.2.53\n", 0o6777, 12345, 54321)
    entry = Entry("home", "wg0", (ip_address("10.9.0.53"),), DnsBackend.FILE, "wg0")
    host.state.mkdir(parents=True)
    journal = Journal((entry,), original, (b"# Warren's\n",))
    (host.state / "dns.json").write_bytes(encode_journal(journal))
    assert host.resolver.recover() == ()
    status = host.file.stat()
    assert (host.file.read_bytes(), status.st_uid, status.st_gid) == (original.content, 0, 0)
    assert status.st_mode & 0o7777 == 0o644
