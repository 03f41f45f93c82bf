"""One ordinary message, and the changes a test makes to it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pratique.mail.envelope import Envelope, Recipient
from pratique.policy.evaluate import Program
from pratique.policy.facts import Attachment, Facts, Message
from pratique.policy.settings import PolicySettings

MESSAGE = Message(
    subject="Quarterly figures",
    from_header="Ann <ann@partner.example>",
    message_id="<1@partner.example>",
    headers=(
        ("From", "Ann <ann@partner.example>"),
        ("To", "Bob <bob@here.example>, carol@here.example"),
        ("Subject", "Quarterly figures"),
        ("X-Mailer", "Mailer 1"),
        ("X-Mailer", "Mailer 2"),
    ),
    attachments=(Attachment("figures.exe", "application/zip", 2_000, 2_740, "2"),),
    size=10_000,
    texts=(("1", "Dear Bob,\nthe secret is out.\n"), ("3", "an attached note: secret, secret")),
)
FACTS = Facts(
    envelope=Envelope("ann@partner.example", (Recipient("bob@here.example"), Recipient("carol@here.example"))),
    remote_ip="192.0.2.10",
    remote_host="mx.partner.example",
    helo="mx.partner.example",
    listener="Public",
    interface="Data 1",
    table="inbound",
    message=MESSAGE,
    now_ms=1_798_761_600_000,  # 2027-01-01 00:00:00 UTC
    mid=42,
    hostname="gw1.here.example",
    sender_group="UNKNOWNLIST",
    mail_flow="ACCEPT",
)

MakeFacts = Callable[..., Facts]
Compile = Callable[..., Program]


@pytest.fixture
def make_facts() -> MakeFacts:
    """Facts with some of its own or its message's fields, sender or recipients replaced."""

    def make(**changes: Any) -> Facts:
        message, facts = MESSAGE, FACTS
        for name, value in changes.items():
            if name == "sender":
                facts = replace(facts, envelope=replace(facts.envelope, sender=value))
            elif name == "recipients":
                recipients = tuple(Recipient(address) for address in value)
                facts = replace(facts, envelope=replace(facts.envelope, recipients=recipients))
            elif hasattr(message, name):
                message = replace(message, **{name: value})
            else:
                facts = replace(facts, **{name: value})
        return replace(facts, message=message)

    return make


@pytest.fixture
def compile_() -> Compile:
    """A program with the quarantines Policy, Legal, Virus, Outbreak."""

    def compile_one(filters: str = "", **settings: Any) -> Program:
        quarantines = frozenset({"Policy", "Legal", "Virus", "Outbreak"})
        return Program.compile(PolicySettings(filters=filters, **settings), quarantines)

    return compile_one
