"""The frame of every bench: privileges, a session of its own, progress."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TypeVar

import isolation
from failure import BenchError

T = TypeVar("T")


def prepare(gather: Callable[[], T]) -> T:
    """Build and return the contestants, then continue isolated in a session of its own.

    Exits the program with a message where nothing can be measured.
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
    """Print progress to standard error, apart from the report."""
    print(line, file=sys.stderr, flush=True)
