"""What all benches do round their measuring: rights, a session of their own, progress."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TypeVar

import isolation
from failure import BenchError

T = TypeVar("T")


def prepare(gather: Callable[[], T]) -> T:
    """Gathers who takes part, building what is not built yet, and goes on isolated. Ends the program with a sentence if
    there is no measuring here.
    """
    if os.geteuid() != 0:
        sys.exit("network namespaces and TUNs need root: run this as root")
    tell("building what is not built yet, which takes minutes the first time")
    try:
        gathered = gather()
    except BenchError as error:
        sys.exit(str(error))
    isolation.enter()
    return gathered


def tell(line: str) -> None:
    """Progress, apart from the report."""
    print(line, file=sys.stderr, flush=True)
