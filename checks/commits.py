"""Commit subjects have the form `area: imperative verb ...` (CONTRIBUTING.md, "Commits").

Checked are the commits after `RULE_SINCE`. In a shallow clone that does not have that commit, nothing is checked.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RULE_SINCE = "1119be300aef2d0a01b241d2987a8982e34d6403"
SUBJECT = re.compile(r"(?:[a-z0-9_./+-]+(?:, )?)+: (?P<verb>[a-z]+(?:-[a-z]+)?)\b.*[^.]", re.ASCII)
# Verbs that end like another form of a verb, and are none.
IMPERATIVES = re.compile(
    "(?:ac|pro)cess|address|assess|bypass|bring|(?:com|ex|sup)?press|cross|discuss|embed|feed|focus|miss|need|pass|proceed|"
    "read|seed|shed|speed|string|toss"
)
NO_VERBS = re.compile(
    "an?|the|th(?:is|at|ese|ose)|it|one|two|not?|all|each|every|wh(?:at|ich|o|ose|en|ere|y)|how|as|at|by|for|from|in|of|on|to|"
    "with|are|were|be|new|more|less"
)


def main() -> int:
    """Print every subject that breaks the rule and return 1 if there is one."""
    found = list(violations(subjects(ROOT)))
    print(*found, sep="\n", end="\n" if found else "", file=sys.stderr)
    return 1 if found else 0


def subjects(root: Path) -> list[str]:
    """Return the subjects to check, the newest first; nothing in a shallow clone and in a tree without a repository."""
    if _git(root, "rev-parse", "--is-shallow-repository") != ["false"]:
        return []
    if not _git(root, "rev-parse", "--quiet", "--verify", f"{RULE_SINCE}^{{commit}}"):
        raise SystemExit(f"checks/commits.py: RULE_SINCE: no commit {RULE_SINCE} in this repository")
    return _git(root, "log", "--no-merges", "--format=%s", f"{RULE_SINCE}..HEAD")


def _git(root: Path, *arguments: str) -> list[str]:
    """Return the lines that git prints, or none if it fails."""
    command = ["git", *arguments]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.splitlines() if done.returncode == 0 else []


def violations(names: list[str]) -> Iterator[str]:
    """Yield `subject: problem` for each subject that is not `area: imperative verb ...`."""
    for subject in names:
        match = SUBJECT.fullmatch(subject)
        if match is None:
            yield f"{subject!r}: expected `area: imperative verb ...` without a full stop"
        elif not is_imperative(match["verb"]):
            yield f"{subject!r}: {match['verb']!r} is not an imperative verb"


def is_imperative(word: str) -> bool:
    """Return whether `word` may be an imperative: not an article, a pronoun, a participle or a third person."""
    if IMPERATIVES.fullmatch(word):
        return True
    return not NO_VERBS.fullmatch(word) and not word.endswith(("ed", "ing", "s"))


if __name__ == "__main__":
    sys.exit(main())
