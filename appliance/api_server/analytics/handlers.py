"""What answers the rows about figures over time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appliance.api_server.analytics.sampler import Sampler
from appliance.api_server.answering import Call, Handler
from appliance.api_server.problems import NotFound
from appliance.management.analytics import summary
from appliance.management.analytics.measures import METRICS
from appliance.management.analytics.series import Key
from appliance.management.analytics.summary import Window


def handlers(sampler: Sampler) -> Mapping[str, Handler]:
    """By the row's name."""

    async def summarised(call: Call) -> Any:
        window = Window.of(sampler.now, call.arguments.seconds)
        return summary.summary(sampler.book, window, call.arguments.top) | {"remembering": sampler.stats()}

    async def series(call: Call) -> Any:
        wanted = call.arguments
        metric = METRICS.get(wanted.metric)
        if metric is None:
            raise NotFound(f"there is no metric {wanted.metric[:60]}", hint="/api/v1/analytics/metrics has them")
        window = Window.of(sampler.now, wanted.seconds)
        return {
            "metric": wanted.metric,
            "label": wanted.label,
            "kind": metric.kind.value,
            "unit": metric.unit,
            "from": window.begins,
            "to": window.ends,
            "points": summary.points(sampler.book, Key(wanted.metric, wanted.label), window, wanted.points),
        }

    async def metrics(call: Call) -> Any:
        found = [one for one in summary.names(sampler.book) if f"{one['metric']} {one['label']}" > call.arguments.after]
        items = found[: call.arguments.size]
        more = len(items) < len(found)
        return {"items": items, "next": f"{items[-1]['metric']} {items[-1]['label']}" if more else ""}

    async def anomalies(call: Call) -> Any:
        watch = sampler.watch
        over = watch.over()[: call.arguments.over]
        return {
            "now": [one._asdict() for one in watch.now()],
            "over": [one._asdict() for one in over],
            "held_back": watch.held_back,
            "unwatched": watch.unwatched,
        }

    return {
        "analytics.summary": summarised,
        "analytics.series": series,
        "analytics.metrics": metrics,
        "analytics.anomalies": anomalies,
    }
