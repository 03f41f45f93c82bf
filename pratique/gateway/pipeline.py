"""Judging one message: checks gather facts (each with a deadline), policy decides. Acts on nothing."""

import asyncio

from pratique.checks.interface import Engines
from pratique.mail.body import Body
from pratique.mail.envelope import Envelope
from pratique.mail.values import value
from pratique.policy.decision import Decision
from pratique.policy.evaluate import Program
from pratique.policy.facts import Facts, Message, Unknown, VirusResult


@value
class Source:
    """Where a message came from, as far as policy may ask."""

    remote_ip: str
    remote_host: str
    helo: str
    listener: str
    interface: str
    table: str  # inbound, outbound
    now_ms: int
    mid: int = 0
    hostname: str = ""
    sender_group: str = ""
    mail_flow: str = ""  # what host access said


@value
class Judged:
    decision: Decision
    message: Message
    virus: tuple[VirusResult, ...] | Unknown


class Pipeline:
    def __init__(self, program: Program, engines: Engines, *, search_seconds: float = 4.0) -> None:
        self._engines = engines
        self._search_seconds = search_seconds
        self.use(program)

    def use(self, program: Program) -> None:
        """Judge by this program from the next message on."""
        self._program = program
        self._virus = bool(self._engines.virus) and program.needs.virus

    def judge_now(self, source: Source, envelope: Envelope, octets: bytes | None) -> Judged | None:
        """The decision, when it can be had within microseconds; None = use `judge`."""
        if self._virus or octets is None or self._program.heavy:
            return None
        needs = self._program.needs
        message = self._engines.content.read_now(octets, attachments=needs.attachments, texts=needs.texts)
        if message is None:
            return None
        return self._decide(source, envelope, message, ())

    async def judge(self, source: Source, envelope: Envelope, body: Body, octets: bytes | None) -> Judged:
        facts = await self._facts(source, envelope, body, octets)
        return Judged(self._program.evaluate(facts), facts.message, facts.virus)

    async def _facts(self, source: Source, envelope: Envelope, body: Body, octets: bytes | None) -> Facts:
        """All checks at once; patterns that hostile text could make slow are searched in a thread, with a deadline."""
        message, virus = await asyncio.gather(self._read(body, octets), self._scan(body, octets))
        facts = _facts(source, envelope, message, virus)
        if not self._program.heavy:
            return facts
        try:
            async with asyncio.timeout(self._search_seconds):
                return await asyncio.to_thread(self._program.search, facts)
        except TimeoutError:
            return self._program.search_failed(facts, f"patterns took longer than {self._search_seconds:g} s")

    async def rejudge(
        self, source: Source, envelope: Envelope, body: Body, octets: bytes | None, judged: frozenset[str]
    ) -> Judged:
        """After a release: stages named in `judged` are not repeated, the virus verdict is taken anew."""
        facts = await self._facts(source, envelope, body, octets)
        return Judged(self._program.reevaluate(facts, judged), facts.message, facts.virus)

    async def _read(self, body: Body, octets: bytes | None) -> Message:
        needs = self._program.needs
        if octets is not None:
            message = self._engines.content.read_now(octets, attachments=needs.attachments, texts=needs.texts)
            if message is not None:
                return message
        return await self._engines.content.read(body, octets, attachments=needs.attachments, texts=needs.texts)

    async def _scan(self, body: Body, octets: bytes | None) -> tuple[VirusResult, ...] | Unknown:
        if not self._virus:
            return ()
        found = await asyncio.gather(*(engine.scan(body, octets) for engine in self._engines.virus))
        results = tuple(r for r in found if isinstance(r, VirusResult))
        unknown = [r for r in found if isinstance(r, Unknown)]
        if any(r.result == "infected" for r in results) or not unknown:
            return results  # one engine's finding stands, whatever the others could not find out
        return unknown[0]

    def _decide(
        self, source: Source, envelope: Envelope, message: Message, virus: tuple[VirusResult, ...] | Unknown
    ) -> Judged:
        return Judged(self._program.evaluate(_facts(source, envelope, message, virus)), message, virus)


def _facts(source: Source, envelope: Envelope, message: Message, virus: tuple[VirusResult, ...] | Unknown) -> Facts:
    return Facts(
        envelope=envelope,
        remote_ip=source.remote_ip,
        remote_host=source.remote_host,
        helo=source.helo,
        listener=source.listener,
        interface=source.interface,
        table=source.table,
        message=message,
        virus=virus,
        now_ms=source.now_ms,
        mid=source.mid,
        hostname=source.hostname,
        sender_group=source.sender_group,
        mail_flow=source.mail_flow,
    )
