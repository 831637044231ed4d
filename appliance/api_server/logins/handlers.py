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

    async def begin_device(call: Call) -> Any:
        return (await log_ins.begin_device(call.arguments.login, address_of(call.request)))._asdict()

    async def finish_device(call: Call) -> Any:
        asked = call.arguments
        return granted(await log_ins.finish_device(asked.device.get_secret_value(), asked.client, address_of(call.request)))

    return {
        "auth.logins": shown,
        "auth.exchange": exchange,
        "auth.begin_device": begin_device,
        "auth.finish_device": finish_device,
    }
