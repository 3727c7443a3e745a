"""What the demonstration looks like: numbered stages, facts under them, programs' own words set apart."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

BOLD, DIM, GREEN, RED = "1", "2", "32", "31"


@dataclass(slots=True)
class Screen:
    """Standard output, in colour where that is wanted."""

    coloured: bool
    stages: int = 0

    @classmethod
    def of_terminal(cls) -> Screen:
        """Colour only on a terminal, and not where NO_COLOR is set."""
        return cls(sys.stdout.isatty() and "NO_COLOR" not in os.environ)

    def title(self, text: str) -> None:
        """The head of it all."""
        self._print(self._paint(BOLD, text))

    def stage(self, text: str) -> None:
        """The head of the next stage."""
        self.stages += 1
        self._print("", self._paint(BOLD, f"{self.stages:2}  {text}"))

    def fact(self, text: str) -> None:
        """One line of what happened."""
        self._print(f"    {text}")

    def quote(self, text: str) -> None:
        """What a program said, as it said it."""
        self._print(*(self._paint(DIM, f"    │ {line}".rstrip()) for line in text.strip("\n").splitlines()))

    def proven(self, text: str) -> None:
        """The last line, if all went well."""
        self._print("", self._paint(GREEN, f"✓ {text}"))

    def failed(self, text: str) -> None:
        """The last line, if not."""
        self._print("", self._paint(RED, f"✗ {text}"))

    def _paint(self, style: str, text: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self.coloured else text

    @staticmethod
    def _print(*lines: str) -> None:
        print(*lines, sep="\n", flush=True)
