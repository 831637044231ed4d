"""What libyaml reads in an ordinary text: of PyYAML only the events, never its values (which are YAML 1.1's)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

try:
    from yaml import YAMLError
    from yaml.cyaml import CParser
    from yaml.events import NodeEvent, ScalarEvent
except ImportError:  # no PyYAML, or one that was built without libyaml
    CParser = None

_UNUSUAL = re.compile("[^\n -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]|^%", re.MULTILINE)


class Unusual(Exception):
    """This text is not for libyaml."""


def quick_events(text: str) -> Iterator[Any]:
    """What stands in the text. Raises Unusual at what libyaml refuses or might read differently than ruamel.yaml."""
    if CParser is None or _UNUSUAL.search(text):
        raise Unusual
    parser = CParser(text)
    try:
        while (event := parser.get_event()) is not None:
            if isinstance(event, NodeEvent) and _is_unusual(event):
                raise Unusual
            yield event
    except YAMLError:
        raise Unusual from None


def _is_unusual(event: NodeEvent) -> bool:
    """Anchors, aliases, tags, and text after | or >: the two parsers differ about them in corners."""
    if event.anchor is not None or getattr(event, "tag", None) is not None:
        return True
    return isinstance(event, ScalarEvent) and event.style in {"|", ">"}
