"""trace: what is asked, what is made of it, how the stages are shown."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from pratique.gateway.traced import NoListener, Probe, Stage
from tests.console.rest_world import RestWorld, open_world
from tests.console.verbs.configured import ADMIN
from tests.console.verbs.hearing import hear

STAGES = (
    Stage("listener", True, ("InboundMail: public",)),
    Stage("recipient b@demo.example", True, ("recipient access: 250 2.1.5 recipient ok",)),
)


class Traced:
    def __init__(self) -> None:
        self.probes: list[Probe] = []
        self.stages: tuple[Stage, ...] = STAGES

    async def __call__(self, probe: Probe) -> tuple[Stage, ...]:
        self.probes.append(probe)
        if probe.listener == "Other":
            raise NoListener("there is no listener 'Other'; there are: InboundMail")
        return self.stages


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[RestWorld]:
    found = await open_world(tmp_path)
    yield found
    await found.close()


async def test_by_words_a_short_message_is_made_up(world: RestWorld) -> None:
    trace = Traced()
    desk = replace(world.desk, role="gateway", trace=trace)
    heard, status = await hear(desk, ADMIN, "trace 192.0.2.9 - <> b@demo.example,c@demo.example mx.example")
    assert status == 0 and heard.complaints == []
    assert heard.text == (
        "listener:\n    InboundMail: public\nrecipient b@demo.example:\n    recipient access: 250 2.1.5 recipient ok"
    )
    (probe,) = trace.probes
    assert probe == Probe("192.0.2.9", "", "", ("b@demo.example", "c@demo.example"), probe.octets, "mx.example")
    assert probe.octets.startswith(b"From: <>\r\nTo: <b@demo.example>, <c@demo.example>\r\nSubject: trace\r\n\r\n")
    heard, _ = await hear(desk, ADMIN, "trace 192.0.2.9 - a@x.example b@demo.example --json")
    assert json.loads(heard.text)[0]["name"] == "listener"


async def test_in_the_dialogue_a_message_is_typed(world: RestWorld) -> None:
    trace = Traced()
    desk = replace(world.desk, role="gateway", trace=trace)
    answers = ("2001:db8::0:1", "InboundMail", "a@x.example", "b@demo.example", "", "Subject: Offer", "", "hi", ".")
    _, status = await hear(desk, ADMIN, "trace", *answers)
    assert status == 0
    (probe,) = trace.probes
    assert (probe.address, probe.listener, probe.host) == ("2001:db8::1", "InboundMail", "")
    assert probe.octets == b"Subject: Offer\r\n\r\nhi\r\n"
    _, _ = await hear(desk, ADMIN, "trace", *answers[:5], "only a body", ".")
    assert trace.probes[1].octets.endswith(b"Subject: trace\r\n\r\nonly a body\r\n")


async def test_a_message_that_ends_somewhere_exits_1_and_what_came_from_mail_is_escaped(world: RestWorld) -> None:
    trace = Traced()
    trace.stages = (Stage("policy for x", False, ("dropped by \x1b[2J filter",)),)
    heard, status = await hear(
        replace(world.desk, role="gateway", trace=trace), ADMIN, "trace 192.0.2.9 - a@x.example b@demo.example"
    )
    assert status == 1 and "\x1b" not in heard.text and heard.text.endswith("    ends here")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("trace 192.0.2.300 - a@x.example b@demo.example", "is no IP address"),
        ("trace 192.0.2.9 - a b@demo.example", "'a' is no address"),
        ("trace 192.0.2.9 - a@x.example ,", "one or more recipients"),
        ("trace 192.0.2.9 Other a@x.example b@demo.example", "there is no listener 'Other'"),
    ],
)
async def test_what_cannot_be_traced_is_told(world: RestWorld, line: str, why: str) -> None:
    heard, status = await hear(replace(world.desk, role="gateway", trace=Traced()), ADMIN, line)
    assert status != 0 and why in "\n".join(heard.complaints)


async def test_a_gateway_that_does_not_run_says_so(world: RestWorld) -> None:
    heard, status = await hear(
        replace(world.desk, role="gateway"), ADMIN, "trace 192.0.2.9 - a@x.example b@demo.example"
    )
    assert status == 1 and "does not run" in heard.complaints[0]
