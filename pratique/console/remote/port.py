"""Custody's end of a console process: commands and lines are done here, for whoever has proved who he is.

Every frame is checked by type and length, every command by name and the types of its arguments, every ticket by what it
is for; permissions are asked here, by the commands themselves. A console that says what cannot be read is cut off and
started anew: its clients sign in again.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import msgspec

from pratique.console.access.key_proof import KeyProof
from pratique.console.access.signin import SignedIn, SignInDelayed, SignInRefused
from pratique.console.commands.cluster import ClusterRefused
from pratique.console.commands.desk import COMMANDS, Desk
from pratique.console.commands.parts import CommandRefused, Why
from pratique.console.commands.status import bare_state
from pratique.console.remote import wire
from pratique.console.remote.calls import BadCall, shape_of
from pratique.console.remote.entry import LocalEntry
from pratique.console.remote.far_talk import FarTalk
from pratique.console.remote.frames import BadFrame, FrameStream
from pratique.console.remote.interface import CodeNeeded, Standing, Step
from pratique.console.remote.interface import Visit as Visiting
from pratique.console.remote.reception import LocalReception
from pratique.console.remote.tickets import CALL_SECONDS, Holder, Use
from pratique.mail.text import log_text

RUNS_MAX = 64  # commands at once, until the console has their answers; the others wait
FAULTS_MAX = 100  # in an hour, written to the log; what more it says is dropped
FAULTS_SECONDS = 3_600.0
TOO_MUCH = (Why.UNAVAILABLE.value, "too much is asked at once; try again")

Spawn = Callable[[Coroutine[Any, Any, Any], str], "asyncio.Task[Any]"]


@dataclass(frozen=True, slots=True)
class Duties:
    """What the appliance does for a console. `entry`: of the REST API. `fault` hears what the console says went wrong,
    `listening` that its faces are open, and what it could not be shut out of."""

    desk: Desk
    entry: LocalEntry
    reception: LocalReception
    spawn: Spawn
    fault: Callable[[str], None]
    listening: Callable[[str], None]


@dataclass(slots=True)
class _Load:
    """What is being answered."""

    asks: int = 0
    octets: int = 0


@dataclass(slots=True)
class ConsolePort:
    """One console process; everything that it began ends with it."""

    duties: Duties
    stream: FrameStream
    _load: _Load = field(default_factory=_Load)
    _runs: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(RUNS_MAX))
    _visits: dict[int, tuple[str, Visiting]] = field(default_factory=dict)  # number -> ticket, session
    _tickets: set[str] = field(default_factory=set)  # of connections
    _talks: dict[int, FarTalk] = field(default_factory=dict)
    _visited: int = 0
    _faults: list[float] = field(default_factory=list)  # when those of the last hour came

    async def serve(self) -> str:
        """Until the console ends; why it did."""
        try:
            while (octets := await self.stream.next()) is not None:
                self._hear(wire.to_custody.decode(octets), len(octets))
        except (BadFrame, msgspec.MsgspecError, ValueError) as error:
            return log_text(f"it said what cannot be read ({error})")
        finally:
            self._end()
        return "it ended"

    def renew_certificate(self, certificate: bytes, key: bytes) -> None:
        self.stream.put(wire.Certificate(certificate, key))

    def stop(self) -> None:
        self.stream.put(wire.Stop())

    def _end(self) -> None:
        for talk in self._talks.values():
            talk.gone()
        for _, visit in self._visits.values():
            visit.close()
        for ticket in self._tickets:
            self.duties.reception.leave(ticket)
        self._visits.clear()
        self.stream.close()

    # --- frames
    def _hear(self, said: wire.ToCustody, size: int) -> None:
        if isinstance(said, wire.Told):
            if (talk := self._talks.get(said.number)) is not None:
                talk.told(said)
        elif isinstance(said, wire.Leave):
            self._tickets.discard(said.ticket)
            self.duties.reception.leave(said.ticket)
        elif isinstance(said, wire.EndVisit):
            if (found := self._visits.pop(said.visit, None)) is not None:
                found[1].close()
        elif isinstance(said, wire.Fault):
            self._fault(said.text)
        elif isinstance(said, wire.Listening):
            self.duties.listening(said.lacking)
        else:
            self._asked(said, size)

    def _fault(self, text: str) -> None:
        now = self.duties.desk.clock.monotonic()
        self._faults = [at for at in self._faults if at > now - FAULTS_SECONDS]
        if len(self._faults) < FAULTS_MAX:
            self._faults.append(now)
            self.duties.fault(text)

    def _asked(self, said: wire.Ask, size: int) -> None:
        load = self._load
        if load.asks >= wire.ASKS_MAX or load.octets + size > wire.ASKED_BYTES_MAX:
            self.stream.put(wire.Answered(said.number, "refused", wire.encode(TOO_MUCH)))
            return
        load.asks += 1
        load.octets += size
        self.duties.spawn(self._answer(said, size), "console")

    async def _answer(self, said: wire.Ask, size: int) -> None:
        try:
            if isinstance(said, wire.Run):
                async with self._runs:
                    await self._send(said.number, *await self._outcome(said))
            else:
                await self._send(said.number, *await self._outcome(said))
        except OSError:
            return  # it has gone
        finally:
            self._load.asks -= 1
            self._load.octets -= size

    async def _send(self, number: int, failure: str, octets: bytes) -> None:
        at = 0
        while len(octets) - at > wire.PIECE_BYTES:
            await self.stream.send(wire.Piece(number, octets[at : at + wire.PIECE_BYTES]))
            at += wire.PIECE_BYTES
        await self.stream.send(wire.Answered(number, failure, octets[at:]))

    async def _outcome(self, said: wire.Ask) -> tuple[str, bytes]:
        """What went wrong, "" = nothing, and the answer."""
        try:
            return "", await _DOES[type(said)](self, said)
        except SignInRefused:
            return "sign-in", b""
        except CodeNeeded as needed:
            return "code", wire.encode((needed.name, needed.role))
        except SignInDelayed as delayed:
            return "delayed", wire.encode(delayed.seconds)
        except CommandRefused as refused:
            return "refused", wire.encode((refused.why.value, refused.text))
        except ClusterRefused as refused:
            return "cluster", wire.encode(str(refused))
        except BadCall as error:
            self._fault(f"asked for what it may not: {error}")
            return "defect", wire.encode("the call was refused")
        except Exception as error:  # noqa: BLE001 - said here, for the console may be gone by now, or lie
            what = said.command if isinstance(said, wire.Run) else type(said).__name__
            self._fault(f"{what}: {type(error).__name__}: {error}")
            return "defect", wire.encode("custody failed; its log says why")

    # --- REST
    async def _sign_in(self, said: wire.SignIn) -> bytes:
        entry = self.duties.entry
        if said.token:
            signed = await entry.log_in(said.name, said.password, said.address, code=said.code)
        else:
            signed = await entry.by_password(said.name, said.password, said.address)
        return self._signed(signed, said.address)

    async def _by_token(self, said: wire.ByToken) -> bytes:
        return self._signed(await self.duties.entry.by_token(said.token), "")

    def _signed(self, signed: SignedIn, address: str) -> bytes:
        signin, person = self.duties.entry.signin, signed.person
        standing = signin.standing(person.name, person.authn, person.session)
        holder = Holder(Use.COMMANDS, person.name, address, lambda: signin.still(standing))
        ticket = self.duties.reception.tickets.give(holder, CALL_SECONDS)
        return wire.encode(
            wire.Signed(
                ticket, person.name, person.role, person.authn, person.quarantines, person.session, signed.token
            )
        )

    async def _state(self, said: wire.State) -> bytes:
        return wire.encode(await bare_state(self.duties.desk))

    async def _run(self, said: wire.Run) -> bytes:
        person = self.duties.reception.tickets.holder(said.ticket, Use.COMMANDS).who()
        shape = shape_of(said.command)
        args, kwargs = shape.unpack(said.arguments)
        return shape.pack_result(await COMMANDS[said.command].run(self.duties.desk, person, *args, **kwargs))

    # --- SSH
    async def _passphrase(self, said: wire.Passphrase) -> bytes:
        return _stepped(await self.duties.reception.passphrase(said.user, said.text, said.address))

    async def _code(self, said: wire.Code) -> bytes:
        return _stepped(await self.duties.reception.code(said.ticket, said.text))

    async def _knows_key(self, said: wire.KnowsKey) -> bytes:
        return wire.encode(await self.duties.reception.knows_key(said.user, said.line))

    async def _by_key(self, said: wire.ByKey) -> bytes:
        proof = KeyProof(said.signed, said.signature)
        return _stepped(await self.duties.reception.key(said.user, said.line, proof, said.address))

    async def _enter(self, said: wire.Enter) -> bytes:
        await self.duties.reception.enter(said.ticket)
        self._tickets.add(said.ticket)
        return b""

    async def _visit(self, said: wire.Visit) -> bytes:
        if len(self._visits) >= wire.VISITS_MAX:
            raise SignInRefused
        visit = await self.duties.reception.visit(said.ticket, greeted=said.greeted)
        self._visited += 1
        self._visits[self._visited] = said.ticket, visit
        return wire.encode(wire.Visited(self._visited, visit.greeting, _standing(visit.standing)))

    async def _line(self, said: wire.DoLine) -> bytes:
        ticket, visit = self._visits.get(said.visit, ("", None))
        self.duties.reception.tickets.holder(ticket, Use.LINES)
        if visit is None or said.number in self._talks:
            raise SignInRefused
        talk = self._talks[said.number] = FarTalk(self.stream, said.number, width=said.width)
        try:
            done = await visit.run(said.line, talk)
            await talk.let_out()
        finally:
            del self._talks[said.number]
        return wire.encode(wire.LineEnded(done.status, done.ended, _standing(done.standing)))

    async def _exchange(self, said: wire.Exchange) -> bytes:
        return wire.encode(await self.duties.reception.exchange(said.ticket, said.command, said.sent))


_DOES: dict[type, Callable[[ConsolePort, Any], Coroutine[Any, Any, bytes]]] = {
    wire.SignIn: ConsolePort._sign_in,
    wire.ByToken: ConsolePort._by_token,
    wire.State: ConsolePort._state,
    wire.Run: ConsolePort._run,
    wire.Passphrase: ConsolePort._passphrase,
    wire.Code: ConsolePort._code,
    wire.KnowsKey: ConsolePort._knows_key,
    wire.ByKey: ConsolePort._by_key,
    wire.Enter: ConsolePort._enter,
    wire.Visit: ConsolePort._visit,
    wire.DoLine: ConsolePort._line,
    wire.Exchange: ConsolePort._exchange,
}


def _stepped(step: Step) -> bytes:
    return wire.encode(wire.Stepped(step.ticket, step.code))


def _standing(standing: Standing) -> wire.Standing:
    return wire.Standing(standing.prompt, standing.names)
