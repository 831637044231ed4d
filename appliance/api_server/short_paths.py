"""Answers the short paths from live state. They answer always: a node that does not is a node that is not well."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from starlette.responses import JSONResponse, Response

from appliance.api_server.answering import Call, Handler
from appliance.api_server.asking import Asking
from appliance.api_server.node_link import Settings
from appliance.api_server.plugins.services import PartState
from appliance.errors import ApplianceError, ExitCode
from appliance.management.operations.table import BY_NAME

ALIAS: Final = "Kyber1024-Dilithium5"
"""ML-KEM-1024 and ML-DSA-87, as they were called before FIPS 203 and 204."""
NO_DHT: Final = {"totalNodes": 0, "bucketsUsed": 0, "bootstrapNodes": 0}
SIGNALLING: Final = "signalling"
"""The server of a plugin that is told of as that."""
DHT: Final = "dht"
HASH_TABLE: Final = "dht.nodes"
"""The component, and the row that tells of it."""
HIDDEN: Final = {"nodes": [], "stats": {}, "warning": "to see it takes the permission knowledge.read"}
ABSENT: Final = {"status": "absent", "detail": "this node has none"}
ADVICE: Final = 3
"""Sentences of the advisor."""
ANSWERS_WITHIN: Final = 5.0
"""Seconds for the node, before it counts as one that does not answer."""


class ShortPaths:
    """`now` gives Unix seconds, `advice` what is out of the ordinary now, `signalling` how the
    server of that name is, None if there is none."""

    def __init__(
        self,
        asking: Asking,
        settings: Settings,
        storage_problem: Callable[[], Awaitable[str]],
        now: Callable[[], float],
        advice: Callable[[], Sequence[str]],
        signalling: Callable[[], PartState | None],
    ) -> None:
        self._asking = asking
        self._advice = advice
        self._signalling = signalling
        self._settings = settings
        self._storage_problem = storage_problem
        self._now = now

    def handlers(self) -> Mapping[str, Handler]:
        """By the row's name."""
        return {
            "short.peers": self.peers,
            "short.crypto": self.crypto,
            "short.dht": self.dht,
            "short.health": self.health,
        }

    async def peers(self, call: Call) -> Any:
        """All peers."""
        found, table = await asyncio.gather(self._ask("peers", call), self._hash_table(call))
        found, stats = found or [], _stats(table)
        return {
            "connected": sum(1 for peer in found if peer["connected"]),
            "total": len(found),
            "list": found,
            "signaling": _signalling_figures(self._signalling())
            | {"dhtNodes": stats["totalNodes"], "dhtBuckets": stats["bucketsUsed"]},
            "dht": stats,
        }

    async def crypto(self, call: Call) -> Any:
        """The cryptography; not initialized if the node cannot say."""
        found = await self._ask("crypto", call) or {}
        return {
            "initialized": bool(found.get("initialized")),
            "algorithm": ALIAS,
            "keyPairs": int(found.get("key_pairs", 0)),
            "kyberKeySize": int(found.get("kem_key_bytes", 0)),
            "dilithiumKeySize": int(found.get("signature_key_bytes", 0)),
            "mode": str(found.get("mode", "unknown")),
            "production": bool(found.get("production")),
        }

    async def dht(self, call: Call) -> Any:
        """Whom the node has in its hash table; nobody if it has none, or cannot say."""
        table = await self._ask(HASH_TABLE, call)
        return {"nodes": [] if table is None else table["nodes"], "stats": _stats(table)}

    async def health(self, call: Call) -> Response:
        """200 if all that there is is well, 503 if not."""
        figures, crypto, storage, table = await asyncio.gather(
            self._ask("metrics", call), self._ask("crypto", call), self._storage(), self._hash_table(call)
        )
        components = {
            "crypto": _crypto(crypto),
            "signaling": _signalling(self._signalling()),
            "dht": _dht(figures, table),
            "p2p": _p2p(figures),
            "storage": _well(storage),
            "ai": {"status": "ok", "detail": "; ".join(self._advice()[:ADVICE])},
        }
        well = all(component["status"] != "unwell" for component in components.values())
        document = {
            "status": "ok" if well else "unwell",
            "timestamp": int(self._now()),
            "uptime": 0 if figures is None else int(figures["uptime"] * 1000),
            "version": self._settings.version,
            "components": components,
        }
        return JSONResponse(document, 200 if well else 503)

    async def _storage(self) -> str:
        try:
            async with asyncio.timeout(ANSWERS_WITHIN):
                return await self._storage_problem()
        except TimeoutError:
            return "the store does not answer"

    async def _hash_table(self, call: Call) -> Any:
        """The node's; HIDDEN for who may not see it: what else there is he is told."""
        try:
            return await self._ask(HASH_TABLE, call)
        except ApplianceError:
            return HIDDEN

    async def _ask(self, name: str, call: Call) -> Any:
        """The node's answer; None if it gives none. Raises what it refuses this caller with."""
        try:
            async with asyncio.timeout(ANSWERS_WITHIN):
                return await self._asking.whole(BY_NAME[name], call.caller.on_behalf(call.id))
        except TimeoutError:
            return None
        except ApplianceError as error:
            if error.exit_code == ExitCode.PERMISSION:
                raise
            return None


def _crypto(found: Mapping[str, Any] | None) -> dict[str, str]:
    if found is None:
        return _well("the node does not answer")
    return _well("" if found["initialized"] else "; ".join(found["reasons"]))


def _signalling(found: PartState | None) -> dict[str, str]:
    if found is None:
        return ABSENT
    peers = _signalling_figures(found)["connectedPeers"]
    return _well(found.problem) if found.problem else {"status": "ok", "detail": f"{peers} peers"}


def _signalling_figures(found: PartState | None) -> dict[str, int]:
    """Nothing but numbers, whatever the plugin tells."""
    told = {} if found is None else found.figures

    def figure(name: str) -> int:
        value = told.get(name, 0)
        return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0

    here = figure("peers")
    return {"connections": figure("connections"), "peers": here + figure("held"), "connectedPeers": here}


def _p2p(figures: Mapping[str, Any] | None) -> dict[str, str]:
    if figures is None:
        return _well("the node does not answer")
    others = figures["components"].items()
    unwell = [f"{name}: {what}" for name, what in others if what != "ok" and name != DHT]
    return _well("; ".join(unwell) if figures["ready"] else "the node is not ready")


def _stats(table: Mapping[str, Any] | None) -> dict[str, int]:
    """Exactly the three figures."""
    return NO_DHT if table is None else {name: int(table["stats"].get(name, 0)) for name in NO_DHT}


def _dht(figures: Mapping[str, Any] | None, table: Mapping[str, Any] | None) -> dict[str, str]:
    """As the node's own health has it. That nobody answers is no illness: the first member of a network is alone."""
    if figures is None or DHT not in figures["components"]:
        return ABSENT
    problem: str = figures["components"][DHT]
    if problem != "ok" or table is None:
        return _well(problem if problem != "ok" else "the hash table does not answer")
    stats = _stats(table)
    found = f"{stats['totalNodes']} nodes in {stats['bucketsUsed']} buckets"
    return {"status": "ok", "detail": table["warning"] or found}


def _well(problem: str) -> dict[str, str]:
    return {"status": "unwell", "detail": problem} if problem else {"status": "ok", "detail": ""}
