"""A conversation with the node of this host, by its control socket: questions side by side, answers with descriptors."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any, Final, NamedTuple, Self

from appliance.control.client import Address, connect
from appliance.control.handing import MOST_DESCRIPTORS
from appliance.control.messages import (
    Answer,
    Cancel,
    FromNode,
    Item,
    Lost,
    NotUnderstood,
    OnBehalf,
    Question,
    Refusal,
    from_node,
    line_of,
)
from appliance.errors import ApplianceError
from appliance.sdk import errors

PIECE: Final = 1 << 16
MOST_LINE: Final = 64 << 20
_ROOM: Final = socket.CMSG_LEN(4 * MOST_DESCRIPTORS)
"""Bytes of the descriptors of one message. (`socket.recv_fds` of Python 3.11 forgets its flags.)"""
MOST_UNTAKEN: Final = 64
"""Items of a stream that wait for the program. Until it takes some, nothing more is read from the node, which then makes callers
wait, and at last turns them away."""


class Told(NamedTuple):
    """An answer or an item, and the sockets that came with it."""

    value: Any
    sockets: tuple[socket.socket, ...] = ()

    def close(self) -> None:
        """They are not wanted."""
        for each in self.sockets:
            each.close()


class Following:
    """What comes for one question, in order. Belongs to whoever asked, who closes it."""

    def __init__(self, take_back: Callable[[], None], taken: Callable[[], None]) -> None:
        self._take_back = take_back
        self._taken = taken
        self._found: deque[Told] = deque()
        self._error: errors.SDKError | None = None
        self._ended = False
        self._there = asyncio.Event()
        self.lost = 0
        """Items that the node did not keep until they were taken."""

    async def next(self) -> Told | None:
        """The next; None at the end. Raises SDKError."""
        await self._there.wait()
        if self._found:
            told = self._found.popleft()
            if not self._found and not self._ended:
                self._there.clear()
            self._taken()
            return told
        if self._error is not None:
            raise self._error
        return None

    @property
    def full(self) -> bool:
        """Do so many wait that no more should come?"""
        return len(self._found) >= MOST_UNTAKEN

    def put(self, told: Told) -> None:
        """One more has come."""
        self._found.append(told)
        self._there.set()

    def end(self, error: errors.SDKError | None) -> None:
        """Nothing more comes."""
        self._ended, self._error = True, error
        self._there.set()

    def close(self) -> None:
        """It is not wanted any more: take the question back if it is under way, and close what was not taken. Safe to call
        twice; whoever waits for the next gets the end."""
        for told in self._found:
            told.close()
        self._found.clear()
        self._take_back()
        self.end(self._error)


class NodeConnection:
    """A connection to the node. `ask` and `follow` raise SDKError."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._socket.setblocking(False)  # noqa: FBT003
        self._loop = asyncio.get_running_loop()
        self._numbers = count(1)
        self._waiting: dict[int, Following] = {}
        self._received = bytearray()
        self._descriptors: deque[socket.socket | None] = deque()
        """Those that came and are no line's yet. None: the others of one line are lost, since this process may have no more."""
        self._unsaid = bytearray()
        self._closed = False
        self._paused = False
        self._taken_back: set[int] = set()
        """Questions that are not wanted any more, and that the node has not yet ended."""
        self.freed: Callable[[], None] = lambda: None
        """Called when fewer questions are under way than before, and at the end."""
        self._loop.add_reader(self._socket, self._read)

    @classmethod
    async def open(cls, address: Address | None = None) -> Self:
        """Connect to the node. Raises SDKError."""
        connecting = asyncio.get_running_loop().create_task(asyncio.to_thread(connect, address), name="connect to the node")
        try:
            return cls(await asyncio.shield(connecting))
        except ApplianceError as error:
            raise errors.from_node(error) from error
        except asyncio.CancelledError:
            connecting.add_done_callback(_close_result)
            raise

    @property
    def closed(self) -> bool:
        """Is it over, from either side?"""
        return self._closed

    @property
    def under_way(self) -> int:
        """Questions that the node has not yet ended."""
        return len(self._waiting) + len(self._taken_back)

    async def ask(self, op: str, args: Mapping[str, Any] | None = None, on_behalf: OnBehalf | None = None) -> Told:
        """A question with one answer. Cancelled, it takes the question back, and closes what comes for it nevertheless."""
        following = self.follow(op, args, on_behalf)
        try:
            return await following.next() or Told(None)
        finally:
            following.close()

    def follow(self, op: str, args: Mapping[str, Any] | None = None, on_behalf: OnBehalf | None = None) -> Following:
        """A question whose answer is a stream of items. `on_behalf`: for whom the API server asks."""
        if self._closed:
            raise errors.NodeGone("the connection to the node has ended", hint="does it run? see: appliance status")
        number = next(self._numbers)
        self._waiting[number] = following = Following(lambda: self._take_back(number), self._resume)
        self._say(line_of(Question(op, args or {}, number, on_behalf=on_behalf)))
        return following

    def close(self) -> None:
        """Hang up, which ends what is under way."""
        self._end(errors.NodeGone("the connection to the node was closed", hint="open a new client"))

    # ---- parts ----

    def _take_back(self, number: int) -> None:
        """What still comes for this question is closed by `_hear`."""
        if self._waiting.pop(number, None) is not None and not self._closed:
            self._taken_back.add(number)
            self._say(line_of(Cancel(number)))
        self._resume()

    def _pause(self) -> None:
        if not self._paused and not self._closed:
            self._paused = True
            self._loop.remove_reader(self._socket)

    def _resume(self) -> None:
        if self._paused and not self._closed and not any(following.full for following in self._waiting.values()):
            self._paused = False
            self._loop.add_reader(self._socket, self._read)

    def _say(self, line: bytes) -> None:
        if not self._unsaid:
            try:
                line = line[self._socket.send(line) :]
            except BlockingIOError:
                pass
            except OSError as error:
                self._end(_gone(error))
                return
        if line:
            self._unsaid += line
            self._loop.add_writer(self._socket, self._write)

    def _write(self) -> None:
        try:
            del self._unsaid[: self._socket.send(self._unsaid)]
        except BlockingIOError:
            return
        except OSError as error:
            self._end(_gone(error))
            return
        if not self._unsaid:
            self._loop.remove_writer(self._socket)

    def _read(self) -> None:
        try:
            # Ends with the line that the descriptors belong to: the kernel never gives those of two messages at once (unix(7)).
            piece, handed, flags, _ = self._socket.recvmsg(PIECE, _ROOM, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(_gone(error))
            return
        for descriptor in (each for _, _, data in handed for each in memoryview(data[: len(data) & ~3]).cast("i")):
            taken = socket.socket(fileno=descriptor)
            taken.setblocking(False)  # noqa: FBT003
            self._descriptors.append(taken)
        if flags & socket.MSG_CTRUNC:
            self._descriptors.append(None)
        if not piece:
            self._end(_gone(None))
            return
        self._received += piece
        while (end := self._received.find(b"\n")) >= 0:
            line = bytes(self._received[:end])
            del self._received[: end + 1]
            self._hear(line)
        if len(self._received) > MOST_LINE:
            self._end(_gone(None))

    def _hear(self, line: bytes) -> None:
        try:
            message = from_node(line)
        except NotUnderstood:
            self._end(
                errors.SDKError("the node's answer was not understood", hint="are both of one version? see: appliance version")
            )
            return
        told = Told(None)
        if isinstance(message, Answer | Item):
            told = Told(
                message.result if isinstance(message, Answer) else message.item, tuple(self._of_line(message.descriptors))
            )
        number = -1 if message.id is None else message.id
        following = self._waiting.get(number)
        if following is None:
            told.close()
            self._unwanted(message, number)
            return
        match message:
            case Refusal(_, error):
                following.end(errors.from_document(error))
            case Lost(_, lost):
                following.lost += lost
            case Item():
                following.put(told)
                if following.full:
                    self._pause()
            case Answer(_, result):
                if result is not None or told.sockets:
                    following.put(told)
                following.end(None)
        if isinstance(message, Answer | Refusal):
            del self._waiting[number]
            self.freed()

    def _unwanted(self, message: FromNode, number: int) -> None:
        """Nobody waits for it: what it is about was taken back, or is the whole conversation."""
        if isinstance(message, Answer | Refusal) and number in self._taken_back:
            self._taken_back.discard(number)
            self.freed()
        if isinstance(message, Refusal) and message.id is None:
            self._end(errors.from_document(message.error))

    def _of_line(self, number: int) -> Iterator[socket.socket]:
        """The descriptors of the line that was read; fewer, if some are lost. Those of other lines are never among them."""
        for _ in range(number):
            if not self._descriptors or (taken := self._descriptors.popleft()) is None:
                return
            yield taken

    def _end(self, error: errors.SDKError) -> None:
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()
        for following in self._waiting.values():
            following.end(error)
        self._waiting.clear()
        for each in self._descriptors:
            if each is not None:
                each.close()
        self._descriptors.clear()
        self.freed()


def _close_result(connecting: asyncio.Task[socket.socket]) -> None:
    """Nobody wants that connection any more."""
    if not connecting.cancelled() and connecting.exception() is None:
        connecting.result().close()


def _gone(error: OSError | None) -> errors.SDKError:
    why = "" if error is None else f": {error.strerror}"
    return errors.NodeGone(f"the node ended the connection{why}", hint="does it run? see: appliance status")
