"""What a plugin sees of the running node: who it is, its figures, and what happens to its sessions."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from appliance.errors import PluginFault
from appliance.runtime.plugins.account import Part

if TYPE_CHECKING:
    from appliance.api.events import PathChanged, SessionClosed, SessionOpened
    from appliance.api.monitoring import NodeFigures
    from appliance.runtime.figures import Figures
    from appliance.runtime.node.driver import NodeDriver, Subscriber
    from appliance.runtime.plugins.calls import PluginCalls


class NodeView:
    """Handed to `appliance_lifespan` of `plugin`."""

    def __init__(self, name: str, identity: str, figures: Figures, driver: NodeDriver, calls: PluginCalls, plugin: str) -> None:
        self.name = name
        self.identity = identity
        self._figures = figures
        self._driver = driver
        self._calls = calls
        self._part = Part("subscriber", plugin, "subscriber")

    def figures(self) -> NodeFigures:
        """The figures now."""
        return self._figures.figures()

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Call `subscriber(event)` for each SessionOpened, SessionClosed and PathChanged; it must return at once.

        Returns what ends the subscription. One that holds up the node is called no more."""

        def told(event: SessionOpened | SessionClosed | PathChanged) -> None:
            with suppress(PluginFault):  # it is on the plugin's account
                self._calls.call(self._part, lambda: subscriber(event))
            if self._calls.hangs(self._part):
                end()

        def end() -> None:
            with suppress(ValueError):
                self._driver.subscribers.remove(told)

        self._driver.subscribers.append(told)
        return end
