"""TCP flows over a long path: of the kernel, and of the crate `tcp` behind a TUN for each of them."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import flowgen
import tun
from cargo_program import build
from failure import BenchError
from flowgen import Direction
from host import until
from long_path import LongPath
from tunnel import INNER, MTU

MSS = MTU - 40
LOCAL_PORT = 5000
NEVER_SECONDS = 3600
EVERYTHING_BYTES = 1 << 40
ENDING_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Sender:
    """A TCP and its congestion control."""

    is_own: bool
    congestion: str

    def __str__(self) -> str:
        """Return the name in tables."""
        return f"{'tcp' if self.is_own else 'kernel'}, {self.congestion.upper()}"


OWN_BBR, OWN_CUBIC = Sender(is_own=True, congestion="bbr"), Sender(is_own=True, congestion="cubic")
KERNEL_BBR, KERNEL_CUBIC = Sender(is_own=False, congestion="bbr"), Sender(is_own=False, congestion="cubic")


@cache
def program() -> Path:
    """Return $WARREN_TCP_TUN, or the example of crate `tcp` that cargo builds."""
    named = os.environ.get("WARREN_TCP_TUN")
    return Path(named) if named else build("warren-tcp", "--example", "tun")


@contextmanager
def sending(path: LongPath, sender: Sender, flows: int) -> Iterator[list[str]]:
    """Have `near` send to the server as fast as it can, and yield the peers that the server counts for it."""
    others = path.server.counters().by_peer
    with ExitStack() as stack:
        if sender.is_own:
            for number in range(flows):
                words = {"zeros": EVERYTHING_BYTES, "seconds": NEVER_SECONDS, "congestion": sender.congestion}
                process = stack.enter_context(_own(path, number, Direction.UP, words))
                stack.callback(process.kill)
        else:
            client = flowgen.Client(path.near, path.target, sender.congestion, Direction.UP, flows)
            if stack.enter_context(client).opened < flows:
                raise BenchError("not all flows could be opened")
        new: list[str] = []

        def have_all_arrived() -> bool:
            new[:] = [peer for peer in path.server.counters().by_peer if peer not in others]
            return len(new) == flows

        until(have_all_arrived, f"{flows} flows of {sender} arrive")
        yield new


def received_bytes(path: LongPath, *, is_own: bool, seconds: int) -> int:
    """Return what a flow from the server brings to `near` in the first seconds of its life."""
    if not is_own:
        with flowgen.Client(path.near, path.target, "cubic", Direction.DOWN, 1) as client:
            time.sleep(seconds)
            return client.counters().total
    with _own(path, 0, Direction.DOWN, {"seconds": seconds, "after_peer": 1}) as process:
        out, _ = process.communicate(timeout=seconds + ENDING_SECONDS)
    received: int = json.loads(out)["received"]
    return received


@contextmanager
def _own(
    path: LongPath, number: int, direction: Direction, words: dict[str, object]
) -> Iterator[subprocess.Popen[str]]:
    first = path.directory / f"{direction.value}{number}"
    first.write_bytes(direction.name[0].encode())
    words = {"role": "connect", "local": f"10.8.{number}.2", "remote": INNER["far"], "send": first, **words}
    words |= {"local_port": LOCAL_PORT, "remote_port": flowgen.PORT, "mss": MSS}
    with tun.opened(path.near, f"tcp{number}", f"10.8.{number}.1/24", MTU) as descriptor:
        command = [str(program()), *(f"{key}={value}" for key, value in words.items())]
        with subprocess.Popen(command, stdin=descriptor, stdout=subprocess.PIPE, text=True) as process:
            yield process
