"""Plugins with one fault each: a new plugin of `appliance plugin new`, and what is changed in it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from appliance.plugin_host.scaffold import create


class Fault(NamedTuple):
    """`changes` are texts of a file and what takes their place. `part`, `test` and `reason` are what the command has to say."""

    name: str
    kind: str
    file: str
    changes: dict[str, str]
    part: str
    test: str
    reason: str
    lab: bool = False
    """Only two real nodes show it."""

    @property
    def plugin(self) -> str:
        return f"{self.kind}-{self.name}"

    def plant(self, folder: Path) -> None:
        """Write the plugin into `folder`."""
        create(self.name, self.kind, folder)
        path = folder / f"src/appliance_{self.kind}_{self.name}" / self.file
        text = path.read_text()
        for old, new in self.changes.items():
            assert old in text, f"the template of {self.kind} no longer has: {old}"
            text = text.replace(old, new, 1)
        path.write_text(text)


DOCSTRING = "from __future__ import annotations\n"
SEND = "        return self._send(self._buffers.transmit[: HEADER_BYTES + length])\n"
OPERATION = """
from appliance.api.management import ApiRoute


class Answer:
    pass


async def answer(call):
    return {"answer": Answer()}


@hookimpl
def appliance_api_routes():
    return (ApiRoute("mute.answer", "node.read", answer, "says nothing"),)
"""
WISHES = """
import itertools

from appliance.api.planning import Setting

KEY, ask = "net.ipv4.tcp_ecn", itertools.count()


@hookimpl
def appliance_observe():
    return (KEY,)


@hookimpl
def appliance_plan():
    return (Setting(KEY, str(next(ask))),)
"""
LIFESPAN = """
from contextlib import asynccontextmanager


@asynccontextmanager
async def beside(node):
    raise RuntimeError("out of bed")
    yield


@hookimpl
def appliance_lifespan(node):
    return beside(node)
"""

TAKES_ANY_TAG = """        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        size = len(data) - 16
        plain = Cipher(algorithms.AES(self._key), modes.CTR(bytes(nonce) + bytes([0, 0, 0, 2]))).decryptor()
        buf[:size] = plain.update(bytes(data[:size]))
        return size
"""
FORGETS = """        self.count = getattr(self, "count", 0) + 1
        if self.count % 7 == 0:
            return True
"""
READS = """        with open("/etc/hostname"):
            pass
"""

FAULTS = (
    Fault(
        "stuck",
        "routing",
        "plugin.py",
        {DOCSTRING: f"{DOCSTRING}\nimport threading\n\nthreading.Event().wait()\n"},
        "",
        "import",
        "did not end within 10 s (appliance_routing_stuck/plugin.py:7)",
    ),
    Fault(
        "sieve",
        "transport",
        "driver.py",
        {SEND: f"{FORGETS}{SEND}"},
        "transport sieve",
        "records in a row keep their borders",
        "record 7 of 60",
    ),
    Fault(
        "echo",
        "transport",
        "driver.py",
        {SEND: f"        self._send(self._buffers.transmit[: HEADER_BYTES + length])\n{SEND}"},
        "transport echo",
        "records in a row keep their borders",
        "came twice",
    ),
    Fault(
        "rust",
        "transport",
        "driver.py",
        {SEND: f"        if length > 1000:\n            self._buffers.transmit[HEADER_BYTES + 500] ^= 1\n{SEND}"},
        "transport rust",
        "long and short records mix",
        "arrived damaged",
    ),
    Fault(
        "deaf",
        "transport",
        "control.py",
        {"        self._services.exempt(sock)\n": ""},
        "transport deaf",
        "what is dialled and listened with stays out of the overlay",
        "call services.exempt(sock)",
    ),
    Fault(
        "naive",
        "crypto",
        "aead.py",
        {
            "        self._cipher = AESGCM(key)\n": "        self._cipher, self._key = AESGCM(key), key\n",
            "        return self._cipher.decrypt_into(nonce, data, associated_data, buf)\n": TAKES_ANY_TAG,
        },
        "suite naive",
        "a flipped bit is refused[tag]",
        "DID NOT RAISE",
    ),
    Fault(
        "same",
        "crypto",
        "aead.py",
        {"encrypt_into(nonce, data, associated_data, buf)": "encrypt_into(bytes(12), data, associated_data, buf)"},
        "suite same",
        "no two records are sealed alike",
        "are sealed with one key stream",
    ),
    Fault(
        "greedy",
        "routing",
        "plugin.py",
        {"for prefix in prefixes:": "for prefix in (each.supernet() if each.prefixlen else each for each in prefixes):"},
        "routing greedy",
        "it stays within the allowed prefixes",
        "is outside of what the peer may have",
    ),
    Fault(
        "restless",
        "discovery",
        "plugin.py",
        {"            await self._services.changed(": "            str("},
        "discovery restless",
        "it pauses between rounds",
        "never sleeps takes a whole core",
    ),
    Fault(
        "lenient",
        "discovery",
        "settings.py",
        {"class Settings(Section):": 'class Settings(Section, extra="allow"):'},
        "discovery lenient",
        "settings have a model that refuses what it does not know",
        "misspelt keys must not pass",
    ),
    Fault(
        "sleepy",
        "monitoring",
        "plugin.py",
        {"    server = await": "    import time\n\n    time.sleep(1.5)\n    server = await"},
        "monitor sleepy",
        "it starts shows and stops",
        "it keeps the event loop for more than 1 s, at ",
    ),
    Fault(
        "mute",
        "routing",
        "plugin.py",
        {"\n\nclass Router": f"\n{OPERATION}\n\nclass Router"},
        "operation mute.answer",
        "it answers or refuses",
        "it answers with what is no JSON: Object of type Answer",
    ),
    Fault(
        "fickle",
        "routing",
        "plugin.py",
        {"\n\nclass Router": f"\n{WISHES}\n\nclass Router"},
        "plan routing-fickle",
        "it wants the same each time",
        "the same arguments, and other wishes",
    ),
    Fault(
        "reader",
        "crypto",
        "aead.py",
        {"        return self._cipher.encrypt_into(": f"{READS}        return self._cipher.encrypt_into("},
        "suite reader",
        "two nodes in a lab",
        "plugin crypto-reader: ",
        lab=True,
    ),
    Fault(
        "tired",
        "routing",
        "plugin.py",
        {"\n\nclass Router": f"\n{LIFESPAN}\n\nclass Router"},
        "routing tired",
        "two nodes in a lab",
        "RuntimeError: out of bed",
        lab=True,
    ),
)
