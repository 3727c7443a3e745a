"""The output of the demo: numbered stages, facts, and quoted output of programs."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

BOLD, DIM, GREEN, RED = "1", "2", "32", "31"


@dataclass(slots=True)
class Screen:
    """Standard output, with optional colour."""

    coloured: bool
    stages: int = 0

    @classmethod
    def of_terminal(cls) -> Screen:
        """Return a screen with colour on a terminal, unless NO_COLOR is set."""
        return cls(sys.stdout.isatty() and "NO_COLOR" not in os.environ)

    def title(self, text: str) -> None:
        """Print the title."""
        self._print(self._paint(BOLD, text))

    def stage(self, text: str) -> None:
        """Print the heading of the next stage."""
        self.stages += 1
        self._print("", self._paint(BOLD, f"{self.stages:2}  {text}"))

    def fact(self, text: str) -> None:
        """Print one line about what happened."""
        self._print(f"    {text}")

    def quote(self, text: str) -> None:
        """Print output of a program or lines of a file."""
        self._print(*(self._paint(DIM, f"    │ {line}".rstrip()) for line in text.strip("\n").splitlines()))

    def proven(self, text: str) -> None:
        """Print the summary of a successful run."""
        self._print("", self._paint(GREEN, f"✓ {text}"))

    def failed(self, text: str) -> None:
        """Print the failure that ended the run."""
        self._print("", self._paint(RED, f"✗ {text}"))

    def _paint(self, style: str, text: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self.coloured else text

    @staticmethod
    def _print(*lines: str) -> None:
        print(*lines, sep="\n", flush=True)
