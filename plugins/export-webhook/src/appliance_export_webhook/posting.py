"""One request over HTTP by the standard library, which blocks: for a thread."""

from __future__ import annotations

import ssl
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final
from urllib.parse import urlsplit

from appliance.api.management import Refused

SECONDS: Final = 15.0
"""For the connection, and for each wait for the other side."""
MOST_SAID: Final = 200
"""Characters of an answer that an admin may see."""


def post(url: str, body: bytes, headers: dict[str, str], trust: ssl.SSLContext | None) -> None:
    """Returns on an answer of 2xx. Redirects are not followed: what is signed goes where the admin said. Raises Refused."""
    told = urlsplit(url)
    assert told.hostname is not None
    connection: HTTPConnection
    if told.scheme == "https":
        connection = HTTPSConnection(told.hostname, told.port, timeout=SECONDS, context=trust)
    else:
        connection = HTTPConnection(told.hostname, told.port, timeout=SECONDS)
    try:
        connection.request("POST", f"{told.path or '/'}{'?' + told.query if told.query else ''}", body, headers)
        answer = connection.getresponse()
        status, said = answer.status, answer.read(MOST_SAID)
    except (OSError, HTTPException) as error:
        raise Refused(f"the webhook cannot be reached: {str(error) or type(error).__name__}", hint="it is tried again") from error
    finally:
        connection.close()
    if not 200 <= status < 300:
        text = said.decode("ascii", "replace").strip()
        raise Refused(
            f"the webhook answered {status}" + (f": {text}" if text.isprintable() and text else ""), hint="it is tried again"
        )
