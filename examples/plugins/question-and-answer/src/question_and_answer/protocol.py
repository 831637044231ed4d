"""The protocol: one kind of request, `fact`, whose answer is the body."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.api.peer_protocol import Answer, NotConnected, PeerProtocolServices, Refused, TimedOut, TooMuch

if TYPE_CHECKING:
    from question_and_answer.settings import Settings

AGAIN = 60.0
"""Seconds until a question that nobody answered is asked again."""


class QuestionAndAnswer:
    """Asks each peer once for each question; `answers` has what it was told, by peer and name."""

    def __init__(self, settings: Settings, services: PeerProtocolServices) -> None:
        self._settings = settings
        self._services = services
        self.answers: dict[str, dict[str, str]] = {}

    def on_connected(self, peer: str) -> None:
        """Ask what was not answered yet."""
        for name in self._settings.questions:
            if name not in self.answers.get(peer, {}):
                self._services.spawn(self._ask(peer, name), f"question to {peer}")

    def on_gone(self, peer: str) -> None:
        """What it told stays true."""

    def on_message(self, peer: str, kind: str, content: Mapping[str, Any], body: bytes) -> None:
        """There are only requests."""

    async def on_request(self, peer: str, kind: str, content: Mapping[str, Any], body: bytes) -> Answer | None:
        """Answer with a fact that we know."""
        del peer, body
        name = content.get("name")
        if kind != "fact" or not isinstance(name, str):
            return None
        fact = self._settings.facts.get(name)
        return None if fact is None else Answer(body=fact.encode())

    async def _ask(self, peer: str, name: str) -> None:
        while True:
            try:
                answer = await self._services.ask(peer, "fact", {"name": name})
            except (NotConnected, Refused):
                return  # it is asked again when it connects again
            except (TimedOut, TooMuch):
                await self._services.sleep(AGAIN * (1 + self._services.jitter()))
            else:
                self._note(peer, name, answer.body.decode(errors="replace"))
                return

    def _note(self, peer: str, name: str, fact: str) -> None:
        self.answers.setdefault(peer, {})[name] = fact
        if self._settings.notebook is None:
            return
        try:
            Path(self._settings.notebook).write_text(json.dumps(self.answers), encoding="utf-8")
        except OSError as error:
            self._services.report(f"the notebook cannot be written: {error}")
        else:
            self._services.report("")
