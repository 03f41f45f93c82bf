"""Makes the pages that are derived from code: docs/options.md and the table of docs/operate/logs.md.

Run it after a change of an option or of a log event: `.venv/bin/python docs/generate.py`. The tests in tests/docs make
the same texts and compare; they fail when a page is behind, or when an event has no meaning here.
"""

import re
import sys
from pathlib import Path
from typing import Any

from pratique.config import as_markdown, describe
from pratique.front.options import GatewayOptions, ManagerOptions
from pratique.telemetry import events, events_in, events_out

DOCS = Path(__file__).parent
PACKAGE = DOCS.parent / "pratique"
OPTIONS = DOCS / "options.md"
LOGS = DOCS / "operate" / "logs.md"
BEGIN = "<!-- table of lines: made by docs/generate.py -->"
END = "<!-- end of the table -->"

OPTIONS_HEAD = """\
# Options of `pratique.toml`

Made by `docs/generate.py` from the declarations; edit those. One file for each appliance: `DIR/pratique.toml`.
`pratique init` writes it with every option as a comment at its default; `--set a.b=value` sets one, and `a.0.b` is the
first table of an array. In the lists below `[]` stands for each table of an array. `pratique check-config DIR` checks a
file and names every problem with its line.

On SIGHUP (`systemctl reload`), `reload` and `commit` filters, mail policies, outbreak rules, access tables, routes and
some others take effect for the next message; the rest does at the next start: see
[configuration](operate/configuration.md). A file with a mistake changes nothing; the log says so.
"""

# One sample of each event, and what the line means. The line in the table is the event's own text.
MEANINGS: dict[str, tuple[dict[str, Any], str]] = {
    "NewIcid": (
        {"protocol": "CPQ", "icid": 7, "interface": "Management", "interface_ip": "192.0.2.1", "address": "192.0.2.9"},
        "A connection came in; `SMTP` on a listener, `CPQ` on the quarantine port",
    ),
    "IcidAction": (
        {"icid": 7, "action": "ACCEPT", "group": "UNKNOWNLIST", "match": "ALL"},
        "What the host access table says: ACCEPT, RELAY, REJECT, TCPREFUSE",
    ),
    "IcidTls": ({"icid": 7, "protocol": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384"}, "TLS is up"),
    "IcidTlsFailed": (
        {"icid": 7, "address": "192.0.2.9", "reason": "no certificate; only enrolled appliances are let in"},
        "The handshake failed; on the quarantine port usually a stranger or an enrolment that is missing",
    ),
    "IcidRefused": (
        {"icid": 7, "address": "192.0.2.9", "reason": "its certificate is not enrolled here"},
        "The peer was refused, or broke the protocol",
    ),
    "IcidClose": ({"icid": 7}, "The connection ended in order"),
    "IcidLost": ({"icid": 7}, "The connection ended without QUIT"),
    "StartMid": ({"mid": 41, "icid": 7}, "A message begins; it is not accepted yet"),
    "MidFrom": ({"mid": 41, "icid": 7, "sender": "a@partner.example"}, "Envelope sender; `<>` for a bounce"),
    "MidTo": ({"mid": 41, "icid": 7, "rid": 0, "recipient": "b@example.org"}, "An accepted recipient and its number"),
    "RecipientRefused": (
        {"icid": 7, "recipient": "b@other.example", "reply": "550 5.7.1 relaying denied"},
        "A recipient was refused",
    ),
    "MessageId": ({"mid": 41, "value": "<1@partner.example>"}, "The Message-ID header"),
    "Subject": ({"mid": 41, "value": "Invoice"}, "The subject, decoded"),
    "MidReady": ({"mid": 41, "size": 10240, "sender": "a@partner.example"}, "The message is complete, with its size"),
    "PolicyMatched": ({"mid": 41, "policy": "DEFAULT", "table": "inbound"}, "The mail policy that decided"),
    "Generated": (
        {"mid": 42, "parent": 41, "by": "policy Sales"},
        "A further MID was made: other recipients with another fate, or a duplicate that a filter ordered",
    ),
    "Aborted": ({"mid": 41}, "A message that had begun was not taken; the sender keeps it"),
    "FinishedAborted": ({"mid": 41}, "The end of an aborted message"),
    "InterimVirus": ({"mid": 41, "engine": "YARA-X", "result": "CLEAN"}, "What one engine found"),
    "Virus": ({"mid": 41, "verdict": "positive", "name": "EICAR-AV-Test"}, "The virus verdict over all engines"),
    "Outbreak": ({"mid": 41, "verdict": "positive"}, "The verdict of the outbreak rules"),
    "AttachmentSeen": ({"mid": 41, "name": "invoice.exe"}, "The name of an attachment"),
    "CustomEntry": ({"mid": 41, "entry": "hold_programs: invoice.exe"}, "A filter's `log-entry`"),
    "BouncedBy": (
        {"mid": 41, "by": "message filter 'x'", "table": "inbound"},
        "A filter had the message returned to its sender, on record; a `Bounced` line for each recipient follows",
    ),
    "Dropped": (
        {"mid": 41, "by": "message filter 'x'", "table": "inbound"},
        "A filter or a policy dropped the message, on record",
    ),
    "NotJudgedInTime": (
        {"mid": 41, "seconds": 5.0},
        "The verdict took longer than `gateway.judge_deadline_seconds`; it is durable and judged from the queue",
    ),
    "Quarantined": (
        {"mid": 56, "quarantine": "Policy", "reason": "message filter:hold_programs"},
        "Manager: held; one line for each quarantine",
    ),
    "Enqueued": (
        {"mid": 41, "quarantine": "Policy", "reason": "message filter:hold_programs"},
        "Gateway: judged to be held, and queued for the manager",
    ),
    "ReceivedFromGateway": (
        {"mid": 56, "origin_mid": 41, "host": "gw1.example.org", "serial": "0123456789ABCDEF0123"},
        "Manager: leads from the gateway's MID to its own",
    ),
    "ReceivedFromManager": (
        {"mid": 60, "address": "192.0.2.1", "origin_mid": 41, "quarantine": "Policy"},
        "Gateway: a released message came back under a new MID",
    ),
    "HoldEnded": (
        {"mid": 56, "mark": "released", "quarantine": "Policy", "cause": "manual", "held_s": 3238},
        "Manager: released from or deleted in one quarantine; cause `manual`, `expired` or `queue full`; seconds held",
    ),
    "AllEnded": ({"mid": 56, "mark": "released"}, "Manager: the last quarantine let it go (or one deleted it)"),
    "Rewritten": ({"mid": 56, "new_mid": 57}, "The message goes on under a new MID because a hold changed it"),
    "NewReason": ({"mid": 56, "quarantine": "Outbreak", "reason": "rule 7"}, "A held message met a further rule"),
    "QueuedForDelivery": ({"mid": 41}, "Durable, and due for delivery (on a manager: for release to a gateway)"),
    "NewDcid": (
        {"dcid": 9, "interface_ip": "192.0.2.9", "address": "192.0.2.1", "port": 7025},
        "A connection to a next hop (port 7025: to another appliance)",
    ),
    "DcidTls": (
        {"dcid": 9, "protocol": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384", "domain": "the.cpq.host"},
        "TLS is up; towards another appliance also: it is the enrolled one and has accepted us",
    ),
    "DcidTlsFailed": ({"dcid": 9, "reason": "certificate unknown"}, "TLS towards a next hop failed"),
    "DeliveryStart": (
        {"dcid": 9, "mid": 41, "rids": (0,), "quarantine": True},
        "An attempt begins; without the last four words it is a delivery to a next hop",
    ),
    "MessageDone": (
        {"dcid": 9, "mid": 41, "rids": (0,), "quarantine": True},
        "Taken by the other side and durable here",
    ),
    "Response": ({"mid": 41, "rids": (0,), "reply": "2.0.0 Ok: queued as 7C04921C15B"}, "What the next hop answered"),
    "Finished": ({"mid": 41}, "No recipient is open any more"),
    "DcidClose": ({"dcid": 9}, "The connection ended"),
    "Undelivered": (
        {
            "what": "Delayed",
            "dcid": 9,
            "mid": 41,
            "rid": 0,
            "enhanced": "4.2.2",
            "phrase": "Mailbox full",
            "code": "452",
            "reply": "mailbox is full",
        },
        "`Delayed` is tried again, `Bounced` is given up; with 5.4.7 the time ran out, and the answer is the last one",
    ),
    "RecipientsDeleted": (
        {"mid": 41, "rids": (0,), "domain": "slow.example", "actor": "olga"},
        "A person deleted what waited; nobody is told",
    ),
    "Pending": ({"mid": 41, "rids": (0,), "until": "Mon Mar 31 20:01:23 2003"}, "When the next attempt is due (UTC)"),
    "BounceGenerated": ({"mid": 43, "parent": 41}, "A notice to the sender was made"),
    "ConnectionFailed": (
        {
            "dcid": 9,
            "domain": "the.cpq.host",
            "address": "192.0.2.1",
            "port": 7025,
            "details": "[Errno 111] Connection refused",
            "interface_ip": "auto",
        },
        "A next hop or another appliance could not be reached",
    ),
    "CanaryReturned": (
        {"mid": 47, "seconds": 0.214},
        "`pratique doctor` sent a message of our own to the manager and it came back; nobody receives it",
    ),
    "CanaryLost": (
        {"mid": 47, "why": "the manager has it and did not release it in time"},
        "That message did not come back; the text says how far it came",
    ),
    "Fault": (
        {"error": "store: cannot write to the spool: No space left on device"},
        "A component of ours failed; the text says which and what happens next",
    ),
    "Note": ({"message": "4 recipients wait for delivery from before the start"}, "Worth reading, no shape of its own"),
    "Trouble": (
        {"message": "MID 41 to example.org: the end was sent before a crash; possible duplicate"},
        "The same, and something is not as it should be",
    ),
    "Alarm": (
        {"message": "MID 41 must be held and no manager is enrolled; refused for now"},
        "A person must act; the text says how",
    ),
    "Over": ({"message": "the disk has room again: mail is taken"}, "Something of which an alert told has ended"),
    "AlertRaised": (
        {"sort": "Hardware/Critical", "subject": "Critical <Hardware> gw1.example.org: the disk is full", "mid": 48},
        "An [alert](alerts.md); its mail is in the queue under that MID",
    ),
    "AlertSent": (
        {
            "sort": "Hardware/Critical",
            "to": "ops@example.org",
            "subject": "Critical <Hardware> gw1.example.org: the disk is full",
        },
        "A mail server has taken it",
    ),
    "AlertNotSent": (
        {"sort": "Hardware/Critical", "to": "ops@example.org", "why": "550 5.1.1 no such mailbox"},
        "Nobody will hear of it; correct the address, or the way to its server",
    ),
    "DebugNote": ({"message": "ICID 7 VRFY answered 502 5.5.1"}, "Detail for fault finding"),
}


def event_classes() -> list[type[events.Event]]:
    """In the order of the way of a message, the appliance's own last."""
    made = [c for m in (events_in, events_out, events) for c in vars(m).values() if isinstance(c, type)]
    classes = dict.fromkeys(c for c in made if issubclass(c, events.Event) and c is not events.Event)
    return list(classes)


def written_events() -> set[str]:
    """The classes that some part of the package makes; every room imports the module as `log`."""
    text = "\n".join(p.read_text(encoding="utf-8") for p in PACKAGE.rglob("*.py") if p.parent.name != "telemetry")
    return {c.__name__ for c in event_classes() if re.search(rf"\blog\.{c.__name__}\b", text)}


def options_page() -> str:
    pages = [OPTIONS_HEAD]
    for name, cls in (("Gateway", GatewayOptions), ("Manager", ManagerOptions)):
        pages.append(f"## {name}\n\n{as_markdown(describe(cls))}")
    return "\n".join(pages)


def log_table() -> str:
    written = written_events()
    lines = [BEGIN, "", "| event | level | line | meaning |", "|---|---|---|---|"]
    for cls in event_classes():
        fields, meaning = MEANINGS[cls.__name__]
        text = cls(**fields).text().replace("|", "\\|")
        if cls.__name__ not in written:
            meaning += " (no part writes it yet)"
        lines.append(f"| {cls.__name__} | {cls.level} | `{text}` | {meaning} |")
    return "\n".join([*lines, "", END])


def with_log_table(page: str) -> str:
    """The page with its table made anew."""
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    return before + log_table() + after


def main() -> int:
    OPTIONS.write_text(options_page(), encoding="utf-8")
    LOGS.write_text(with_log_table(LOGS.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
