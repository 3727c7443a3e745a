"""The language of the tree: standard terms in names, texts and documents (CONTRIBUTING.md, "Language").

The public surface has no exceptions: names of modules and public definitions, log events, conditions, error codes,
help, error texts, documents, units and wire vectors. Docstrings, comments and private names are checked in every Python
module that is not in `checks/unswept.txt`. That list may only shrink: a module that passes, or that is gone, must leave
it, and `UNSWEPT_LIMIT` is its length.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from checks.contents import listed
from checks.vocabulary import HEADING_OPENINGS, OPENINGS, banned_in_name, banned_phrases, banned_words

ROOT = Path(__file__).resolve().parent.parent
UNSWEPT = "checks/unswept.txt"
UNSWEPT_LIMIT = 38
PYTHON = ("src/", "demo/", "bench/", "checks/", "packaging/")
TEXTS = (".md", ".service", ".socket", ".conf", ".json", ".toml", ".txt")
VOCABULARY = {"checks/vocabulary.py", "rust/Cargo.lock"}
"""Files that name the banned words, or that are generated from others' names."""
HISTORY = "CHANGELOG.md"
RUFF = "D200,D205,D212,D300,D400,D401,D403,D404,D415"
CODE = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*\.[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
LOG_METHODS = {"debug", "info", "warning", "error", "exception", "critical", "log"}


@dataclass(frozen=True, slots=True, order=True)
class Violation:
    """A place that breaks a rule."""

    path: str
    line: int
    problem: str

    def __str__(self) -> str:
        """Return `path:line: problem`."""
        return f"{self.path}:{self.line}: {self.problem}"


def main() -> int:
    """Print every violation and return 1 if there is one. With `--write`, make the list of unswept modules anew."""
    if "--write" in sys.argv[1:]:
        failing = sorted({violation.path for violation in swept_violations(ROOT)})
        (ROOT / UNSWEPT).write_text("".join(f"{path}\n" for path in failing))
    found = sorted(violations(ROOT))
    print(*found, sep="\n", end="\n" if found else "", file=sys.stderr)
    return 1 if found else 0


def violations(root: Path) -> Iterator[Violation]:
    """Yield the violations of the whole tree."""
    unswept = (root / UNSWEPT).read_text().split()
    for path in listed(root):
        if path in VOCABULARY or not (root / path).is_file():
            continue
        if path.endswith(".py") and path.startswith(PYTHON):
            yield from public_violations(path, (root / path).read_text())
        elif path.endswith(TEXTS) and path != HISTORY:
            yield from document_violations(path, (root / path).read_text())
    failing = {}
    for violation in swept_violations(root):
        if violation.path in unswept:
            failing[violation.path] = violation
        else:
            yield violation
    for path in unswept:
        if path not in failing:
            yield Violation(UNSWEPT, unswept.index(path) + 1, f"{path} passes or is gone: remove the line")
    if len(unswept) > UNSWEPT_LIMIT:
        yield Violation(UNSWEPT, 1, f"{len(unswept)} modules; the list may only shrink below {UNSWEPT_LIMIT}")


def public_violations(path: str, text: str) -> Iterator[Violation]:
    """Yield what a user or another program would see in a Python module."""
    for word, term in banned_in_name(path):
        yield Violation(path, 1, f"{word!r} in the module's name; the standard term: {term}")
    tree = ast.parse(text)
    docstrings = {id(node) for node in _docstrings(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            for word, term in banned_in_name(node.name):
                yield Violation(path, node.lineno, f"{word!r} in the name {node.name}; the standard term: {term}")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            for word, term in banned_phrases(node.value):
                yield Violation(path, node.lineno, f"{word!r} in a text; the standard term: {term}")
        elif isinstance(node, ast.Call):
            yield from _code_violations(path, node)


def _code_violations(path: str, call: ast.Call) -> Iterator[Violation]:
    """Yield log events that are not `noun.verb_past`, conditions and error codes that are not `noun.state`."""
    literals = [(keyword.value, "error code") for keyword in call.keywords if keyword.arg == "code"]
    function = call.func
    if isinstance(function, ast.Attribute) and function.attr in LOG_METHODS:
        if isinstance(function.value, ast.Name) and function.value.id == "log":
            literals += [(argument, "log event") for argument in call.args[:2]]
    elif isinstance(function, ast.Name) and function.id == "Condition":
        literals += [(argument, "condition") for argument in call.args[:1]]
    for node, kind in literals:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and not CODE.fullmatch(node.value):
            yield Violation(path, node.lineno, f"{kind} {node.value!r} is not of the form noun.state or noun.verb_past")


def document_violations(path: str, text: str) -> Iterator[Violation]:
    """Yield banned words in a document, and headings that are fragments."""
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        fenced ^= line.lstrip().startswith("```")
        for word, term in banned_words(line):
            yield Violation(path, number, f"{word!r}; the standard term: {term}")
        heading = re.match(r"#+ (?:\d+\W+)?(.+)", line) if path.endswith(".md") and not fenced else None
        if heading and HEADING_OPENINGS.match(heading.group(1)):
            yield Violation(path, number, f"the heading {heading.group(1)!r} names neither a task nor a thing")


def swept_violations(root: Path) -> Iterator[Violation]:
    """Yield what a swept Python module may not hold: banned words, and docstrings that are fragments."""
    names = [
        path
        for path in listed(root)
        if path.endswith(".py") and path.startswith(PYTHON) and path not in VOCABULARY and (root / path).is_file()
    ]
    for path in names:
        text = (root / path).read_text()
        for number, line in enumerate(text.splitlines(), 1):
            for word, term in (*banned_words(line), *banned_words(line.replace("_", " "))):
                yield Violation(path, number, f"{word!r}; the standard term: {term}")
        for node in _docstrings(ast.parse(text)):
            if OPENINGS.match(str(node.value)):
                first = str(node.value).split("\n", 1)[0]
                yield Violation(path, node.lineno, f"docstring is a fragment: {first!r}")
    yield from _ruff(root)


def _ruff(root: Path) -> Iterator[Violation]:
    command = ["ruff", "check", "--isolated", "--select", RUFF, "--exit-zero", "--output-format", "json", *PYTHON]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    for entry in json.loads(done.stdout):
        path = Path(entry["filename"]).resolve().relative_to(root.resolve()).as_posix()
        yield Violation(path, entry["location"]["row"], f"{entry['code']}: {entry['message']}")


def _docstrings(tree: ast.AST) -> Iterator[ast.Constant]:
    """Yield the docstrings of a module, its classes and functions, and the strings that document a name above them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value


if __name__ == "__main__":
    sys.exit(main())
