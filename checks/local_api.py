"""Render the reference of the local API from the rows of `Action` and `Route` in the sources, wherever they stand.

The description of an action is the docstring of its method: a text, then the lines `Config: ...` and `Response: ...`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from warren.localapi.messages import PROTOCOL_VERSION, ErrorType

MEMBERS = ("Config", "Response")
ERROR_MEANINGS = {
    ErrorType.PARSE: "The request is malformed, or its action is unknown or takes no `config`.",
    ErrorType.SERIALIZATION: "The response cannot be represented in JSON.",
    ErrorType.STATE: "The network or the agent is in a state that does not allow the action.",
    ErrorType.NETWORK: "No network has that name.",
    ErrorType.CONFIG: "The configuration, or the `config` of the request, is invalid.",
    ErrorType.PLATFORM: "The host or a program on it refused.",
    ErrorType.INTERNAL: "The agent has a defect; its log has the details.",
    ErrorType.AUTHENTICATION: "The kernel does not report who the client is.",
    ErrorType.PERMISSION: "The client is not in the required group, or names a key file that is not allowed.",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One construction of `Action` or `Route`: its positional arguments, its keywords, and the method's docstring."""

    names: tuple[str, ...]
    keywords: Mapping[str, object]
    description: str

    def member(self, name: str) -> str:
        """Return the text after `name:` in the docstring, empty if there is none."""
        lines = (line.strip() for line in self.description.splitlines())
        return next((line.partition(": ")[2] for line in lines if line.startswith(f"{name}: ")), "")

    @property
    def text(self) -> str:
        """Return the docstring without its members, as one line."""
        lines = (line.strip() for line in self.description.splitlines())
        return " ".join(line for line in lines if line and line.partition(":")[0] not in MEMBERS)


def rows(kind: str, root: Path) -> Iterator[Row]:
    """Yield the rows of one kind, `Action` or `Route`, in the order of files and lines."""
    for path in sorted(root.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                yield from _rows_of_class(kind, node)


def _rows_of_class(kind: str, node: ast.ClassDef) -> Iterator[Row]:
    methods = {
        each.name: ast.get_docstring(each) or ""
        for each in node.body
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == kind:
            names = tuple(str(each.value) for each in call.args if isinstance(each, ast.Constant))
            keywords = {
                str(each.arg): each.value.value for each in call.keywords if isinstance(each.value, ast.Constant)
            }
            (method,) = (each.attr for each in call.args if isinstance(each, ast.Attribute))
            yield Row(names, keywords, methods[method])


def action_cells(row: Row) -> Sequence[str]:
    """Return the cells of an action: name, required group, config, response data, event, description."""
    (name,) = row.names
    event = row.keywords.get("event")
    return (
        f"`{name}`",
        "`warren-read`" if row.keywords.get("read_only") else "`warren-admin`",
        row.member("Config"),
        row.member("Response"),
        f"`{event}`" if event else "",
        row.text,
    )


def route_cells(row: Row) -> Sequence[str]:
    """Return the cells of a route: method, path, the action whose permission it requires, description."""
    method, path = row.names
    action = row.keywords.get("action")
    return f"`{method}`", f"`{path}`", f"`{action}`" if action else "public", row.text


def error_cells() -> list[Sequence[str]]:
    """Return the cells of each type of error that a response can name."""
    return [(f"`{kind.value}`", ERROR_MEANINGS[kind]) for kind in ErrorType]


def introduction() -> str:
    """Return what holds for all actions."""
    return (
        'A request on the control socket is `{"id", "action", "network", "config"}`; only `action` is required, and\n'
        '`network` is `default` unless it is given. A response is `{"id", "success": true, "data"}` or\n'
        '`{"id", "success": false, "error": {"type", "message"}}` on one line.\n'
        f"The protocol version is {PROTOCOL_VERSION}; the action `info` reports it. It increases when an action or a\n"
        "member changes its meaning or goes away. Unknown actions and members are rejected.\n"
        "Rejected requests are counted in `info` and in the metric `warren_control_requests_rejected_total`.\n"
        "Members of `warren-admin` may request every action, members of `warren-read` only theirs.\n"
    )
