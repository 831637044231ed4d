"""Who may do what: root, a group, and what plugins say, who may be slow."""

from __future__ import annotations

import asyncio
import grp
import threading
from collections.abc import Callable, Mapping

import pytest

from appliance.api.management import Principal, Verdict
from appliance.control.authority import AT_A_TIME, HOLDS, MOST_KEPT, Authority, Opinion

ROOT = Principal("local", "root", 0, 0, 1)
STRANGER = Principal("local", "nobody", 65533, 65533, 1)
READ, CHANGE = ("node.read", "status"), ("node.change", "reload")
SOON, PATIENCE = 0.05, 60.0


class Story:
    """Plugins with opinions, a clock, and what was told of them."""

    def __init__(self, group: str | None = None, seconds: float = PATIENCE, **opinions: Opinion) -> None:
        self.now = 0.0
        self.told: list[tuple[str, Exception | None]] = []
        told: Callable[[str, Exception | None], None] = lambda plugin, error: self.told.append((plugin, error))  # noqa: E731
        self.authority = Authority(lambda: group, opinions, told, lambda: self.now, seconds)

    async def allows(self, principal: Principal, question: tuple[str, str] = CHANGE) -> bool:
        return await self.authority.allows(principal, *question)

    @property
    def counted(self) -> Mapping[str, int]:
        return self.authority.counted


def says(*verdicts: Verdict | None) -> dict[str, Opinion]:
    def opinion(verdict: Verdict | None) -> Opinion:
        return lambda _principal, _permission, _target: verdict

    return {f"plugin-{number}": opinion(verdict) for number, verdict in enumerate(verdicts)}


@pytest.mark.parametrize(
    ("principal", "said", "answer"),
    [
        (ROOT, (), True),
        (STRANGER, (), False),
        (STRANGER, (None,), False),
        (STRANGER, (Verdict.ALLOW, None), True),
        (ROOT, (Verdict.DENY,), False),
        (ROOT, (Verdict.ALLOW, Verdict.DENY), False),
        (Principal("token", "root", 0), (), False),
    ],
)
async def test_root_may_and_plugins_have_a_say(principal: Principal, said: tuple[Verdict, ...], answer: bool) -> None:
    assert await Story(**says(*said)).allows(principal) is answer


@pytest.mark.parametrize("target", ["status", "health", "confirm", "rollback", "stop"])
async def test_root_is_never_refused_what_brings_the_host_back(target: str) -> None:
    story = Story(**says(Verdict.DENY))
    assert await story.allows(ROOT, ("node.change", target))
    assert not await story.allows(STRANGER, ("node.change", target))


async def test_members_of_the_group_may() -> None:
    group = grp.getgrall()[0]
    member = STRANGER._replace(gid=group.gr_gid)
    assert await Story(group.gr_name).allows(member)
    assert not await Story("no-such-group").allows(member)


async def test_a_plugin_that_fails_denies_it_to_all_but_root_and_is_named() -> None:
    def fails(principal: Principal, permission: str, target: str) -> Verdict | None:
        raise SystemExit(principal, permission, target)

    story = Story(**says(Verdict.ALLOW), broken=fails)
    assert await story.allows(ROOT)
    assert not await story.allows(STRANGER)
    assert [plugin for plugin, error in story.told if error is not None] == ["broken", "broken"]
    assert story.counted["failed"] == 2


async def test_a_late_answer_is_a_deny_and_the_loop_turns_meanwhile() -> None:
    go_on = threading.Event()

    def hangs(_principal: Principal, _permission: str, _target: str) -> Verdict:
        go_on.wait()
        return Verdict.ALLOW

    story = Story(seconds=SOON, slow=hangs)
    assert not await story.allows(STRANGER), "and it is the loop that says so, while the plugin hangs"
    assert story.counted["late"] == 1
    assert "did not end within 0.05 s" in str(story.told[0][1])
    go_on.set()


async def test_a_plugin_that_hangs_takes_a_few_threads_and_is_asked_again_when_they_have_ended() -> None:
    go_on, ended = threading.Event(), threading.Semaphore(0)

    def hangs(_principal: Principal, _permission: str, _target: str) -> Verdict:
        go_on.wait()
        ended.release()
        return Verdict.ALLOW

    story = Story(seconds=SOON, slow=hangs)
    other = STRANGER._replace(name="other", uid=65532)
    questions = [("node.read", f"operation-{number}") for number in range(AT_A_TIME + 3)]
    assert await asyncio.gather(*(story.allows(STRANGER, question) for question in questions)) == [False] * len(questions)
    assert story.counted["busy"] == 3
    assert sum(thread.name == "authorize slow" for thread in threading.enumerate()) == AT_A_TIME
    assert not await story.allows(other)
    assert story.counted == {"asked": AT_A_TIME + 4, "late": AT_A_TIME + 1, "busy": 3}, "another user has threads of his own"
    go_on.set()
    for _ in range(AT_A_TIME + 1):
        await asyncio.to_thread(ended.acquire)
    await asyncio.sleep(0)
    story.authority.forget()
    async with asyncio.timeout(60):
        while not await story.allows(STRANGER):
            story.authority.forget()
    assert story.told[-1] == ("slow", None)


async def test_a_verdict_holds_for_a_moment_whichever_process_asks() -> None:
    asked: list[int | None] = []

    def opinion(principal: Principal, _permission: str, _target: str) -> Verdict:
        asked.append(principal.pid)
        return Verdict.ALLOW

    story = Story(mine=opinion)
    for pid in (1, 2, 3):
        assert await story.allows(STRANGER._replace(pid=pid))
    assert asked == [1]
    assert await story.allows(STRANGER, READ)
    assert await story.allows(STRANGER._replace(uid=7))
    assert len(asked) == 3
    story.now += HOLDS
    assert await story.allows(STRANGER)
    story.authority.forget()
    assert await story.allows(STRANGER)
    assert len(asked) == 5


async def test_callers_who_ask_the_same_at_the_same_time_cost_one_question() -> None:
    both = threading.Event()
    asked: list[str] = []

    def opinion(_principal: Principal, _permission: str, target: str) -> Verdict:
        asked.append(target)
        both.wait()
        return Verdict.ALLOW

    story = Story(mine=opinion)
    waiting = [asyncio.create_task(story.allows(STRANGER)) for _ in range(10)]
    await asyncio.sleep(0)
    waiting[0].cancel()  # who hangs up takes nobody else's answer away
    both.set()
    assert await asyncio.gather(*waiting[1:]) == [True] * 9
    assert asked == ["reload"]


async def test_what_is_remembered_is_bounded() -> None:
    story = Story(**says(Verdict.ALLOW))
    for number in range(MOST_KEPT + 5):
        assert await story.allows(STRANGER._replace(name=str(number)))
    assert len(story.authority._kept) <= MOST_KEPT


ALICE = Principal("api", "alice", roles=("operator",))


async def test_a_user_of_the_api_server_may_what_her_roles_bring() -> None:
    story = Story()
    assert not await story.allows(ALICE), "without an API server there are no roles"
    story.authority.use_roles(lambda roles, permission: "operator" in roles and permission == "node.change")
    assert await story.allows(ALICE)
    assert not await story.allows(ALICE, READ)
    assert not await story.allows(ALICE._replace(roles=("viewer",)))


async def test_a_plugin_may_deny_a_user_of_the_api_server() -> None:
    story = Story(group=None, **says(Verdict.DENY))
    story.authority.use_roles(lambda _roles, _permission: True)
    assert not await story.allows(ALICE)


async def test_a_name_that_is_also_a_group_s_member_brings_nothing() -> None:
    story = Story(grp.getgrgid(0).gr_name)
    assert not await story.allows(Principal("api", "root", roles=()))


async def test_the_api_server_itself_may_read_and_serve_and_nothing_else() -> None:
    story = Story(**says(Verdict.ALLOW))
    itself = Principal("api-server", "api-server")
    allowed = [
        what
        for what in ("node.read", "node.change", "knowledge.read", "knowledge.write", "api.serve", "audit.add")
        if await story.allows(itself, (what, "x"))
    ]
    assert allowed == ["node.read", "knowledge.read", "api.serve", "audit.add"]


async def test_no_plugin_gives_a_user_what_is_the_api_server_s_own() -> None:
    story = Story(**says(Verdict.ALLOW))
    assert await story.allows(ALICE)
    assert not await story.allows(ALICE, ("api.serve", "api_ready"))
    assert not await story.allows(ALICE, ("audit.add", "audit_add"))


async def test_a_user_for_whom_a_plugin_hangs_takes_no_threads_of_another() -> None:
    go_on = threading.Event()

    def hangs_for_alice(principal: Principal, _permission: str, _target: str) -> Verdict:
        if principal.name == "alice":
            go_on.wait()
        return Verdict.ALLOW

    story = Story(slow=hangs_for_alice)
    alices = [asyncio.create_task(story.allows(ALICE, ("node.read", f"operation-{number}"))) for number in range(AT_A_TIME)]
    await asyncio.sleep(0)
    assert await story.allows(ALICE._replace(name="bob"))
    go_on.set()
    assert await asyncio.gather(*alices) == [True] * AT_A_TIME
