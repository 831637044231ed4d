"""What plugins see of the running node: who it is, its figures, and what happens to its sessions."""

from __future__ import annotations

from collections.abc import Callable

from appliance.api.monitoring import NodeFigures
from appliance.runtime.figures import Figures
from appliance.runtime.node_driver import NodeDriver, Subscriber


class NodeView:
    """Handed to `appliance_lifespan`."""

    def __init__(self, name: str, identity: str, figures: Figures, driver: NodeDriver) -> None:
        self.name = name
        self.identity = identity
        self._figures = figures
        self._driver = driver

    def figures(self) -> NodeFigures:
        """The figures now."""
        return self._figures.figures()

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Call `subscriber(event)` for each SessionOpened, SessionClosed and PathChanged; it must return at once.

        Returns what ends the subscription."""
        self._driver.subscribers.append(subscriber)
        return lambda: self._driver.subscribers.remove(subscriber)
