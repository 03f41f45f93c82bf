"""An engine that falls silent is said once, and that it speaks again once."""

from typing import Any

from pratique.checks.watched import QUIET_SECONDS, WatchedEngine
from pratique.policy.facts import Unknown, VirusResult
from pratique.telemetry import events as log
from pratique.telemetry.conditions import Condition

CLEAN = VirusResult(engine="ClamAV", version="1", result="clean")
SILENT = Unknown("ClamAV at /run/x: refused")


class Engine:
    name = "ClamAV"

    def __init__(self) -> None:
        self.answer: Any = CLEAN

    async def scan(self, body: Any, octets: bytes | None) -> Any:
        return self.answer


async def test_silence_and_its_end_are_said_once() -> None:
    engine, said, now = Engine(), [], [0.0]
    watched = WatchedEngine(engine, said.append, monotonic=lambda: now[0])
    body: Any = None
    assert watched.name == "ClamAV"
    assert await watched.scan(body, b"") is CLEAN and said == []
    engine.answer = SILENT
    assert await watched.scan(body, b"") is SILENT
    await watched.scan(body, b"")
    engine.answer = CLEAN
    await watched.scan(body, b"")
    (begun,) = said
    assert isinstance(begun, log.Trouble)
    assert (
        begun.text() == "ClamAV gives no verdict, mail goes by what its policy says of that: ClamAV at /run/x: refused"
    )
    now[0] = QUIET_SECONDS
    await watched.scan(body, b"")
    await watched.scan(body, b"")
    assert [type(event) for event in said] == [log.Trouble, log.Over]
    assert {(event.condition, event.subject) for event in said} == {(Condition.VIRUS_ENGINE, "ClamAV")}
