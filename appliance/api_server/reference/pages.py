"""Swagger UI at /docs/ and ReDoc at /redoc/, from this folder. As the dashboard's, their files need no token: they are the same
for everybody.

Two of them are large, and most nodes are never asked for them. They are opened when the process starts, since later its user may
not be able to read this folder, and read in pieces when somebody wants them.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

FOLDER: Final = Path(__file__).parent
PAGES: Final = {"/docs/": "swagger.html", "/redoc/": "redoc.html"}
STYLES: Final = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' 'sha256-QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc='"
"""The two style elements that ReDoc makes: an empty one, which it fills by script, and that of its bar for scrolling."""
CONTENT_SECURITY_POLICY: Final = (
    f"default-src 'none'; script-src 'self'; style-src 'self' {STYLES}; connect-src 'self'; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""CSP Level 3, as strict as the dashboard's: no scripts but these files, no styles but theirs, and nothing from elsewhere."""
PIECE: Final = 64 * 1024
"""Bytes that are read and sent at a time, so a slow reader costs no more than that."""
_TYPES: Final = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}

_NEVER: Final = re.compile(r"q=0(\.0{0,3})?")


class File(NamedTuple):
    """One file, open."""

    descriptor: int
    kind: str
    """Its type of media."""
    length: int
    """Bytes on disk."""
    packed: bool
    """By gzip (RFC 1952), as most readers take it."""
    tag: str
    """Changes with the content."""


def _opened() -> Iterator[tuple[str, File]]:
    known: Mapping[str, Any] = json.loads((FOLDER / "sources.json").read_bytes())["files"]
    for path in sorted(FOLDER.iterdir()):
        name = path.name.removesuffix(".gz")
        if kind := _TYPES.get(Path(name).suffix):
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            told = os.fstat(descriptor)
            digest = known[name]["sha256"] if name in known else hashlib.sha256(os.pread(descriptor, told.st_size, 0)).hexdigest()
            yield name, File(descriptor, kind, told.st_size, path.name != name, digest[:32])


FILES: Final = dict(_opened())
"""By the names that pages call them."""


def routes() -> list[BaseRoute]:
    """Of both pages."""
    return [route for page in PAGES for route in (Route(page.rstrip("/"), _to_page), Route(page + "{name:path}", _file))]


async def _to_page(request: Request) -> Response:
    return RedirectResponse(request.url.path + "/", 307)


async def _file(request: Request) -> Response:
    name = request.path_params["name"]
    found = FILES.get(name or PAGES[request.url.path])
    if found is None or (not name) != found.kind.startswith("text/html"):
        raise HTTPException(404)
    fields = {"cache-control": "no-cache", "content-security-policy": CONTENT_SECURITY_POLICY, "vary": "accept-encoding"}
    packed = found.packed and _takes_gzip(request)
    fields["etag"] = f'"{found.tag}{"-gzip" if packed else ""}"'
    if fields["etag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=fields)
    if packed or not found.packed:
        fields["content-length"] = str(found.length)
    if packed:
        fields["content-encoding"] = "gzip"
    return StreamingResponse(_content(found, unpack=found.packed and not packed), headers=fields, media_type=found.kind)


def _takes_gzip(request: Request) -> bool:
    """RFC 9110, section 12.5.3, as browsers write it."""
    offered = (each.partition(";") for each in request.headers.get("accept-encoding", "").lower().split(","))
    return any(name.strip() in {"gzip", "*"} and not _NEVER.fullmatch(weight.strip()) for name, _, weight in offered)


async def _content(file: File, *, unpack: bool) -> AsyncIterator[bytes]:
    """Whoever sends these waits until there is room for more."""
    unpacking = zlib.decompressobj(zlib.MAX_WBITS | 16)
    for offset in range(0, file.length, PIECE):
        piece = os.pread(file.descriptor, PIECE, offset)
        if not unpack:
            yield piece
            continue
        while piece:
            yield unpacking.decompress(piece, PIECE)
            piece = unpacking.unconsumed_tail
    if unpack:
        yield unpacking.flush()
