"""What a trace finds is what mail meets; and it leaves nothing behind."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from pratique.delivery.routes import Routes
from pratique.delivery.settings import DestinationSettings
from pratique.gateway.settings import HostAccess, RecipientAccess
from pratique.gateway.traced import NoListener, Probe, Stage
from pratique.gateway.tracing import trace
from pratique.policy.facts import Unknown
from pratique.runner.suspension import Suspension
from tests.conformance.samples import MESSAGE
from tests.gateway.office import Office, infected

Make = Callable[..., Any]
FILTERS = """
hold: if (subject == "Offer") { quarantine("Policy"); }
mark: if (subject == "News") { insert-header("X-News", "yes"); duplicate-quarantine("Secret"); }
kill: if (subject == "Junk") { drop(); }
"""
NEWS = b"Subject: News\r\n\r\nhello\r\n"


@pytest.fixture
async def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    offices: list[Office] = []

    async def one(*, manager: bool = True, **how: Any) -> Office:
        offices.append(Office(tmp_path / str(len(offices)), monkeypatch, **how))
        offices[-1].gateway.resolver = offices[-1].names  # type: ignore[assignment]
        return await offices[-1].made(manager=manager)

    yield one
    for office in offices:
        await office.close()


async def traced(office: Office, *recipients: str, octets: bytes = NEWS, **fields: Any) -> dict[str, Stage]:
    given = {"address": "198.51.100.7", "listener": "", "sender": "a@sender.example"} | fields
    stages = await trace(office.gateway, Probe(recipients=recipients or ("b@example.com",), octets=octets, **given))
    return {stage.name: stage for stage in stages}


async def test_a_message_that_is_delivered_shows_each_stage_and_leaves_nothing(make: Make) -> None:
    office = await make(filters=FILTERS)
    found = await traced(office)
    assert list(found) == [
        "listener",
        "host access",
        "recipient b@example.com",
        "virus engines",
        "policy DEFAULT for b@example.com",
        "delivery to example.com",
    ]
    assert all(stage.passed for stage in found.values())
    assert "sender group UNKNOWNLIST, matched ALL: ACCEPT" in found["host access"].lines
    policy = found["policy DEFAULT for b@example.com"].lines
    assert "filter mark: condition is true" in policy and "add-header X-News: yes" in policy
    assert 'a copy goes to the quarantine "Secret" (message filter:mark)' in policy
    assert found["delivery to example.com"].lines == (
        "route: 192.0.2.25:25",
        "TLS: may",
        "next hop: 192.0.2.25 port 25",
    )
    assert office.copies() == [] and office.hop.messages == [] and not office.gateway.deliverer.destinations


async def test_what_is_held_names_quarantine_and_manager_and_what_holds_it(make: Make) -> None:
    office = await make(filters=FILTERS)
    found = await traced(office, octets=MESSAGE.replace(b"Subject: ", b"Subject: Offer\r\nX-Was: "))
    stage = found["quarantine"]
    assert stage.passed and stage.lines[0] == 'held in the quarantine "Policy" (message filter:hold)'
    assert office.other.store.identity.serial in stage.lines[1]
    alone = await make(filters=FILTERS, manager=False)
    stage = (await traced(alone, octets=b"Subject: Offer\r\n\r\n\r\n"))["quarantine"]
    assert not stage.passed and "no manager is enrolled" in stage.lines[1]


async def test_a_drop_and_a_virus_verdict(make: Make) -> None:
    office = await make(filters=FILTERS, virus=True)
    found = await traced(office, octets=b"Subject: Junk\r\n\r\n\r\n")
    policy = found["policy DEFAULT for b@example.com"]
    assert not policy.passed and policy.lines[-1].startswith("dropped by")
    office.engine.answers.append(infected())
    found = await traced(office)
    assert found["virus engines"].lines == ("FAKE: infected (EICAR-AV-Test)",)
    assert 'held in the quarantine "Virus"' in found["quarantine"].lines[0]
    office.engine.answers.append(Unknown("it took too long"))
    assert (await traced(office))["virus engines"].lines == ("no verdict: it took too long",)


@pytest.mark.parametrize("action", ["ACCEPT", "RELAY", "REJECT", "TCPREFUSE"])
@pytest.mark.parametrize("recipient", ["b@here.example", "b@elsewhere.example", "x@the.cpq.host"])
async def test_access_is_as_a_client_meets_it(make: Make, action: str, recipient: str) -> None:
    """The trace against a session on the listener itself."""
    tables = {
        "hosts": (HostAccess("198.51.100.0/24", action, "LIST"),),
        "recipients": (RecipientAccess("here.example"),),
    }
    office = await make(listener=tables)
    found = await traced(office, recipient)
    client = await office.client()
    if action in ("REJECT", "TCPREFUSE"):
        assert list(found) == ["listener", "host access"] and not found["host access"].passed
        assert action == "TCPREFUSE" or (await client.reply()).startswith("554")
        return
    assert (await client.reply()).startswith("220")
    await client.say("EHLO client.example")
    await client.say("MAIL FROM:<a@sender.example>")
    reply = await client.say(f"RCPT TO:<{recipient}>")
    stage = found[f"recipient {recipient}"]
    assert stage.passed is reply.startswith("250") and reply.strip() in stage.lines[0]


async def test_recipients_that_are_refused_end_and_others_go_on(make: Make) -> None:
    office = await make(listener={"recipients": (RecipientAccess("here.example"),)})
    found = await traced(office, "b@here.example", "c@elsewhere.example")
    assert [name for name, stage in found.items() if not stage.passed] == ["recipient c@elsewhere.example"]
    assert "policy DEFAULT for b@here.example" in found


async def test_suspension_and_pause_are_named(make: Make) -> None:
    office = await make()
    office.gateway.suspend(Suspension(listeners=("InboundMail",)))
    found = await traced(office)
    assert not found["listener"].passed and "resumelistener" in found["listener"].lines[1]
    office.gateway.suspend(Suspension(work_queue="because"))
    found = await traced(office)
    assert found["listener"].passed and "work queue is paused" in found["listener"].lines[1]
    with pytest.raises(NoListener, match="there are: InboundMail"):
        await traced(office, listener="Other")


async def test_routes_by_mx_what_has_none_and_what_a_destination_has_of_its_own(make: Make) -> None:
    own = (DestinationSettings("example.com", connections_max=3, tls="must"),)
    office = await make(delivery={"destinations": own})
    office.names.mx_of["example.com"] = [(10, "mail.example.com")]
    office.names.addresses_of["mail.example.com"] = ["192.0.2.25"]
    office.names.mx_of["dumb.example"] = None
    deliverer = office.gateway.deliverer
    deliverer.use(Routes({".void.example": ["/dev/null"]}))
    deliverer._next_hops._resolver = office.names
    found = await traced(office, "b@example.com", "c@none.example", "d@dumb.example", "e@a.void.example")
    assert found["delivery to example.com"].lines == (
        "route: by MX",
        "TLS: must",
        "connections: 3 at the most",
        "next hop: mail.example.com [192.0.2.25] port 25",
    )
    none, dumb = found["delivery to none.example"], found["delivery to dumb.example"]
    assert not none.passed and none.lines[-1].startswith("bounces: ")
    assert dumb.passed and dumb.lines[-1].startswith("tried again later: ")
    void = found["delivery to a.void.example"]
    assert not void.passed and void.lines[-1] == "it is discarded"
