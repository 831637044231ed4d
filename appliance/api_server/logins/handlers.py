"""Carries out the rows of log-ins by somebody else."""

from __future__ import annotations

from typing import Any

from appliance.api_server.answering import Call, Handler
from appliance.api_server.iam.handlers import address_of, granted
from appliance.api_server.logins.browser import secret_of
from appliance.api_server.logins.log_ins import LogIns


def handlers(log_ins: LogIns) -> dict[str, Handler]:
    """By the rows' names."""

    async def shown(_call: Call) -> Any:
        return {"items": log_ins.shown()}

    async def exchange(call: Call) -> Any:
        asked = call.arguments
        code, browser = asked.code.get_secret_value(), secret_of(call.request)
        return granted(await log_ins.exchange(code, browser, asked.client, address_of(call.request)))

    return {"auth.logins": shown, "auth.exchange": exchange}
