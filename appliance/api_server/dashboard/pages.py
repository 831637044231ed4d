"""The dashboard's files, as answers. Whoever asks for one needs no token: they are the same for everybody, and public."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

PATH: Final = "/dashboard/"
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""CSP Level 3. Nothing runs but our own files, whatever a name of a peer or a message of a review contains."""
_TYPES: Final = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
FILES: Final = {
    each.name: (each.read_bytes(), kind)
    for each in files(__package__).iterdir()
    for suffix, kind in _TYPES.items()
    if each.name.endswith(suffix)
}
"""Read once, at import: later this process may not be able to read the folder of the interpreter."""


def routes() -> list[BaseRoute]:
    """Of the dashboard."""
    return [Route("/", _to_dashboard), Route("/dashboard", _to_dashboard), Route(PATH + "{name:path}", _file)]


async def _to_dashboard(_request: Request) -> Response:
    return RedirectResponse(PATH, 307)


async def _file(request: Request) -> Response:
    found = FILES.get(request.path_params["name"] or "index.html")
    if found is None:
        raise HTTPException(404)
    content, kind = found
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    fields = {"cache-control": "no-cache", "etag": tag, "content-security-policy": CONTENT_SECURITY_POLICY}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=fields)
    return Response(content, headers=fields, media_type=kind)
