"""Users, roles and tokens of one API server, put together: its parts share a store, a clock and a source of randomness."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from appliance.api.stores import Change, Store
from appliance.api_server.iam.callers import Callers
from appliance.api_server.iam.federated import Federated
from appliance.api_server.iam.guard import Guard
from appliance.api_server.iam.hashing import HashingThreads
from appliance.api_server.iam.keyring import Keyring
from appliance.api_server.iam.people import People
from appliance.api_server.iam.programs import Programs
from appliance.api_server.iam.records import Records
from appliance.api_server.iam.registration import Registration
from appliance.api_server.iam.second_factor import SecondFactor
from appliance.api_server.iam.sessions import Sessions
from appliance.api_server.iam.tools import Note, Tools
from appliance.api_server.iam.waiting import WaitingLogIns
from appliance.management.iam.tokens import Realm


class Accounts:
    """All of them. Several API servers may do this with one store."""

    def __init__(
        self,
        store: Store,
        clock: Callable[[], float],
        entropy: Callable[[int], bytes],
        hasher: HashingThreads,
        *,
        realm: Realm,
        keep: Callable[[Note], Change],
        added: Mapping[str, Collection[str]] | None = None,
        breached: Callable[[str], bool] = lambda _: False,
        note: Callable[[Note], None] = lambda _: None,
    ) -> None:
        """`clock`: Unix seconds. `added`: roles of the profile. `breached`: is a password in a list of stolen ones? `note` and
        `keep`: see `Tools`."""
        self.tools = Tools(Records(store), clock, entropy, hasher, realm, added or {}, breached, note, keep)
        guard = Guard(self.tools)
        self.keyring = Keyring(self.tools)
        """Signing keys: `jwks`, `rotate`."""
        self.callers = Callers(self.tools, self.keyring)
        """Whose token is it: `authenticate`."""
        self.people = People(self.tools, self.callers, guard)
        self.sessions = Sessions(self.tools, self.keyring, self.callers, guard)
        self.registration = Registration(self.tools, self.people, guard)
        self.programs = Programs(self.tools, self.keyring, self.callers)
        self.second_factor = SecondFactor(self.tools, self.people)
        self.federated = Federated(self.tools, self.people)
        self.waiting = WaitingLogIns(self.tools, guard)

    def close(self) -> None:
        """End the hashing threads."""
        self.tools.hasher.close()
