"""Spans in OpenTelemetry's words, sent by OTLP over HTTP. The only file that imports OpenTelemetry: the extra `otel`."""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import charset_normalizer  # noqa: F401  requests loads it late, when this process may not read it any more
import idna  # noqa: F401
import requests
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags
from requests.structures import CaseInsensitiveDict

from appliance.management.tracing.span import Kind, Process, Span

PATH: Final = "/v1/traces"
"""OTLP specification, "OTLP/HTTP Request"."""
MOST_ANSWER: Final = 16 << 10
"""Bytes of an answer that are read, and thrown away."""
SECONDS: Final = 5.0
"""How long a batch may take, all attempts together."""
_KINDS: Final = {Kind.INTERNAL: SpanKind.INTERNAL, Kind.SERVER: SpanKind.SERVER, Kind.CLIENT: SpanKind.CLIENT}
_SERVICES: Final = {Process.NODE: "appliance-node", Process.API: "appliance-api"}
_VARIABLES: Final = "OTEL_"


class OtlpCollector:
    """A collector at that address. `headers` are secrets. `about`: attributes of the resource."""

    def __init__(self, url: str, headers: Mapping[str, str], authorities: str | None, about: Mapping[str, str]) -> None:
        for name in [name for name in os.environ if name.startswith(_VARIABLES)]:
            del os.environ[name]  # the profile alone says where spans go, and with which token
        if authorities is not None:
            Path(authorities).read_bytes()
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # it says each failure again and again
        self._session = _Session()
        self.use_headers(headers)
        self._exporter = OTLPSpanExporter(
            endpoint=url.rstrip("/").removesuffix(PATH) + PATH,
            certificate_file=authorities or _of_this_host(),
            timeout=SECONDS,
            compression=Compression.Gzip,
            session=self._session,
        )
        self._resources = {process: Resource({"service.name": name, **about}) for process, name in _SERVICES.items()}
        self._scope = InstrumentationScope("appliance", about.get("service.version", ""))

    def use_headers(self, headers: Mapping[str, str]) -> None:
        """Send these from now on."""
        self._session.headers = CaseInsensitiveDict(headers)

    def send(self, spans: Sequence[Span]) -> str:
        """Returns "" if they were taken, else why not."""
        self._session.why = ""
        if self._exporter.export([self._readable(span) for span in spans]) is SpanExportResult.SUCCESS:
            return self._session.why  # the exporter takes a redirection for success, and follows none
        return self._session.why or "it does not take them"

    def hurry(self) -> None:
        """Wait for no further attempt."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]

    def _readable(self, span: Span) -> ReadableSpan:
        began = int(span.began * 1e9)
        error = {"error.type": span.error} if span.error else {}
        return ReadableSpan(
            name=span.name,
            context=_context(span.trace, span.span, remote=False),
            parent=_context(span.trace, span.parent, remote=span.kind is Kind.SERVER) if span.parent else None,
            resource=self._resources[span.process],
            attributes={**span.attributes, **error},
            kind=_KINDS[span.kind],
            status=Status(StatusCode.ERROR) if span.error else Status(),
            start_time=began,
            end_time=began + int(span.seconds * 1e9),
            instrumentation_scope=self._scope,
        )


class _Session(requests.Session):
    """Remembers why a request failed. Neither proxies nor passwords come from the environment."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.why = ""

    def request(self, *args: Any, **more: Any) -> requests.Response:
        """As ever."""
        try:
            more["stream"] = True
            response = super().request(*args, **more)
            with response:
                response.raw.read(MOST_ANSWER)  # which lets the connection be used again, if that was all
        except requests.Timeout:
            self.why = "it does not answer in time"
            raise
        except requests.exceptions.SSLError:
            self.why = "its certificate is not vouched for"
            raise
        except requests.RequestException:
            self.why = "it cannot be reached"
            raise
        self.why = "" if 200 <= response.status_code < 300 else f"it answers {response.status_code}"
        return response


def _of_this_host() -> str | None:
    """A file or a folder of authorities; None: those that the library brings."""
    paths = ssl.get_default_verify_paths()
    return paths.cafile or paths.capath


def _context(trace: str, span: str, *, remote: bool) -> SpanContext:
    return SpanContext(int(trace, 16), int(span, 16), is_remote=remote, trace_flags=TraceFlags(TraceFlags.SAMPLED))
