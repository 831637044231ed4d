"""The store that a profile has a plugin keep, opened for `appliance store` as the API server opens it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final, TypeVar

from appliance.api.profile_management import Management
from appliance.api.stores import RewritableStore
from appliance.api_server.plugins.loading import load
from appliance.api_server.plugins.parts import PluginParts
from appliance.api_server.plugins.services import Joints
from appliance.cli.opening import open_profile, quietly_chosen
from appliance.errors import ApplianceError, HostError
from appliance.foundation import places
from appliance.profile.places import files_of
from appliance.runtime.management.secret_files import secret_of
from appliance.store.folder import Folder

ROOT: Final = Path("/")
Answer = TypeVar("Answer")
Acting = Callable[[], AbstractContextManager[Any]]


class StoreElsewhere(ApplianceError):
    """The store is kept by a plugin, such as in a database: that deed is for a file only."""


class Elsewhere:
    """Which store it is; nothing is opened before `use`."""

    def __init__(self, name: str, plugins: tuple[str, ...], node: str, management: Management) -> None:
        self.name = name
        self._plugins = plugins
        self._node = node
        self._management = management

    def use(self, deed: Callable[[RewritableStore], Awaitable[Answer]], acting: Acting) -> Answer:
        """What `deed` returns. All but reading secrets is done within `acting`. Raises ApplianceError."""
        kinds = load(self._plugins)
        link = _OnThisHost({each: secret_of(self._management, each) for each in _references(self._management.store)})

        async def used() -> Answer:
            joints = Joints(self._node, "", link, places.api_dir() / "plugins", {})
            parts = PluginParts(kinds, self._management, joints)
            try:
                store = await parts.store()
                assert store is not None
                return await deed(store)
            finally:
                await parts.close()

        with acting():
            return asyncio.run(used())

    def refused(self, what: str) -> StoreElsewhere:
        """That cannot be done here."""
        kind = load(self._plugins)["store"][self.name].kind
        hint = f"it is copied {kind.copies}; keep its key too, in another place"
        return StoreElsewhere(f"the store is not in a file, but in {self.name}: no {what}", hint=hint)


def of_profile(folder: Path) -> Elsewhere | None:
    """What the running node's profile says, else the system's. None: the store is in a file, or there is no such profile; or it
    cannot be read, and a file is there. Raises ProfileInvalid, OSError."""
    chosen = quietly_chosen(None)
    files, _ = files_of(places.profile_paths(chosen), ROOT)
    if not any(path.exists() for path in files):
        return None
    try:
        profile = open_profile(chosen).profile
    except (ApplianceError, OSError):
        if Folder(folder).main.exists():
            return None
        raise
    if profile.management is None or not profile.management.store:
        return None
    (name,) = profile.management.store
    return Elsewhere(name, profile.plugins, profile.name, profile.management)


class _OnThisHost:
    """What the daemon would do for the API server."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._secrets = secrets

    async def secret(self, reference: str) -> bytes:
        """Read before."""
        if reference not in self._secrets:
            raise HostError("the profile does not name that file", hint="name it below management.store")
        return self._secrets[reference].encode()

    async def tell_part(self, key: str, name: str, problem: str) -> None:
        """Nobody listens: what fails is raised."""


def _references(settings: Any) -> Iterator[str]:
    match settings:
        case str() if settings.startswith("file:"):
            yield settings
        case Mapping():
            for each in settings.values():
                yield from _references(each)
        case _:
            pass
