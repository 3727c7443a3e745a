"""Dispatch requests of the control socket to the actions that subsystems have registered (H-30 to H-37).

1. A request is rejected before its action runs if no action has its name, if it has a `config` that the action does not
   take, or if its client lacks the permission (H-40). Rejected requests are counted.
2. A request for an action that changes something is logged before the action runs, with the client as the kernel
   reports it. So is its rejection or failure.
3. Whatever goes wrong is the response: an exception in one action ends neither the agent nor another client.
"""

from __future__ import annotations

import logging

from warren.errors import InputError, WarrenError, redact, redacted_repr
from warren.local_client import Client
from warren.localapi.action import Action, Stream
from warren.localapi.messages import ErrorType, Failure, Request, Response, failure_of
from warren.localapi.permissions import PermissionTable

MAX_NAME_CHARACTERS = 64  # of an unknown action, as the error repeats it: every real name is shorter

log = logging.getLogger(__name__)


class RejectionCounter:
    """Count the requests that were rejected before an action ran: malformed, unknown, or without permission."""

    def __init__(self) -> None:
        self._count = 0

    def __int__(self) -> int:
        return self._count

    def increment(self) -> None:
        """Count one more rejected request."""
        self._count += 1


class ActionRouter:
    """Route each request to its action."""

    def __init__(self, table: PermissionTable, rejections: RejectionCounter) -> None:
        self._table = table
        self._actions = table.actions
        self._rejections = rejections

    async def respond(self, request: Request, client: Client, now: float) -> Response:
        """Run the action that a client requests, and return its response. Never raises.

        `now` is in seconds since the Unix epoch.
        """
        try:
            action = self._permitted_action(request, client)
        except WarrenError as error:
            return self._reject(request, client, error)
        fields = _log_fields(request, client)
        if action.event is not None:
            log.info(action.event, extra=fields)
        try:
            result = await action.run(request, client, now)
        except WarrenError as error:
            failure = failure_of(error)
            log.log(_level(action), "request.failed", extra=fields | _failure_fields(failure))
        except Exception:  # a defect in one action ends neither the tunnels nor the other clients
            log.exception("request.crashed", extra=fields)
            failure = Failure(ErrorType.INTERNAL, "internal error; see the agent log")
        else:
            if isinstance(result, Stream):
                return Response(request.id, result.data, result.descriptor)
            return Response(request.id, result)
        return Response(request.id, failure)

    def interim_response(self, request: Request) -> Response | None:
        """Return the response to a request whose action was accepted and still runs, or None if it has none yet."""
        action = self._actions.get(request.action)
        data = None if action is None else action.interim_data(request)
        return None if data is None else Response(request.id, data)

    def count_malformed(self) -> None:
        """Count input that was rejected before there was a request to route."""
        self._rejections.increment()

    def _permitted_action(self, request: Request, client: Client) -> Action:
        """Return the action of a request. Raises InputError, HostError."""
        action = self._actions.get(request.action)
        if action is None:
            name, known = redacted_repr(request.action, MAX_NAME_CHARACTERS), ", ".join(self._actions)
            raise InputError(f"action: unknown action {name}; expected one of {known}", code="request.malformed")
        if request.config is not None and not action.takes_config:
            names = " or ".join(sorted(each.name for each in self._actions.values() if each.takes_config))
            problem = f"config: {action.name} takes no config; expected it only with {names}"
            raise InputError(problem, code="request.malformed")
        self._table.verify(client, action.name)
        return action

    def _reject(self, request: Request, client: Client, error: WarrenError) -> Response:
        self._rejections.increment()
        failure, action = failure_of(error), self._actions.get(request.action)
        fields = _log_fields(request, client) | _failure_fields(failure)
        log.log(_level(action), "request.rejected", extra=fields)
        return Response(request.id, failure)


def _level(action: Action | None) -> int:
    """Return WARNING for an action that changes something: its failure is for the administrator, too."""
    return logging.WARNING if action is not None and action.event is not None else logging.DEBUG


def _log_fields(request: Request, client: Client) -> dict[str, object]:
    return {
        "action": redact(request.action),
        "network": redact(request.network),
        "uid": client.uid,
        "gid": client.gid,
        "pid": client.pid,
    }


def _failure_fields(failure: Failure) -> dict[str, object]:
    return {"type": failure.type.value, "problem": failure.message}
