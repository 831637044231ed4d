"""Rows that the node answers: what its control socket has, as far as it fits into an answer of HTTP.

`NOT_HERE` names what does not, each with the reason, so that nothing is left out by forgetting it.
"""

from __future__ import annotations

from typing import Final

from appliance.management.operations import node_models as models
from appliance.management.operations.row import SELF, AnsweredBy, Page, Row, Verb

_NODE, _PEERS, _MEMBERS = "Node", "Peers", "Members"
_FRESH: Final = 0.25
"""Seconds: a dashboard open in fifty browsers costs the node four answers a second."""

ROWS: Final = (
    Row("status", "everything about the node at a glance", _NODE, "node.read", Verb.GET, "/status", models.Status, fresh=_FRESH),
    Row("health", "whether the node is well", _NODE, "node.read", Verb.GET, "/node/health", models.Health, fresh=_FRESH),
    Row("metrics", "the node's figures", _NODE, "node.read", Verb.GET, "/node/figures", models.Figures, fresh=_FRESH),
    Row("profile", "which files are in force", _NODE, "node.read", Verb.GET, "/node/profile", models.ProfileStatus),
    Row("crypto", "the node's cryptography", _NODE, "node.read", Verb.GET, "/node/crypto", models.Crypto, fresh=_FRESH),
    Row(
        "plugins", "plugins and how they are", _NODE, "node.read", Verb.GET, "/plugins", models.Plugins, Page, listed_by="name"
    ),
    Row(
        "operations", "operations that plugins bring", _NODE, "node.read", Verb.GET, "/plugins/operations",
        models.PluginOperations, Page, listed_by="name",
    ),
    Row(
        "operations.ask", "ask for an operation of a plugin", _NODE, SELF, Verb.POST, "/plugins/operations/{operation}",
        models.PluginAnswer, models.PluginQuestion, AnsweredBy.SERVER, fails=(404, 409), seconds=600.0,
        example={"operation": "mesh.routes", "arguments": {"peer": "laptop"}},
        about="It needs the permission that `operations` says.",
    ),
    Row(
        "operations.follow", "follow an operation of a plugin whose answer is a stream", _NODE, SELF, Verb.GET,
        "/plugins/operations/{operation}/stream", models.PluginItem, models.PluginFollow, AnsweredBy.SERVER, stream=True,
        fails=(404,), example={"operation": "mesh.changes"},
        about="Events `item`, and one `failed` if it ends with an error. Nothing is kept: who comes again begins anew.",
    ),
    Row(
        "plan", "what reloading the profile on disk would change", _NODE, "node.plan", Verb.GET, "/node/plan", models.Plan,
        fails=(409,), seconds=60.0,
    ),
    Row(
        "reload",
        "bring the profile on disk into force",
        _NODE,
        "node.change",
        Verb.POST,
        "/node/reload",
        models.Done,
        models.Reload,
        fails=(409,),
        seconds=120.0,
        example={"confirm_within": 60},
    ),
    Row(
        "confirm", "keep the profile on trial", _NODE, "node.change", Verb.POST, "/node/confirm", models.Done, models.Confirm,
        fails=(409,), seconds=60.0,
    ),
    Row(
        "rollback", "go back to the profile before", _NODE, "node.change", Verb.POST, "/node/rollback", models.Done,
        models.Rollback, fails=(409,), seconds=120.0,
    ),
    Row("stop", "end the node and undo what it did to the host", _NODE, "node.change", Verb.POST, "/node/stop", models.Done),
    Row(
        "peers",
        "peers and the paths to them",
        _PEERS,
        "node.read",
        Verb.GET,
        "/peers",
        models.Peers,
        Page,
        listed_by="name",
        fresh=_FRESH,
    ),
    Row(
        "discovered", "where peers may be", _PEERS, "node.read", Verb.GET, "/discovered", models.Places, Page, listed_by="peer"
    ),
    Row(
        "lookup", "who is called so", _PEERS, "node.read", Verb.GET, "/names/{name}", models.Named, models.NameAsked,
        fails=(404,), example={"name": "laptop"},
    ),
    Row(
        "services", "services that nodes offer", _PEERS, "node.read", Verb.GET, "/services", models.Services,
        models.ServicesAsked, listed_by="service",
    ),
    Row("netcheck", "the kind of NAT and what is blocked", _PEERS, "node.read", Verb.GET, "/netcheck", models.Done, seconds=60.0),
    Row(
        "invitations", "invitations to the network", _MEMBERS, "node.read", Verb.GET, "/invitations", models.Invitations
    ),
    Row(
        "invite", "invite a member", _MEMBERS, "enrolment.invite", Verb.POST, "/invitations", models.Invited, models.Invite,
        success=201, fails=(409,), example={"name": "laptop", "ttl": 3600},
    ),
    Row(
        "revoke_invitation", "take an invitation back", _MEMBERS, "enrolment.invite", Verb.DELETE, "/invitations/{which}",
        models.Done, models.Which, fails=(404,), example={"which": "laptop"},
    ),
    Row(
        "debug_profile", "where the node's processes spend their time", _NODE, "node.debug", Verb.POST, "/node/debug/profile",
        models.Profiled, models.ProfileRun, fails=(409,), seconds=90.0, example={"seconds": 5},
        about="Looks so many times a second where the program is: names of functions, never values.",
    ),
    Row(
        "debug_memory", "what the node's control process holds", _NODE, "node.debug", Verb.GET, "/node/debug/memory",
        models.Held, fails=(409,), seconds=30.0,
    ),
)  # fmt: skip

NOT_HERE: Final = {
    "connect": "its answer is a descriptor",
    "serve": "its items bring descriptors",
    "service_health": "it is told by the program that serves",
    "statements": "a parcel of signed bytes, for `appliance network`",
    "audit_add": "the API server's own",
    "api_settings": "the API server's own",
    "api_failed": "the API server's own",
    "api_ready": "the API server's own",
    "api_alive": "the API server's own",
    "api_tls_files": "the API server's own",
    "api_certificate": "the API server's own",
    "api_secret": "the API server's own",
    "api_part": "the API server's own",
    "api_spans": "the API server's own",
    "api_tracing": "the API server's own",
    "api_tracing_headers": "the API server's own",
    "api_letter": "the API server's own",
    "api_letters": "the API server's own",
    "api_provide": "the API server's own",
    "subscribe": "the API server follows it for its users, see /api/v1/topics/stream",
    "events": "the API server follows it and tells it to all, see /api/v1/events",
}
"""Operations of the control socket that have no row."""
