"""The mail log of both roles, as people grep it: the shapes of the technical note to the letter, in their order."""

import json
import re
import socket
from collections.abc import Sequence
from datetime import UTC, datetime

from tests.e2e.world import Appliance, World, message, until

STAMP = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d\d \d\d:\d\d:\d\d \d{4}"
CIPHER = r"(?:TLS_AES_256_GCM_SHA384|TLS_AES_128_GCM_SHA256|TLS_CHACHA20_POLY1305_SHA256)"


def _at(line: str) -> datetime:
    return datetime.strptime(line[:24], "%a %b %d %H:%M:%S %Y").replace(tzinfo=UTC)


def _one(lines: Sequence[str], pattern: str) -> re.Match[str]:
    found = [m for line in lines if (m := re.fullmatch(pattern, line))]
    assert len(found) == 1, f"{pattern}\n" + "\n".join(lines)
    return found[0]


def _check_delivery(appliance: Appliance, other: str, destination: str) -> None:
    """The five lines of a delivery to the quarantine port, to the letter and in order, and the close after 5 s."""
    mine = re.escape(appliance.address)
    appliance.logged(r"Message done DCID \d+ MID \d+ to RID \[0\] \(centralized policy quarantine\)")
    dcid = re.search(r"DCID (\d+)", appliance.grep(r"Message done .*centralized")[0])
    assert dcid
    d = dcid.group(1)
    appliance.logged(rf"Info: DCID {d} close$", seconds=12)
    lines = appliance.grep(rf"DCID {d}\b")
    shapes = [
        rf"{STAMP} Info: New SMTP DCID {d} interface {mine} address {re.escape(other)} port 7025",
        rf"{STAMP} Info: DCID {d} TLS success protocol TLSv1\.3 cipher {CIPHER} {re.escape(destination)}",
        rf"{STAMP} Info: Delivery start DCID {d} MID \d+ to RID \[0\] to Centralized Policy Quarantine",
        rf"{STAMP} Info: Message done DCID {d} MID \d+ to RID \[0\] \(centralized policy quarantine\)",
        rf"{STAMP} Info: DCID {d} close",
    ]
    assert len(lines) == len(shapes), "\n".join(lines)
    for line, shape in zip(lines, shapes, strict=True):
        assert re.fullmatch(shape, line), f"{line}\nis not\n{shape}"
    seconds = (_at(lines[4]) - _at(lines[3])).total_seconds()
    assert 4 <= seconds <= 6, f"closed {seconds} s after the last reply"
    (new,) = [line for line in appliance.grep("port 7025") if f"DCID {d} " in line]
    assert new == lines[0]


def test_a_syslog_server_hears_the_lines_of_the_file(world: World) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(15)
        world.pair(gateway={"log.syslog": f"127.0.0.1:{server.getsockname()[1]}"})
        world.start(world.manager, world.gateway)
        gateway = world.gateway
        gateway.send("a@partner.example", ["b@demo.example"], message("hold log"))
        (line,) = gateway.logged(r"Start MID \d+ ICID")
        text = line.partition(" Info: ")[2]
        heard = server.recv(65_536).decode()
        while "Start MID" not in heard:
            heard = server.recv(65_536).decode()
        assert re.fullmatch(rf"<22>{line[4:10]} {line[11:19]} {gateway.name} mail_logs: Info: {re.escape(text)}", heard)
    assert "Syslog Push" in world.run("shell", str(gateway.directory), "logconfig list").stdout


def test_a_message_leaves_the_lines_of_the_technical_note_on_both_roles(world: World) -> None:
    world.pair(gateway={"log.json": "true"}, manager={"log.json": "true"})
    world.start(world.manager)
    world.start(world.gateway)
    gateway, manager = world.gateway, world.manager
    gateway.send("a@partner.example", ["b@demo.example"], message("hold log"))
    (row,) = until(manager.held)
    mid, gateway_mid = row["mid"], row["attributes"]["esaMid"]

    assert manager.release([mid]) == 1
    until(lambda: world.hop.messages)
    _check_delivery(gateway, manager.address, "the.cpq.host")
    _check_delivery(manager, gateway.address, "the.cpq.release.host")
    for here, there in ((gateway, manager), (manager, gateway)):
        line = next(line for line in here.grep("CPQ ICID") if there.address in line)
        assert re.fullmatch(
            rf"{STAMP} Info: New CPQ ICID \d+ interface Management \({re.escape(here.address)}\) "
            rf"address {re.escape(there.address)} reverse dns host unknown verified no",
            line,
        ), line

    _gateway_story(gateway, manager, gateway_mid)
    _manager_story(manager, gateway, mid, gateway_mid)
    _one_correlation_id(gateway, manager)


def _gateway_story(gateway: Appliance, manager: Appliance, mid: int) -> None:
    lines = gateway.grep(rf"\b(MID {mid})\b")
    head = rf"{STAMP} Info: "
    icid = _one(lines, head + rf"Start MID {mid} ICID (\d+)").group(1)
    _one(lines, head + rf"MID {mid} ICID {icid} From: <a@partner\.example>")
    _one(lines, head + rf"MID {mid} ICID {icid} RID 0 To: <b@demo\.example>")
    _one(lines, head + rf"MID {mid} Message-ID '<hold\.log@partner\.example>'")
    _one(lines, head + rf"MID {mid} Subject 'hold log'")
    _one(lines, head + rf"MID {mid} ready \d+ bytes from <a@partner\.example>")
    _one(lines, head + rf"MID {mid} matched all recipients for per-recipient policy \S+ in the inbound table")
    _one(
        lines, head + rf'MID {mid} enqueued for transfer to centralized quarantine "Policy" \(message filter:hold_all\)'
    )
    session = gateway.grep(rf"\bICID {icid}\b")
    _one(
        session,
        head + rf"New SMTP ICID {icid} interface Data 1 \({re.escape(gateway.address)}\) address 127\.0\.0\.1 "
        "reverse dns host unknown verified no",
    )
    _one(session, head + rf"ICID {icid} ACCEPT SG UNKNOWNLIST match ALL SBRS not enabled")
    _one(session, head + rf"ICID {icid} close")
    back = _one(
        gateway.grep("on release from"),
        head
        + rf"MID (\d+) received from the SMA {re.escape(manager.address)} \(MID originally {mid}\) "
        + r'on release from quarantine "Policy"',
    ).group(1)
    gateway.logged(rf"Message finished MID {back} done")
    order = ["Start MID", "queued for delivery", "Delivery start", "Message done", "Response", "Message finished"]
    story = gateway.grep(rf"\bMID {back}\b")
    places = [next(i for i, line in enumerate(story) if word in line) for word in order]
    assert places == sorted(places), "\n".join(story)
    _one(story, head + rf"Delivery start DCID \d+ MID {back} to RID \[0\]")
    _one(story, head + rf"Message done DCID \d+ MID {back} to RID \[0\]")
    _one(story, head + rf"MID {back} RID \[0\] Response '2\.0\.0 taken'")


def _manager_story(manager: Appliance, gateway: Appliance, mid: int, gateway_mid: int) -> None:
    head = rf"{STAMP} Info: "
    lines = manager.logged(rf"\bMID {mid}\b", count=9)
    _one(lines, head + rf'MID {mid} quarantined to "Policy" \(message filter:hold_all\)')
    _one(lines, head + rf'MID {mid} released from quarantine "Policy" \(manual\) t=\d+')
    _one(lines, head + rf"MID {mid} released from all quarantines")
    _one(lines, head + rf"MID {mid} queued for delivery")
    # `grep <gateway MID> mail_logs` ends with the line that leads to ours, and that line goes on with " ("
    (found,) = manager.grep(rf"MID {mid} .*\b{gateway_mid} \(")
    assert found == manager.grep(rf"MID {gateway_mid} \(")[-1]
    assert gateway.name in found


def _one_correlation_id(gateway: Appliance, manager: Appliance) -> None:
    """The same events as JSON: all lines of the message, on both appliances and all hops, carry the copy's id."""
    ids = set()
    for appliance in (gateway, manager):
        rows = [json.loads(line) for line in appliance.log("mail.json")]
        assert rows
        ids |= {row["cid"] for row in rows if row.get("cid")}
        assert sum(bool(row.get("cid")) for row in rows) > 5
    assert len(ids) == 1


def test_a_log_begins_with_its_header(shared: World) -> None:
    for appliance in (shared.gateway, shared.manager):
        first = until(lambda a=appliance: a.log()[:3])  # type: ignore[misc]
        assert re.fullmatch(rf"{STAMP} Info: Begin Logfile", first[0])
        assert re.fullmatch(rf"{STAMP} Info: Version: \d+\.\d+\.\d+-\d{{3}} SN: \S{{20}}", first[1])
        assert re.fullmatch(rf"{STAMP} Info: Time offset from UTC: 0 seconds", first[2])


def test_a_line_is_at_most_a_second_late(shared: World) -> None:
    with shared.gateway.talk() as talk:
        talk.greeted()
        talk.say("MAIL FROM:<soon@partner.example>")
        (line,) = shared.gateway.logged("soon@partner.example", seconds=2.0)
    late = datetime.now(UTC) - _at(line)
    assert late.total_seconds() < 3  # the stamp has whole seconds; the wait above is the real bound


def test_hostile_text_stays_on_its_line(shared: World) -> None:
    subject = "hold =?utf-8?q?line=0D=0AFri_Sep_13_15=3A08=3A02_2013_Info=3A_forged=1B[2J?="
    shared.gateway.send("a@partner.example", ["b@demo.example"], b"Subject: " + subject.encode() + b"\r\n\r\nx\r\n")
    shared.gateway.logged(r"Subject 'hold line")
    shared.manager.logged(r"Subject 'hold line")
    for appliance in (shared.gateway, shared.manager):
        assert not appliance.grep(r"^Fri Sep 13")
        assert not [line for line in appliance.log() if "\x1b" in line or "\r" in line]


def test_a_refused_connection_names_its_place_and_reason(world: World) -> None:
    world.pair()
    world.start(world.gateway)  # the manager is down
    world.gateway.send("a@partner.example", ["b@demo.example"], message("hold"))
    shape = (
        rf"{STAMP} Info: Connection Error: DCID \d+ domain: the\.cpq\.host IP: {re.escape(world.manager.address)} "
        rf"port: 7025 details: \[Errno 111\] .* interface: {re.escape(world.gateway.address)} reason: network error"
    )
    for line in world.gateway.logged("Connection Error")[:1]:
        assert re.fullmatch(shape, line), line
