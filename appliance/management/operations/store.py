"""Rows about what the API server keeps."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from appliance.management.operations.row import AnsweredBy, Arguments, Result, Row, Verb


class Rotate(Arguments):
    """How values are sealed from now on."""

    cipher: Literal["hse", "aes-256-gcm", "chacha20-poly1305"] | None = Field(default=None, description="null: as before.")


class Rotated(Result):
    """All values are sealed under a new data key, and the earlier ones are gone."""

    data_key: int = Field(description="Its number.")
    cipher: str
    values: int = Field(description="So many were sealed again.")


ROWS: Final = (
    Row(
        "store.rotate",
        "seal all that is kept under a new data key",
        "Server",
        "store.manage",
        Verb.POST,
        "/store/rotate",
        Rotated,
        Rotate,
        answered_by=AnsweredBy.SERVER,
        about="Goes on while it is used, in pieces; done again if the API server ends meanwhile. With a large store it takes "
        "minutes. The last good copy is made anew; older backups keep their keys.",
    ),
)
