"""The agent's user fills every directory of its own, and waits for root to run a command.

Every command of the program is run here as root: one without a recipe fails the test, so that a future one is covered.
"""

from __future__ import annotations

import importlib
import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import click
import pytest

from tests.cli.program import WARREN
from tests.faults import choose_seed, is_soak
from tests.netns.deadline import until
from tests.netns.host import IN_NAMESPACES, Host
from tests.trust.parties import BUNDLE, ROOT
from warren.cli.program_names import SECTIONS_OF_PROGRAM, commands_of
from warren.clock import wall_seconds
from warren.trust.bundle_verify import sign_bundle

from .hostile_state import ALWAYS, SECRET, VARIANTS, HostileHost
from .inotify import Watch

pytestmark = [
    *IN_NAMESPACES,
    pytest.mark.security,
    pytest.mark.needs("prlimit"),
    pytest.mark.skipif(os.geteuid() != 0, reason="the commands are root's"),
]
MEMORY = 4 << 30

STATE = ("--root", "{root}")
RECIPES: dict[str, tuple[tuple[str, ...], ...]] = {
    "up": (("{own}/wg0.conf",),),
    "down": (("wg0",),),
    "status": (STATE,),
    "list": (STATE,),
    "peers": (STATE,),
    "connect": (STATE,),
    "disconnect": (STATE,),
    "rotate-keys": (STATE,),
    "genkey": (("-o", "{own}/key"),),
    "pubkey": ((),),
    "genpsk": ((),),
    "agent start": (STATE, (*STATE, "--user", "root")),
    "agent stop": (STATE,),
    "agent reload": (STATE,),
    "config show": (STATE,),
    "config import": (("{own}/wg0.conf", "-o", "{own}/imported.toml", "--keys", "{own}"),),
    "config export": ((*STATE, "default"),),
    "validate": (STATE,),
    "helper": (STATE,),
    "runner": (STATE,),
    "command begin-record": (STATE,),
    "command challenge": (STATE,),
    "command sign": (
        ("get_system_health", "--operator", "{own}/a", "--dispatch", "{own}/d", "--challenge", "{own}/c"),
    ),
    "command submit": ((*STATE, "{own}/envelope"),),
    "command run": ((*STATE, "get_system_health", "--operator", "{own}/a", "--dispatch", "{own}/d"),),
    "command cancel": ((*STATE, "c-1"),),
    "verbs": ((),),
    "openvpn init": (("{own}/openvpn",),),
    "openvpn verify": (("{own}/openvpn", "{own}/credentials"),),
    "trust init": (("{own}/office",),),
    "trust key": (("{own}/next.jwks",),),
    "trust sign": (("{own}/trust.toml",),),
    "trust cosign": (("{own}/trust.jws", "--key", "{own}/next.jwks"),),
    "trust show": (STATE,),
    "trust install": ((*STATE, "{own}/trust.jws", "--pin", "{pin}"),),
    "operator new": (("bob", "-o", "{own}/bob.jwks"),),
    "operator list": (STATE,),
    "identity init": ((*STATE, "--id", "gateway-001"),),
    "identity show": (STATE,),
    "audit verify": (STATE,),
    "audit show": (STATE,),
    "audit head": (STATE,),
    "info": (STATE,),
    "curl": ((*STATE, "http://10.0.0.5/"),),
    "nc": ((*STATE, "10.0.0.5", "22"),),
    "capture": ((*STATE, "{own}/network.pcapng"),),
    "doctor": (STATE,),
    "recover": (STATE,),
}
"""How each command is called, once or several times: `{own}` is a directory of root's alone."""
IN_STATE = frozenset(
    (
        *("agent start", "helper", "runner", "command begin-record", "recover", "validate", "config show"),
        *("identity init", "identity show", "trust show", "trust install", "operator list"),
        *("audit verify", "audit show", "audit head"),
    )
)
"""Those that open files of the state directory: they meet each kind of entry in each place."""
SERVERS = ("agent start", "helper", "runner")


def leaves(program: str) -> Iterator[str]:
    """Yield the words of each command of a program that has none below it."""
    for name, place in commands_of(program).items():
        module, _, attribute = place.partition(":")
        yield from _below(getattr(importlib.import_module(module), attribute), name)


def _below(command: click.Command, words: str) -> Iterator[str]:
    if not isinstance(command, click.Group):
        yield words
        return
    for name in command.list_commands(click.Context(command)):
        below = command.get_command(click.Context(command), name)
        assert below is not None
        yield from _below(below, f"{words} {name}")


def test_every_command_of_every_program_name_has_a_recipe() -> None:
    found = {words.removeprefix("agent ") for program in SECTIONS_OF_PROGRAM for words in leaves(program)}
    assert found - {"version"} == {words.removeprefix("agent ") for words in RECIPES}, "add the recipe of the command"


def variants(words: str, *, whole: bool) -> tuple[tuple[str, bool], ...]:
    """Return the kinds of entries that a command meets: all of them in a soak, else those of `ALWAYS` and a sample."""
    sample = VARIANTS[int(choose_seed()) % len(VARIANTS)]
    if words not in IN_STATE:
        return (sample,) if whole else ()
    if is_soak():
        return (*ALWAYS, *VARIANTS)
    return (*ALWAYS, sample) if whole else (sample,)


CASES = [
    pytest.param(
        words, arguments, *variant, whole, id=f"{words}{' as root' * index}: {variant[0]} {variant[1]} {whole}"
    )
    for words, calls in RECIPES.items()
    for index, arguments in enumerate(calls)
    for whole in (True, False)
    for variant in variants(words, whole=whole)
]


@pytest.mark.parametrize(("words", "arguments", "kind", "locks", "whole"), CASES)
def test_root_meets_a_hostile_state_directory(  # noqa: PLR0913, PLR0917, what a case is made of
    words: str,
    arguments: Sequence[str],
    kind: str,
    locks: bool,
    whole: bool,
    own: Path,
    tmp_path: Path,
) -> None:
    root = tmp_path / "host"
    hostile = HostileHost(root, kind, locks=locks, whole=whole)
    victim = hostile.victim
    command = [*words.split(), *(each.format(root=root, own=own, pin=ROOT.public.kid) for each in arguments)]
    with Host("node", tmp_path) as host, Watch(victim.secret, victim.directory, victim.place) as watch:
        said = run(host, command, serves=words in SERVERS)
        assert watch.events() == [], "something of root's was opened or changed by a link"
    assert "Traceback" not in said, said
    assert SECRET not in said
    assert hostile.fingerprint() == hostile.before
    assert hostile.made_by_root_where_others_write() == []
    assert hostile.with_setuid_of_root() == []


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Return a directory of root's alone, with what the commands are given."""
    for path in (tmp_path.parent, tmp_path):
        path.chmod(0o711)  # the agent becomes another user
    own = tmp_path / "own"
    own.mkdir(mode=0o700)
    (own / "wg0.conf").write_text("[Interface]\nPrivateKey = " + "A" * 43 + "=\n")
    now = int(wall_seconds())
    (own / "trust.jws").write_text(sign_bundle(replace(BUNDLE, issued=now, expires=now + 3600), ROOT))
    return own


def run(host: Host, command: Sequence[str], *, serves: bool) -> str:
    """Run a command to its end, or until it serves; return what it wrote."""
    limited = ("prlimit", f"--as={MEMORY}", "--", *WARREN, *command)
    if not serves:
        done = host.attempt(*limited)
        assert done.returncode >= 0, f"ended by signal {-done.returncode}"
        return done.stdout + done.stderr
    process = host.start(*limited)
    until(lambda: process.poll() is not None or "agent.ready" in host.log() or _listens(host), "it ends or serves")
    if process.poll() is None:
        _terminate(host)
        process.wait(60)
    return host.log()


def _listens(host: Host) -> bool:
    sockets = Path(f"/proc/{host.pid}/net/unix").read_bytes()
    return b"helper.sock" in sockets or b"runner.sock" in sockets


def _terminate(host: Host) -> None:
    for entry in host.path("/proc").glob("[0-9]*"):
        words = (entry / "cmdline").read_bytes().split(b"\0")
        if b"warren.cli.main" in words:
            host.kill(int(entry.name), signal.SIGTERM.name.removeprefix("SIG"))
