"""What operations of the node take and answer. Its answers are told as they are; a test holds them against these models."""

from __future__ import annotations

from typing import Any

from pydantic import Field, JsonValue

from appliance.management.operations.row import Arguments, Page, Result, Secret

# ---- health and figures ----


class Health(Result):
    """How the node is, in short."""

    ok: bool = Field(description="Nothing is wrong with any part.")
    ready: bool = Field(description="The node has started, and has not begun to stop.")
    problems: dict[str, str] = Field(description="Parts that are not well, each with a sentence.")


class Session(Result):
    """A session with a peer."""

    peer: str
    session: str = Field(description="A UUID.")
    state: str = Field(description="handshaking, active, disconnecting or closed.")
    suite: str = Field(description="The record protection.")
    pq: bool = Field(description="The key exchange was post-quantum.")
    transport: str
    endpoint: str = Field(description="Where the peer is.")
    rx_bytes: int = Field(description="Bytes of inner packets received.")
    tx_bytes: int = Field(description="Bytes of inner packets sent.")
    rx_packets: int
    tx_packets: int
    rtt_ms: float | None = Field(description="Smoothed round-trip time in milliseconds; null until it was measured.")
    age_s: float = Field(description="Seconds since it became active.")
    idle_s: float = Field(description="Seconds since the last authentic packet.")
    epoch: int = Field(description="How often the key for sending was changed.")


class StatusPeer(Result):
    """A peer, as the status has it."""

    name: str
    identity: str
    state: str = Field(description="connected, connecting or idle.")
    endpoints: list[str]
    last_error: str | None
    allowed: list[str] = Field(description="Prefixes behind it.")
    origin: str = Field(description="profile, member or discovery.")


class Interface(Result):
    """The overlay's device, by the kernel's word."""

    name: str
    there: bool
    up: bool | None
    mtu: int | None
    addresses: list[str]
    differs: dict[str, Any] | None = Field(description="What the profile says instead, where it does.")


class Worker(Result):
    """The processes that move packets."""

    pid: int = Field(description="The first of `pids`; 0 when there is none.")
    pids: list[int]
    offloads: list[str]
    restarts: int


class ProfileStatus(Result):
    """Which files are in force, and which the next start reads."""

    in_force: list[str]
    paths: list[str] = Field(description="Those that the node was started with; empty for the system's profile.")
    next: list[str]
    lasts: bool = Field(description="Are these the same files?")
    refused: list[str] = Field(description="Sentences about profiles that nobody confirmed, or that were rolled back.")


class Advice(Result):
    """What an admin should do."""

    message: str
    hint: str


class Status(Result):
    """Everything at a glance. What docs/control-socket.md tells of `status` is there too."""

    name: str = Field(description="What the profile calls the node.")
    identity: str = Field(description="The fingerprint of its public identity.")
    version: str
    state: str = Field(description="running or degraded.")
    problems: dict[str, str]
    warnings: list[Advice]
    since: str = Field(description="When it was started, in UTC (RFC 3339).")
    ready: bool
    profile: ProfileStatus
    interface: Interface
    worker: Worker
    listen: list[str] = Field(description="Where peers are accepted.")
    sessions: list[Session]
    peers: list[StatusPeer]
    drops: dict[str, int] = Field(description="Packets dropped, by reason.")
    handshakes: dict[str, int]
    plugins: list[dict[str, Any]]
    confirm_by: float | None = Field(description="Seconds left to confirm the profile on trial; null if none is.")
    short: dict[str, str] = Field(default={}, description="What the node or its host is short of, each with the figures.")


class Figures(Result):
    """The node's figures, as monitors get them."""

    name: str
    version: str
    uptime: float = Field(description="Seconds.")
    ready: bool
    peers_configured: int
    sessions: list[dict[str, Any]]
    drops: dict[str, int]
    handshakes: dict[str, int]
    components: dict[str, str] = Field(description='Each part with "ok" or what is wrong with it.')
    short: dict[str, str] = Field(default={}, description="What the node or its host is short of, each with the figures.")


# ---- where its time and memory go ----


class ProfileRun(Arguments):
    """Which process is looked at, and for how long."""

    worker: int | None = Field(default=None, ge=0, description="The number of a worker; without it the control process is meant.")
    seconds: float = Field(default=10.0, gt=0, le=60)
    hertz: int = Field(default=100, ge=1, le=200, description="Looks a second; at a worker 50 at most.")


class Function(Result):
    """A function that was seen."""

    function: str
    self: int = Field(description="Samples in which it was the innermost.")
    total: int = Field(description="Samples in which it was somewhere on the stack.")


class Profiled(Result):
    """What was seen."""

    process: str
    samples: int
    torn: int = Field(description="Samples that were none, since the program went on meanwhile.")
    seconds: float
    cpu_s: float = Field(description="CPU time that the process used meanwhile.")
    functions: list[Function] = Field(description="Those that were innermost most often.")
    stacks: list[str] = Field(description="As flame graphs want them: frames with semicolons between them, a space, the samples.")


class TypeCount(Result):
    """How many objects of one type there are."""

    type: str
    count: int


class Held(Result):
    """What a process holds: counts, never values."""

    process: str
    memory: int | None = Field(description="Resident bytes.")
    objects: int
    types: list[TypeCount]
    descriptors: dict[str, int] = Field(description="Open ones, by kind.")
    threads: dict[str, int]


class Crypto(Result):
    """What the node's cryptography is."""

    initialized: bool = Field(description="The primitives compute what the standards say (known answers).")
    kem: str
    signature: str
    suites: list[str] = Field(description="Record protection, best first.")
    mode: str = Field(description="hybrid, hybrid-preferred or classical: what a session is at least, by crypto.pq.")
    key_pairs: int = Field(description="Lasting ones of this node; those of key exchanges live as long as one takes.")
    kem_key_bytes: int
    signature_key_bytes: int
    production: bool = Field(description="Nothing stands in `reasons`.")
    reasons: list[str] = Field(description="Why it is not fit for production.")


# ---- peers ----


class Peer(Result):
    """A peer, and the path to it."""

    name: str
    identity: str
    origin: str = Field(description="profile, member or discovery.")
    connected: bool
    endpoint: str | None = Field(default=None, description="Where it is now.")
    rtt_ms: float | None = None
    path: str | None = Field(default=None, description="direct or relayed; null if there is none.")
    standing: str | None = Field(default=None, description="What is known of a member: alive, suspected, dead, left, unknown.")
    blocked: dict[str, Any] | None = Field(default=None, description="Why it has no session for now, and until when.")


class Peers(Result):
    """A page of peers, by name."""

    items: list[Peer]
    next: str = Field(description="Give it as `after` for the next page; empty at the end.")


class Plugin(Result):
    """A plugin, and how it is."""

    name: str
    state: str
    version: str | None = None
    problem: str | None = None
    hint: str | None = None


class Plugins(Result):
    """All plugins, by name."""

    items: list[Plugin]
    next: str


class Place(Result):
    """A place where a peer may be."""

    kind: str = Field(description="Which discovery kind said so; profile for what is written down.")
    peer: str
    endpoint: str
    age_s: float | None = Field(description="Seconds since it was told; null for what is written down.")
    tried: str | None = Field(description="Why the last attempt there failed.")
    works: bool = Field(description="The session goes there now.")


class Places(Result):
    """Places, by peer."""

    items: list[Place]
    next: str


class Service(Result):
    """A service that a node offers."""

    service: str
    node: str
    identity: str
    health: str
    load: int | None = None
    metadata: dict[str, str] = Field(default_factory=dict)
    own: bool = Field(description="It is this host.")


class Services(Result):
    """Services, by name."""

    items: list[Service]
    next: str


class ServicesAsked(Page):
    """Which services."""

    service: str | None = Field(default=None, description="Only those of this name.")


class NameAsked(Arguments):
    """Whose name."""

    name: str = Field(description="With the network's label or without.", max_length=255)


class Named(Result):
    """Who is called so."""

    name: str
    addresses: list[str] = Field(description="Inside the overlay.")


# ---- members ----


class Invite(Arguments):
    """What somebody is invited as."""

    name: str = Field(max_length=63, description="What the member is to be called.")
    ttl: int = Field(default=3600, ge=1, description="Seconds for which the invitation is good.")
    uses: int = Field(default=1, ge=1, description="How many may use it.")
    tags: tuple[str, ...] = Field(default=(), max_length=64)
    prefixes: tuple[str, ...] = Field(default=(), max_length=64, description="Prefixes that it may carry for others.")
    exit: bool = Field(default=False, description="It may carry everything.")
    roles: tuple[str, ...] = Field(default=(), max_length=64)
    at: tuple[str, ...] = Field(default=(), max_length=64, description="Endpoints where to call, instead of the node's own.")


class Invited(Result):
    """The invitation."""

    code: Secret = Field(description="For `appliance join`. A secret until it is used.")


class Invitations(Result):
    """Invitations of this node."""

    invitations: list[dict[str, Any]]
    refused: dict[str, int] = Field(description="How often somebody was refused, by reason.")


class Which(Arguments):
    """Which invitation."""

    which: str = Field(max_length=255, description="Its number, or its name.")


class Done(Result):
    """It is done; what more the node says of it stands beside."""


# ---- changes ----


class Reload(Arguments):
    """How the profile on disk comes into force."""

    confirm_within: float | None = Field(
        default=None, gt=0, le=86400, description="Seconds within which it has to be confirmed, or it is taken back."
    )
    plan: str | None = Field(
        default=None, max_length=64, description="Only if what would be done is this plan still, by its name."
    )


class KeyChange(Result):
    """A key of the profile that changes."""

    key: str
    kind: str = Field(description="added, removed or changed.")
    before: Any = Field(description="null where it was not there, or its value is secret.")
    after: Any
    secret: bool = Field(description="Its value is not told.")


class Step(Result):
    """One step of what is done to the host."""

    summary: str
    sign: str = Field(description="+, - or ~.")


class Plan(Result):
    """What reloading the profile on disk would change."""

    name: str = Field(description="Give it as `plan` to reload: then it happens only while this is the plan still.")
    files: list[str] = Field(description="Of the profile on disk.")
    changed: list[KeyChange]
    changes: int = Field(description="How many steps there are.")
    steps: list[Step]
    revert: list[Step] = Field(description="What rolling back would do.")
    warnings: list[str]
    cuts_off: str | None = Field(description="Whose session it would cut off; empty for nobody's.")


class Rollback(Arguments):
    """From what the node goes back."""

    unconfirmed: bool = Field(default=False, description="Only from a change that awaits its confirmation.")


class Confirm(Arguments):
    """What is confirmed."""

    refused: bool = Field(default=False, description="Take refusals of profiles back instead.")


# ---- operations of plugins ----

OPERATION = r"^[a-z0-9_-]+(\.[a-z0-9_-]+)+$"
"""As `api.management.ApiRoute` names them; with a dot in it, it is none of the core's."""


class PluginOperation(Result):
    """An operation that a plugin brings."""

    name: str
    plugin: str
    summary: str
    permission: str = Field(description="What it needs.")
    stream: bool = Field(description="Its answer is a stream of items.")
    seconds: float = Field(description="How long the answer may take.")
    arguments: dict[str, JsonValue] | None = Field(description="JSON Schema of its arguments; null: it takes none.")
    result: dict[str, JsonValue] | None = Field(description="JSON Schema of the answer, or of each item; null: any JSON.")


class PluginOperations(Result):
    """A page of them."""

    items: list[PluginOperation]
    next: str


class PluginOperationNamed(Arguments):
    """Which one."""

    operation: str = Field(max_length=200, pattern=OPERATION, description="Its name.")


class PluginQuestion(PluginOperationNamed):
    """An operation with its arguments."""

    arguments: dict[str, JsonValue] = Field(default_factory=dict, max_length=256, description="As its schema says.")


class PluginFollow(PluginOperationNamed):
    """An operation whose answer is a stream, with its arguments."""

    arguments: str = Field(default="{}", max_length=2000, description="As its schema says: a JSON object, as text.")


class PluginAnswer(Result):
    """What the plugin answered."""

    answer: JsonValue


class PluginItem(Result):
    """An item of a stream."""

    event: str = Field(description="item, or failed.")
    item: JsonValue = Field(default=None, description="Of an event `item`.")
    code: str | None = Field(default=None, description="Of an event `failed`, as `message` and `hint`.")
    message: str | None = None
    hint: str | None = None
