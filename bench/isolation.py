"""The bench in a session of its own, which the scheduler serves before all others.

It tells our processes from foreign ones, and keeps a busy neighbour from halving a figure (measured: 2.6 Gb/s without,
5.8 with it). All that a bench starts is in the one session, so that its programs compete with each other as usual.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

AUTOGROUP = Path("/proc/self/autogroup")
FIRST = -20
ENDING = (signal.SIGINT, signal.SIGTERM)
PR_SET_PDEATHSIG = 1


def enter() -> None:
    """Goes on in a child that leads the new session, ends with it, and hands it Ctrl-C."""
    child = os.fork()
    if child:
        _stand_by(child)
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    for number in ENDING:
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    if AUTOGROUP.exists():
        AUTOGROUP.write_text(str(FIRST))
    else:
        os.setpriority(os.PRIO_PROCESS, 0, FIRST)


def _stand_by(child: int) -> None:
    for number in ENDING:
        signal.signal(number, lambda number, _: os.kill(child, number))
    _, status = os.waitpid(child, 0)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
