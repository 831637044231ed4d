"""What callers of the control socket may ask the daemon for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.api.management import ApiRoute
from appliance.errors import ApplianceError, ExitCode
from appliance.runtime.control import Operation
from appliance.runtime.logging import get_logger
from appliance.runtime.status import health, status

if TYPE_CHECKING:
    from appliance.runtime.composition import Daemon

log = get_logger("control")

READ = "node.read"
CHANGE = "node.change"


class BadArguments(ApplianceError):
    """The arguments of an operation are not what it takes."""

    exit_code = ExitCode.INVALID


def operations(daemon: Daemon, routes: Mapping[str, ApiRoute]) -> dict[str, Operation]:
    """The core's operations, and those of plugins under their own names."""

    async def show_status(_args: Mapping[str, Any]) -> Any:
        return status(daemon)

    async def show_health(_args: Mapping[str, Any]) -> Any:
        return health(daemon)

    async def show_metrics(_args: Mapping[str, Any]) -> Any:
        figures = daemon.figures.figures()
        return figures._asdict() | {"sessions": [session._asdict() for session in figures.sessions]}

    async def show_plugins(_args: Mapping[str, Any]) -> Any:
        return daemon.plugins.report()

    async def reload(args: Mapping[str, Any]) -> Any:
        paths = args.get("paths")
        if paths is not None and not (isinstance(paths, list) and all(isinstance(path, str) for path in paths)):
            raise BadArguments("reload: paths is a list of file names")
        within = args.get("confirm_within")
        if within is not None and not (isinstance(within, int | float) and 0 < within <= 86400):
            raise BadArguments("reload: confirm_within is a number of seconds, up to a day")
        admin = args.get("admin")
        return await daemon.reload.reload(
            None if paths is None else [Path(path) for path in paths],
            confirm_within=within,
            admin=admin if isinstance(admin, str) else None,
        )

    async def confirm(args: Mapping[str, Any]) -> Any:
        if args.get("refused") is True:
            return {"accepted": daemon.trial.accept()}
        return await daemon.reload.confirm()

    async def rollback(_args: Mapping[str, Any]) -> Any:
        return await daemon.reload.rollback()

    async def stop(_args: Mapping[str, Any]) -> Any:
        daemon.stop("asked to by the control socket")
        return {"stopping": True}

    core = {
        "status": Operation(READ, show_status),
        "health": Operation(READ, show_health),
        "metrics": Operation(READ, show_metrics),
        "plugins": Operation(READ, show_plugins),
        "reload": Operation(CHANGE, reload),
        "confirm": Operation(CHANGE, confirm),
        "rollback": Operation(CHANGE, rollback),
        "stop": Operation(CHANGE, stop),
    }
    return {name: Operation(route.permission, _guarded(route)) for name, route in routes.items()} | core


def _guarded(route: ApiRoute) -> Callable[[Mapping[str, Any]], Awaitable[Any]]:
    async def call(args: Mapping[str, Any]) -> Any:
        try:
            return await route.handler(args)
        except ApplianceError:
            raise
        except Exception as error:
            log.exception("a plugin's operation failed", op=route.name)
            raise ApplianceError(
                f"{route.name} failed in its plugin: {type(error).__name__}", hint="look at the daemon's log"
            ) from error

    return call
