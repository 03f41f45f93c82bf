"""Every event's text against the mail-log contract, letter by letter."""

import inspect

import pytest

from pratique.telemetry import events as e

CID = "0190f3a0c0ffee00000000000000abcd"

LINES = [
    (
        e.NewIcid(protocol="CPQ", icid=12345, interface="Management", interface_ip="10.10.10.1", address="10.10.20.1"),
        "New CPQ ICID 12345 interface Management (10.10.10.1) address 10.10.20.1 reverse dns host unknown verified no",
    ),
    (
        e.NewIcid(
            protocol="SMTP",
            icid=3160,
            interface="Data Port",
            interface_ip="10.10.1.12",
            address="10.10.1.5",
            host="mx.example.org",
            verified=True,
        ),
        (
            "New SMTP ICID 3160 interface Data Port (10.10.1.12) address 10.10.1.5 "
            "reverse dns host mx.example.org verified yes"
        ),
    ),
    (
        e.IcidAction(icid=3160, action="ACCEPT", group="None", match="ALL"),
        "ICID 3160 ACCEPT SG None match ALL SBRS not enabled",
    ),
    (
        e.IcidTls(icid=1, protocol="TLSv1.3", cipher="TLS_AES_256_GCM_SHA384"),
        "ICID 1 TLS success protocol TLSv1.3 cipher TLS_AES_256_GCM_SHA384",
    ),
    (
        e.IcidTlsFailed(icid=1, address="10.0.0.1", reason="no shared cipher"),
        "ICID 1 TLS failed: no shared cipher (address 10.0.0.1)",
    ),
    (
        e.IcidRefused(icid=1, address="10.0.0.1", reason="certificate unknown, enroll the gateway"),
        "ICID 1 address 10.0.0.1 refused: certificate unknown, enroll the gateway",
    ),
    (e.IcidClose(icid=3160), "ICID 3160 close"),
    (e.IcidLost(icid=3160), "ICID 3160 lost"),
    (e.StartMid(mid=64855, icid=3160), "Start MID 64855 ICID 3160"),
    (e.MidFrom(mid=64855, icid=3160, sender="matt@abc.example"), "MID 64855 ICID 3160 From: <matt@abc.example>"),
    (e.MidTo(mid=7, icid=3, rid=0, recipient="b@c.example"), "MID 7 ICID 3 RID 0 To: <b@c.example>"),
    (
        e.RecipientRefused(icid=3, recipient="b@c.example", reply="550 5.7.1 relaying denied"),
        "ICID 3 To: <b@c.example> Rejected: 550 5.7.1 relaying denied",
    ),
    (e.MessageId(mid=7, value="<op.x@host>"), "MID 7 Message-ID '<op.x@host>'"),
    (e.Subject(mid=7, value="sample"), "MID 7 Subject 'sample'"),
    (e.MidReady(mid=7, size=494, sender="matt@abc.example"), "MID 7 ready 494 bytes from <matt@abc.example>"),
    (
        e.PolicyMatched(mid=7, policy="mail_policy_one", table="inbound"),
        "MID 7 matched all recipients for per-recipient policy mail_policy_one in the inbound table",
    ),
    (
        e.Generated(mid=8, parent=7, by="content filter 'x'"),
        "MID 8 was generated based on MID 7 by content filter 'x'",
    ),
    (e.Aborted(mid=13), "Message aborted MID 13 Receiving aborted by sender"),
    (e.FinishedAborted(mid=13), "Message finished MID 13 aborted"),
    (e.InterimVirus(mid=7, engine="ClamAV", result="CLEAN"), "MID 7 interim AV verdict using ClamAV CLEAN"),
    (e.Virus(mid=7, verdict="negative"), "MID 7 antivirus negative"),
    (e.Virus(mid=7, verdict="positive", name="EICAR-AV-Test"), "MID 7 antivirus positive 'EICAR-AV-Test'"),
    (e.Outbreak(mid=7, verdict="positive"), "MID 7 Outbreak Filters: verdict positive"),
    (e.AttachmentSeen(mid=7, name="x.zip"), "MID 7 attachment 'x.zip'"),
    (e.CustomEntry(mid=7, entry="seen"), "MID 7 Custom Log Entry: seen"),
    (
        e.BouncedBy(mid=7, by="message filter 'x'", table="inbound"),
        "MID 7 Bounced by message filter 'x' in the inbound table",
    ),
    (
        e.Dropped(mid=7, by="content filter 'x'", table="inbound"),
        "MID 7 Dropped by content filter 'x' in the inbound table",
    ),
    (
        e.NotJudgedInTime(mid=7, seconds=2.5),
        "MID 7 accepted unjudged after 2.5 s, judging goes on from the queue",
    ),
    (
        e.Quarantined(mid=7, quarantine="Policy", reason="content filter:Profanity"),
        'MID 7 quarantined to "Policy" (content filter:Profanity)',
    ),
    (
        e.Enqueued(mid=23456, quarantine="Policy", reason="content filter:X"),
        'MID 23456 enqueued for transfer to centralized quarantine "Policy" (content filter:X)',
    ),
    (
        e.ReceivedFromGateway(mid=9, origin_mid=23456, host="gw1", serial="564D0000000000000001"),
        "MID 9 received from the ESA gw1 MID 23456 (564D0000000000000001)",
    ),
    (
        e.ReceivedFromManager(mid=513, address="10.10.10.1", origin_mid=23456, quarantine="Policy"),
        'MID 513 received from the SMA 10.10.10.1 (MID originally 23456) on release from quarantine "Policy"',
    ),
    (
        e.HoldEnded(mid=7, mark="released", quarantine="Outbreak", cause="expired", held_s=3238),
        'MID 7 released from quarantine "Outbreak" (expired) t=3238',
    ),
    (
        e.HoldEnded(mid=7, mark="released", quarantine="X", cause="queue full", held_s=5, stripped=True),
        'MID 7 released (attachments stripped) from quarantine "X" (queue full) t=5',
    ),
    (
        e.HoldEnded(mid=7, mark="deleted", quarantine="Virus", cause="expired", held_s=86400),
        'MID 7 deleted from quarantine "Virus" (expired) t=86400',
    ),
    (e.AllEnded(mid=7, mark="released"), "MID 7 released from all quarantines"),
    (e.Rewritten(mid=483, new_mid=513), "MID 483 rewritten to 513 by Policy Quarantine"),
    (e.NewReason(mid=7, quarantine="Outbreak", reason="rule 3"), 'MID 7 quarantine "Outbreak" new reason (rule 3)'),
    (e.QueuedForDelivery(mid=7), "MID 7 queued for delivery"),
    (
        e.NewDcid(dcid=12345, interface_ip="10.10.20.1", address="10.10.10.1", port=7025),
        "New SMTP DCID 12345 interface 10.10.20.1 address 10.10.10.1 port 7025",
    ),
    (
        e.DcidTls(dcid=12345, protocol="TLSv1.3", cipher="TLS_AES_256_GCM_SHA384", domain="the.cpq.host"),
        "DCID 12345 TLS success protocol TLSv1.3 cipher TLS_AES_256_GCM_SHA384 the.cpq.host",
    ),
    (e.DcidTlsFailed(dcid=5, reason="certificate has expired"), "DCID 5 TLS failed: certificate has expired"),
    (
        e.DeliveryStart(dcid=12345, mid=23456, rids=(0,), quarantine=True),
        "Delivery start DCID 12345 MID 23456 to RID [0] to Centralized Policy Quarantine",
    ),
    (e.DeliveryStart(dcid=8, mid=6, rids=(0, 1)), "Delivery start DCID 8 MID 6 to RID [0, 1]"),
    (
        e.MessageDone(dcid=12345, mid=23456, rids=(0,), quarantine=True),
        "Message done DCID 12345 MID 23456 to RID [0] (centralized policy quarantine)",
    ),
    (e.MessageDone(dcid=8, mid=6, rids=(0,)), "Message done DCID 8 MID 6 to RID [0]"),
    (e.Response(mid=6, rids=(0,), reply="2.0.0 OK"), "MID 6 RID [0] Response '2.0.0 OK'"),
    (e.Finished(mid=6), "Message finished MID 6 done"),
    (e.DcidClose(dcid=12345), "DCID 12345 close"),
    (
        e.Undelivered(
            what="Bounced",
            dcid=3,
            mid=4,
            rid=0,
            enhanced="5.1.0",
            phrase="Unknown address error",
            code="550",
            reply="<x@y>... Relaying denied",
        ),
        "Bounced: DCID 3 MID 4 to RID 0 - 5.1.0 - Unknown address error ('550', ['<x@y>... Relaying denied']) []",
    ),
    (
        e.Undelivered(what="Delayed", dcid=5, mid=4, rid=0, enhanced="4.1.0", phrase="Bad host", code="000", reply=""),
        "Delayed: DCID 5 MID 4 to RID 0 - 4.1.0 - Bad host ('000', []) []",
    ),
    (
        e.RecipientsDeleted(mid=4, rids=(0, 2), domain="slow.example", actor="olga"),
        "MID 4 to RID [0, 2] at slow.example: deleted by olga",
    ),
    (
        e.Pending(mid=4, rids=(0,), until="Mon Mar 31 20:01:23 2003"),
        "Message 4 to RID [0] pending till Mon Mar 31 20:01:23 2003",
    ),
    (e.BounceGenerated(mid=9, parent=4), "MID 9 was generated for bounce of MID 4"),
    (
        e.ConnectionFailed(
            dcid=5,
            domain="the.cpq.host",
            address="10.10.10.1",
            port=7025,
            details="[Errno 111] Connection refused",
            interface_ip="10.10.20.1",
        ),
        (
            "Connection Error: DCID 5 domain: the.cpq.host IP: 10.10.10.1 port: 7025 "
            "details: [Errno 111] Connection refused interface: 10.10.20.1 reason: network error"
        ),
    ),
    (e.CanaryReturned(mid=47, seconds=0.2144), "MID 47 canary came back after 0.214 s and was discarded"),
    (e.CanaryLost(mid=47, why="nobody has it"), "MID 47 canary did not come back: nobody has it"),
    (
        e.Fault(error="database: disk full, mail waits"),
        "An application fault occurred: database: disk full, mail waits",
    ),
    (e.Note(message="ready"), "ready"),
    (e.Trouble(message="clock moved"), "clock moved"),
    (e.Alarm(message="store failed"), "store failed"),
    (e.DebugNote(message="x"), "x"),
    (e.Over(message="the disk has room again", condition=e.Condition.DISK), "the disk has room again"),
    (
        e.AlertRaised(sort="System/Warning", subject="Warning <System> gw: x", mid=7),
        'A System/Warning alert was raised with subject "Warning <System> gw: x": MID 7',
    ),
    (
        e.AlertSent(sort="System/Warning", to="ops@example.org", subject="Warning <System> gw: x"),
        'A System/Warning alert was sent to ops@example.org with subject "Warning <System> gw: x"',
    ),
    (
        e.AlertNotSent(sort="System/Warning", to="ops@example.org", why="550 no"),
        "Error while sending alert: Unable to send System/Warning alert to ops@example.org: 550 no",
    ),
]


@pytest.mark.parametrize(("event", "text"), LINES, ids=lambda value: value if isinstance(value, str) else "")
def test_text_is_the_contract_s_line(event: e.Event, text: str) -> None:
    assert event.text() == text


def test_every_event_has_a_line_here() -> None:
    classes = {c for _, c in inspect.getmembers(e, inspect.isclass) if issubclass(c, e.Event) and c is not e.Event}
    assert {type(event) for event, _ in LINES} == classes


def test_levels() -> None:
    levels = {type(event).__name__: event.level for event, _ in LINES}
    assert levels["Fault"] == "Warning"  # the contract names this level
    assert {levels[n] for n in ("NewIcid", "IcidTlsFailed", "DcidTlsFailed", "MessageDone", "Undelivered")} == {"Info"}
    assert set(levels.values()) <= {"Critical", "Warning", "Info", "Debug", "Trace"}


def test_text_from_mail_stays_on_its_line() -> None:
    assert e.Subject(mid=1, value="a\r\nFri Sep 13 Info: forged\x1b[2J").text() == (
        "MID 1 Subject 'a\\r\\nFri Sep 13 Info: forged\\x1b[2J'"
    )


def test_grep_for_the_gateway_s_mid_ends_with_the_line_that_names_the_manager_s() -> None:
    line = e.ReceivedFromGateway(mid=9, origin_mid=23456, host="gw1", serial="S" * 20).text()
    assert "MID 9 " in line
    assert "MID 23456 (" in line
