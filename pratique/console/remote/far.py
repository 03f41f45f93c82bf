"""The appliance as a console process has it: every question goes to custody and is answered there.

Nothing is decided here. What the faces call is what they call in the one-process form (interface, commands.desk).
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import msgspec

from pratique.console.access.key_proof import PROOF_BYTES_MAX, KeyProof
from pratique.console.access.roles import Person
from pratique.console.access.signin import SignedIn, SignInDelayed, SignInRefused
from pratique.console.commands.cluster import ClusterRefused
from pratique.console.commands.desk import Clock, Desk
from pratique.console.commands.parts import CommandRefused, Why
from pratique.console.remote import wire
from pratique.console.remote.calls import shape_of
from pratique.console.remote.far_talk import NOBODY, STOPPED
from pratique.console.remote.frames import BadFrame, FrameStream
from pratique.console.remote.interface import CodeNeeded, LineDone, Standing, Step
from pratique.console.verbs.verb import NoAnswer, Talk, Withdrawn
from pratique.store.interface import Store
from pratique.telemetry.interface import Telemetry

T = TypeVar("T")
FAULT_CHARS = 2_000
WIDTH_MAX = 1_000
TOO_MUCH = "refused\nthis is more than the state of a cluster may have"


class Defect(Exception):
    """Custody could not do it; the text is for the log."""


@dataclass(frozen=True, slots=True)
class Ticketed(Person):
    """Somebody who proved himself to custody, and what to show there for him."""

    ticket: str = ""


@dataclass(slots=True)
class _Waiting:
    answer: "asyncio.Future[bytes]"
    pieces: list[bytes]
    talk: Talk | None
    size: int = 0


class FarCustody:
    """`spawn` owns tasks that wait for a client."""

    def __init__(self, stream: FrameStream, spawn: Callable[[Coroutine[Any, Any, Any], str], Any]) -> None:
        self._stream = stream
        self._spawn = spawn
        self._waiting: dict[int, _Waiting] = {}
        self._last = 0
        self.renew_certificate: Callable[[bytes, bytes], None] = lambda certificate, key: None  # in PEM

    async def read(self) -> None:
        """Until custody says stop, or is gone."""
        try:
            while (octets := await self._stream.next()) is not None:
                said = wire.to_console.decode(octets)
                if isinstance(said, wire.Stop):
                    return
                if isinstance(said, wire.Certificate):
                    self.renew_certificate(said.certificate, said.key)
                elif (waiting := self._waiting.get(said.number)) is not None:
                    self._hear(said, waiting)
        except (BadFrame, msgspec.MsgspecError):
            return
        finally:
            for waiting in self._waiting.values():
                if not waiting.answer.done():
                    waiting.answer.set_exception(Defect("custody has gone"))

    def _hear(self, said: wire.Answered | wire.Piece | wire.Said | wire.Asked | wire.Paused, waiting: _Waiting) -> None:
        if isinstance(said, wire.Piece):
            waiting.pieces.append(said.octets)
        elif isinstance(said, wire.Answered):
            if not waiting.answer.done():
                _settle(waiting.answer, said, b"".join((*waiting.pieces, said.octets)))
        elif waiting.talk is None:
            return
        elif isinstance(said, wire.Said):
            for complaint, text in said.lines:
                (waiting.talk.complain if complaint else waiting.talk.say)(text)
        else:
            self._spawn(self._consult(said, waiting.talk), "answer of a client")

    async def _consult(self, said: wire.Asked | wire.Paused, talk: Talk) -> None:
        """A client answers, or takes what was said; custody hears of it whatever happens."""
        text, how = "", STOPPED
        try:
            if isinstance(said, wire.Asked):
                text, how = await talk.ask(said.question, said.default, secret=said.secret), ""
            else:
                how = "" if await talk.pause(said.seconds) else STOPPED
        except NoAnswer:
            how = NOBODY
        except Withdrawn:
            pass
        finally:
            self._stream.put(wire.Told(said.number, text[: wire.SECRET_CHARS_MAX], how))

    async def ask(self, make: Callable[[int], wire.Ask], *, talk: Talk | None = None) -> bytes:
        """Raises what the appliance raises, and Defect."""
        self._last += 1
        number = self._last
        waiting = _Waiting(asyncio.get_running_loop().create_future(), [], talk)
        self._waiting[number] = waiting
        try:
            await self._stream.send(make(number))
            return await waiting.answer
        except OSError as error:
            raise Defect("custody has gone") from error
        finally:
            del self._waiting[number]

    async def asked(self, kind: type[T], make: Callable[[int], wire.Ask], *, talk: Talk | None = None) -> T:
        return msgspec.msgpack.decode(await self.ask(make, talk=talk), type=kind)

    def tell(self, said: wire.Leave | wire.EndVisit | wire.Fault | wire.Listening) -> None:
        self._stream.put(said)

    def fault(self, text: str) -> None:
        """Into the appliance's log."""
        self.tell(wire.Fault(text[:FAULT_CHARS].encode("utf-8", "replace").decode()))


def _settle(future: "asyncio.Future[bytes]", said: wire.Answered, octets: bytes) -> None:
    decode = msgspec.msgpack.decode
    error: Exception
    match said.failure:
        case "":
            future.set_result(octets)
            return
        case "refused":
            why, text = decode(octets, type=tuple[str, str])
            error = CommandRefused(Why(why), text)
        case "sign-in":
            error = SignInRefused()
        case "code":
            error = CodeNeeded(*decode(octets, type=tuple[str, str]))
        case "delayed":
            error = SignInDelayed(decode(octets, type=float))
        case "cluster":
            error = ClusterRefused(decode(octets, type=str))
        case _:
            error = Defect(decode(octets, type=str))
    future.set_exception(error)


@dataclass(frozen=True, slots=True)
class FarEntry:
    """The sign-in of the REST API."""

    custody: FarCustody

    async def by_password(self, name: str, password: str, address: str) -> SignedIn:
        return await self._by_password(name, password, address, code="", token=False)

    async def log_in(self, name: str, password: str, address: str, *, code: str = "") -> SignedIn:
        return await self._by_password(name, password, address, code=code, token=True)

    async def _by_password(self, name: str, password: str, address: str, *, code: str, token: bool) -> SignedIn:
        _fits((name, wire.NAME_CHARS_MAX), (password, wire.SECRET_CHARS_MAX), (code, wire.NAME_CHARS_MAX))
        return await self._signed(lambda number: wire.SignIn(number, name, password, code, _place(address), token))

    async def by_token(self, token: str) -> SignedIn:
        _fits((token, wire.SECRET_CHARS_MAX))
        return await self._signed(lambda number: wire.ByToken(number, token))

    async def _signed(self, make: Callable[[int], wire.Ask]) -> SignedIn:
        found = await self.custody.asked(wire.Signed, make)
        person = Ticketed(found.name, found.role, found.authn, found.quarantines, found.session, found.ticket)
        return SignedIn(person, found.token)


@dataclass(frozen=True, slots=True)
class FarCommands:
    """As commands.parts.Elsewhere."""

    custody: FarCustody

    async def run(self, name: str, person: Person, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        shape = shape_of(name)
        octets, ticket = shape.pack(args, kwargs), person.ticket if isinstance(person, Ticketed) else ""
        return shape.result.decode(await self.custody.ask(lambda number: wire.Run(number, ticket, name, octets)))

    async def state(self) -> str:
        return await self.custody.asked(str, wire.State)


def far_desk(custody: FarCustody, *, name: str, role: str, version: str, clock: Clock) -> Desk:
    """The desk of the REST API in a console process: its commands run elsewhere; it has nothing else to act with."""
    nothing = cast(Any, None)
    return Desk(
        name=name,
        role=role,
        version=version,
        store=cast(Store, nothing),
        clock=clock,
        telemetry=cast(Telemetry, nothing),
        acts=nothing,
        elsewhere=FarCommands(custody),
    )


@dataclass(frozen=True, slots=True)
class FarVisit:
    custody: FarCustody
    number: int
    greeting: str
    standing: Standing

    async def run(self, line: str, talk: Talk) -> LineDone:
        width = max(1, min(talk.width, WIDTH_MAX))
        text = line[: wire.LINE_CHARS_MAX]
        done = await self.custody.asked(
            wire.LineEnded, lambda number: wire.DoLine(number, self.number, text, width), talk=talk
        )
        return LineDone(done.status, done.ended, _standing(done.standing))

    def close(self) -> None:
        self.custody.tell(wire.EndVisit(self.number))


@dataclass(frozen=True, slots=True)
class FarReception:
    custody: FarCustody

    async def passphrase(self, user: str, text: str, address: str) -> Step:
        _fits((user, wire.NAME_CHARS_MAX), (text, wire.SECRET_CHARS_MAX))
        return await self._step(lambda number: wire.Passphrase(number, user, text, _place(address)))

    async def code(self, ticket: str, text: str) -> Step:
        _fits((text, wire.NAME_CHARS_MAX))
        return await self._step(lambda number: wire.Code(number, ticket, text))

    async def knows_key(self, user: str, line: str) -> bool:
        if len(user) > wire.NAME_CHARS_MAX or len(line) > wire.KEY_CHARS_MAX:
            return False
        return await self.custody.asked(bool, lambda number: wire.KnowsKey(number, user, line))

    async def key(self, user: str, line: str, proof: KeyProof, address: str) -> Step:
        _fits((proof.signed, PROOF_BYTES_MAX), (proof.signature, PROOF_BYTES_MAX))
        return await self._step(
            lambda number: wire.ByKey(number, user, line, proof.signed, proof.signature, _place(address))
        )

    async def _step(self, make: Callable[[int], wire.Ask]) -> Step:
        try:
            found = await self.custody.asked(wire.Stepped, make)
        except CommandRefused as error:  # too much is asked at once
            raise SignInRefused from error
        return Step(found.ticket, found.code)

    async def enter(self, ticket: str) -> None:
        await self.custody.ask(lambda number: wire.Enter(number, ticket))

    def leave(self, ticket: str) -> None:
        self.custody.tell(wire.Leave(ticket))

    async def visit(self, ticket: str, *, greeted: bool) -> FarVisit:
        found = await self.custody.asked(wire.Visited, lambda number: wire.Visit(number, ticket, greeted))
        return FarVisit(self.custody, found.visit, found.greeting, _standing(found.standing))

    async def exchange(self, ticket: str, command: str, sent: str) -> str:
        if len(command) > wire.SECRET_CHARS_MAX or len(sent.encode("utf-8", "replace")) > wire.SENT_BYTES_MAX:
            return TOO_MUCH
        return await self.custody.asked(str, lambda number: wire.Exchange(number, ticket, command, sent))


def _standing(standing: wire.Standing) -> Standing:
    return Standing(standing.prompt, standing.names)


def _fits(*given: tuple[str | bytes, int]) -> None:
    """What a client gives is bounded before custody sees it, which would cut off the whole console for it. Raises
    SignInRefused."""
    if any(len(text) > most for text, most in given):
        raise SignInRefused


def _place(address: str) -> str:
    return address[: wire.ADDRESS_CHARS_MAX]
