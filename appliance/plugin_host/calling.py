"""One plugin's hooks behind a manager of its own, so that whatever goes wrong has a name.

pluggy calls all implementations of a hook in a row and ends at the first exception; a manager for each plugin keeps them apart.
"""

from __future__ import annotations

import difflib
import threading
import traceback
from collections.abc import Callable
from itertools import islice
from typing import Any

import pluggy

from appliance.api import hookspecs
from appliance.errors import PluginFault
from appliance.foundation.patience import Escaped, TookTooLong, limited

MAX_ITEMS = 1000
"""Results one hook may give; more is a generator that does not end."""
HINT = "disable the plugin or report this to its author"
HOOKS = tuple(name for name in vars(hookspecs) if name.startswith("appliance_"))


class LoadedPlugin:
    """An imported plugin. `oddities` are sentences about hooks that will never be called."""

    def __init__(self, name: str, namespace: object) -> None:
        """Raises PluginFault when a hook has arguments that do not exist."""
        self.name = name
        self.namespace = namespace
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        try:
            limited(lambda: self._manager.register(namespace, name))
        except Exception as error:
            hint = "see docs/plugins.md for each hook's arguments"
            raise PluginFault(name, f"its hooks do not fit: {_ends(error)}", hint=hint) from error
        self.oddities = tuple(self._odd(namespace))
        self.seconds: float | None = None
        """How long a hook may take; None: patience.SECONDS."""
        self._hanging: set[str] = set()

    def implements(self, hook: str) -> bool:
        """Does the plugin have this hook?"""
        return bool(getattr(self._manager.hook, hook).get_hookimpls())

    def call(self, hook: str, **arguments: object) -> Any:
        """The hook's result, None when the plugin does not have it or has nothing to say. Raises PluginFault."""
        return self._limited(hook, lambda: self._result(hook, arguments))

    def ask(self, hook: str, **arguments: object) -> Any:
        """The same without a limit in time, for a thread that may be left behind. Raises whatever the hook does."""
        return self._result(hook, arguments)

    def collect(self, hook: str, **arguments: object) -> list[Any]:
        """The items of a hook that returns an iterable. Raises PluginFault."""
        result = self.call(hook, **arguments)
        if result is None:
            return []
        if isinstance(result, str | bytes) or not hasattr(result, "__iter__"):
            raise PluginFault(self.name, f"{hook} returned {type(result).__name__}, wanted an iterable")
        items: list[Any] = self._limited(hook, lambda: list(islice(result, MAX_ITEMS + 1)))
        if len(items) > MAX_ITEMS:
            raise PluginFault(self.name, f"{hook} gave more than {MAX_ITEMS} items")
        return items

    def _limited(self, hook: str, deed: Callable[[], Any]) -> Any:
        if hook in self._hanging:
            raise PluginFault(self.name, f"{hook} hung and is not asked again", hint="mend or disable the plugin, then restart")
        # In another thread, as hooks of plans are called, nobody's event loop waits.
        seconds = self.seconds if threading.current_thread() is threading.main_thread() else None
        try:
            return limited(deed, seconds)
        except Exception as error:
            if isinstance(error, TookTooLong) and seconds is not None:  # each further time, too, would hold up the node
                self._hanging.add(hook)
            raise PluginFault(self.name, f"{hook} {describe(error)}", hint=HINT) from error

    def _result(self, hook: str, arguments: dict[str, object]) -> Any:
        result = getattr(self._manager.hook, hook)(**arguments)
        if isinstance(result, list) and not hookspecs_firstresult(hook):
            return result[0] if result else None
        return result

    def _odd(self, namespace: object) -> list[str]:
        callers = self._manager.get_hookcallers(namespace) or ()
        found = []
        for caller in callers:
            if not caller.has_spec():
                near = difflib.get_close_matches(caller.name, HOOKS, n=1)
                found.append(f"{caller.name} is no hook" + (f", did you mean {near[0]}?" if near else ""))
        unmarked = {name for name in HOOKS if callable(getattr(namespace, name, None))} - {caller.name for caller in callers}
        return found + [f"{name} has no @hookimpl and is never called" for name in HOOKS if name in unmarked]


def hookspecs_firstresult(hook: str) -> bool:
    """Does the hook stop at the first answer?"""
    options = getattr(getattr(hookspecs, hook), f"{hookspecs.PROJECT}_spec")
    return bool(options["firstresult"])


def describe(error: BaseException) -> str:
    """What was raised and where in the plugin, as the rest of a sentence."""
    if isinstance(error, TookTooLong):
        return str(error)
    if isinstance(error, Escaped):
        return describe(error.cause)
    while isinstance(error, BaseExceptionGroup):  # of a group of tasks: the first is why the others ended
        error = error.exceptions[0]
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({'/'.join(frames[-1].filename.rsplit('/', 2)[-2:])}:{frames[-1].lineno})" if frames else ""
    return f"raised {type(error).__name__}: {_first_line(error)}{where}"


def _ends(error: BaseException) -> str:
    """The first and the last line of an error of pluggy: they say which hook it was, and what is wrong with it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return ": ".join(dict.fromkeys((lines[0], lines[-1]))) if lines else type(error).__name__


def _first_line(error: BaseException) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), "no message")[:300]
