"""A host of a lab whose connection is a shell of this machine: it takes a command line as ssh does."""

from __future__ import annotations

from pathlib import Path

from appliance.lab.machines.remote import RemoteMachine


class Near(RemoteMachine):
    """`connection` is what a command line is put behind."""

    def __init__(self, folder: Path, *connection: str, name: str = "near") -> None:
        super().__init__(name, folder, folder / "there")
        self._connection = connection or ("sh", "-c")

    def ssh(self) -> list[str]:
        """The connection."""
        return list(self._connection)

    def create(self) -> None:
        """It is there."""

    def remove(self) -> list[str]:
        """It stays."""
        return []
