"""What operations and commands of plugins get from the core. A test says what that is."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

from appliance.api.events import Event
from appliance.api.management import ApiCall, ApplianceError, CliCommand, CliContext, Principal
from appliance.api.monitoring import NodeFigures
from appliance.api.node import NodePeer
from appliance.cli import parser
from appliance.cli.commands.command import CONFIG, JSON, Command
from appliance.cli.terminal import Terminal
from appliance.errors import NoDaemon
from appliance.testing.monitoring import FIGURES
from appliance.testing.services import FakeServices

ROOT = Principal("local", "root", 0, 0, 1)


class FakeRouteServices(FakeServices):
    """`RouteServices` of `appliance.api.management`. `known` are its peers; `tell` lets something happen."""

    name = "node"
    identity = "llp1:" + "a" * 52

    def __init__(self, known: Sequence[NodePeer] = (), *, section: Any = None) -> None:
        super().__init__(section=section)
        self.known = known
        self._subscribers: list[Callable[[Event], None]] = []

    def figures(self) -> NodeFigures:
        """Figures of a healthy node."""
        return FIGURES

    def peers(self) -> Sequence[NodePeer]:
        """As given."""
        return self.known

    def peer(self, name: str) -> NodePeer | None:
        """As given."""
        return next((peer for peer in self.known if peer.name == name), None)

    def subscribe(self, told: Callable[[Event], None]) -> Callable[[], None]:
        """Hear events until what is returned is called."""
        self._subscribers.append(told)
        return lambda: self._subscribers.remove(told)

    def tell(self, event: Event) -> None:
        """Let all subscribers hear it."""
        for told in list(self._subscribers):
            told(event)


def api_call(arguments: Any = None, *, principal: Principal = ROOT, services: FakeRouteServices | None = None) -> ApiCall:
    """A call as a handler gets it. `arguments` is an instance of the route's model."""
    return ApiCall(principal, arguments, services or FakeRouteServices())


class FakeDaemon:
    """`DaemonClient` of `appliance.api.management`, with answers by operation.

    The answer to a stream is the list of its items. An answer that is an ApplianceError is raised. `asked` collects the
    questions. To an operation without an answer it says that no daemon runs.
    """

    def __init__(self, answers: Mapping[str, Any] | None = None) -> None:
        self._answers = answers or {}
        self.asked: list[tuple[str, Mapping[str, Any]]] = []

    def call(self, operation: str, arguments: Mapping[str, Any] | None = None, *, seconds: float = 10.0) -> Any:
        """The answer as given."""
        del seconds
        return json.loads(json.dumps(self._answer(operation, arguments)))

    def stream(
        self, operation: str, arguments: Mapping[str, Any] | None = None
    ) -> AbstractContextManager[Generator[Any, None, None]]:
        """The items as given."""
        return closing(self._items(operation, arguments))

    def _items(self, operation: str, arguments: Mapping[str, Any] | None) -> Generator[Any, None, None]:
        yield from json.loads(json.dumps(self._answer(operation, arguments)))

    def _answer(self, operation: str, arguments: Mapping[str, Any] | None) -> Any:
        self.asked.append((operation, arguments or {}))
        if operation not in self._answers:
            raise NoDaemon("no appliance daemon runs here")
        answer = self._answers[operation]
        if isinstance(answer, ApplianceError):
            raise answer
        return answer


class Ran:
    """How a command ended: its exit `code`, and what it wrote."""

    def __init__(self, code: object, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err


def run_command(command: CliCommand, *words: str, daemon: FakeDaemon | None = None, profile: Path | None = None) -> Ran:
    """Run a command as if `words` had been typed behind it. Raises what it raises, and what is wrong with the words."""
    known = parser.parse(Command(command.name, "", command.summary, "", (*command.arguments, CONFIG, JSON)), list(words))
    out, err = io.StringIO(), io.StringIO()
    output = Terminal(json=known.json, out=out, err=err, environ={"NO_COLOR": "1"})
    arguments = {argument.name: getattr(known, argument.name) for argument in command.arguments}
    code = command.run(CliContext(arguments, (profile,) if profile else (), output, daemon or FakeDaemon()))
    return Ran(code, out.getvalue(), err.getvalue())
