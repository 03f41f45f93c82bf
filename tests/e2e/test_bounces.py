"""Delivery that does not succeed at once: retries, notices to senders, silence to the null sender, stopped loops."""

import email
import re

from tests.e2e.world import World, message, until

BOUNCE = 'no: if (subject == "^bounce") { bounce(); }'
QUICK = {"delivery.retry.initial_s": "1", "delivery.retry.jitter_percent": "0"}


def test_a_filter_that_bounces_tells_the_sender(world: World) -> None:
    world.pair(gateway={"gateway.policy.filters": BOUNCE})
    world.start(world.gateway)
    reply = world.gateway.send("a@partner.example", ["b@demo.example", "c@demo.example"], message("bounce me"))
    assert reply.startswith("250")  # a filter never changes the SMTP reply
    until(lambda: world.hop.messages)
    (notice,) = world.hop.messages
    assert (notice.sender, notice.recipients) == ("", ("a@partner.example",))
    parsed = email.message_from_bytes(notice.octets)
    assert parsed.get_content_type() == "multipart/report"
    assert parsed.get_param("report-type") == "delivery-status"
    _, status, original = parsed.get_payload()  # type: ignore[misc]
    assert status.get_content_type() == "message/delivery-status"  # type: ignore[union-attr]
    text = notice.octets.decode()
    assert text.count("Action: failed") == 2
    for address in ("b@demo.example", "c@demo.example"):
        assert re.search(rf"Final-Recipient: *rfc822; *{re.escape(address)}", text)
    assert "Status: 5.7.1" in text
    assert "bounce.me@partner.example" in original.as_string()  # type: ignore[union-attr]
    world.gateway.logged(r"MID \d+ was generated for bounce of MID \d+")


def test_the_null_sender_is_never_answered(world: World) -> None:
    world.pair(gateway={"gateway.policy.filters": BOUNCE, **QUICK})
    world.start(world.gateway)
    world.hop.answers["RCPT"].append("550 5.1.1 no such user")
    assert world.gateway.send("", ["b@demo.example"], message("bounce null")).startswith("250")
    assert world.gateway.send("", ["c@demo.example"], message("refused by the next hop")).startswith("250")
    until(lambda: world.gateway.count("copy WHERE custody = 'SETTLED'") == 2)
    assert world.gateway.count("copy") == 2  # no notice was made
    assert world.gateway.count("delivery WHERE state = 'FAILED'") == 1
    assert world.hop.messages == []


def test_a_next_hop_that_says_later_gets_it_later(world: World) -> None:
    world.pair(gateway={"gateway.policy.filters": BOUNCE, **QUICK})
    world.start(world.gateway)
    world.hop.answers["RCPT"].extend(["450 4.2.0 later, please", "451 4.3.0 still busy"])
    octets = message("patience")
    assert world.gateway.send("a@partner.example", ["b@demo.example"], octets).startswith("250")
    until(lambda: world.hop.messages)
    assert [m.same_as(octets) for m in world.hop.messages] == [True]
    first = world.gateway.logged(r"Delayed: ", count=2)[0]
    shape = r"Info: Delayed: DCID \d+ MID \d+ to RID 0 - 4\.2\.0 - .+ \('450', \['later, please'\]\) \[\]$"
    assert re.search(shape, first), first
    (pending,) = world.gateway.grep(r"pending till")[:1]
    assert re.search(r"Info: Message \d+ to RID \[0\] pending till \w{3} \w{3} \d\d \d\d:\d\d:\d\d \d{4}$", pending)
    assert b"X-Possible-Duplicate" not in world.hop.messages[0].octets


def test_a_lost_answer_to_the_end_is_tried_again_and_the_duplicate_has_a_name(world: World) -> None:
    world.pair(gateway={"gateway.policy.filters": BOUNCE, **QUICK})
    world.start(world.gateway)
    world.hop.drop_before_answer = 1
    octets = message("doubt")
    assert world.gateway.send("a@partner.example", ["b@demo.example"], octets).startswith("250")
    until(lambda: len(world.hop.messages) == 2)
    first, second = world.hop.messages
    assert first.same_as(octets) and second.same_as(octets)
    assert b"X-Possible-Duplicate: yes\r\n" not in first.octets
    assert b"X-Possible-Duplicate: yes\r\n" in second.octets
    world.gateway.logged(r"Warning: MID \d+ to demo\.example: the end was sent and no answer came; possible duplicate")


def test_a_refusal_of_one_recipient_is_reported_for_that_one(world: World) -> None:
    world.pair(gateway={"gateway.policy.filters": BOUNCE})
    world.start(world.gateway)
    world.hop.answers["RCPT"].append("550 5.1.1 no such user")
    octets = message("half")
    world.gateway.send("a@partner.example", ["gone@demo.example", "here@demo.example"], octets)
    until(lambda: len(world.hop.messages) == 2)
    taken = {m.recipients: m for m in world.hop.messages}
    assert taken["here@demo.example",].same_as(octets)
    notice = taken["a@partner.example",]
    assert notice.sender == ""
    text = notice.octets.decode()
    assert text.count("Action: failed") == 1 and "gone@demo.example" in text and "here@demo.example" not in text
    line = world.gateway.logged(r"Bounced: ")[0]
    assert re.search(r"Info: Bounced: DCID \d+ MID \d+ to RID 0 - 5\.1\.1 - ", line), line
    assert line.endswith(" - Bad destination mailbox address ('550', ['no such user']) []")


def test_a_delay_is_reported_once_when_the_operator_wants_it(world: World) -> None:
    world.pair(gateway={"gateway.policy.filters": BOUNCE, "delivery.bounce.delay_warning": "true", **QUICK})
    world.start(world.gateway)
    world.hop.answers["RCPT"].extend(["450 4.2.0 later"] * 2)
    world.gateway.send("a@partner.example", ["b@demo.example"], message("slow"))
    until(lambda: world.hop.recipients()["b@demo.example"])
    until(lambda: world.hop.recipients()["a@partner.example"])
    (warning,) = [m for m in world.hop.messages if m.sender == ""]
    assert "Action: delayed" in warning.octets.decode()


def test_mail_that_loops_is_stopped(world: World) -> None:
    world.pair(gateway={"gateway.policy.filters": BOUNCE, "delivery.hops_max": "50"})
    world.start(world.gateway)
    line = b"Received: from a by b; Tue, 24 Nov 2026 05:00:00 +0000\r\n"
    reply = world.gateway.send("a@partner.example", ["b@demo.example"], line * 51 + message("loop"))
    assert reply.startswith("554 5.4.6"), reply
    assert world.gateway.send("a@partner.example", ["b@demo.example"], line * 50 + message("fine")).startswith("250")
    assert world.gateway.count("copy") == 1


def test_a_next_hop_that_is_down_is_tried_again(world: World) -> None:
    port = world.hop.port
    options = {
        "gateway.policy.filters": BOUNCE,
        "delivery.smtproutes": f'["ALL {world.network}.8:{port}, {world.hop.address}:{port}"]',
    }
    world.pair(gateway=options)
    world.start(world.gateway)
    octets = message("second target")
    world.gateway.send("a@partner.example", ["b@demo.example"], octets)
    until(lambda: world.hop.messages)
    assert world.hop.messages[0].same_as(octets)
    (line,) = world.gateway.logged(r"Connection Error: DCID \d+ domain: demo\.example")
    assert f"IP: {world.network}.8 port: {port} details: [Errno 111]" in line
