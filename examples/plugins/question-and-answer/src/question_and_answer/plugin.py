"""What the appliance loads: data and callables; the rest is imported when the protocol is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from appliance.api.hookspecs import hookimpl
from appliance.api.peer_protocol import Limits, PeerProtocolKind, PeerProtocolServices

if TYPE_CHECKING:
    from question_and_answer.protocol import QuestionAndAnswer


def _settings() -> type[Any]:
    from question_and_answer.settings import Settings

    return Settings


def _open(settings: Any, services: PeerProtocolServices) -> QuestionAndAnswer:
    from question_and_answer.protocol import QuestionAndAnswer

    return QuestionAndAnswer(settings, services)


KIND = PeerProtocolKind("question-and-answer", _settings, _open, limits=Limits(messages=20, bytes=65536))
SETTINGS = {"facts": {"moon": "full"}, "questions": ["moon", "tide"]}
conformance: dict[str, dict[str, Any]] = {KIND.name: {"kinds": ("fact",), "settings": SETTINGS}}


@hookimpl
def appliance_peer_protocols() -> tuple[PeerProtocolKind, ...]:
    """What a profile turns on with `protocols: {question-and-answer: {}}`."""
    return (KIND,)
