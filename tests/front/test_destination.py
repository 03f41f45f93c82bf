"""The demo's destination keeps what it takes, octet for octet."""

import json
from pathlib import Path

from pratique.front.destination import Destination
from tests.conformance.samples import MESSAGE
from tests.gateway.office import Client_
from tests.runner.support import join, turns, until


async def _client(destination: Destination) -> Client_:
    client = Client_()
    join(client, destination._session(), source="192.0.2.9", address="192.0.2.1", port=25)
    assert (await client.reply()).startswith("220 destination.example")
    await client.say("EHLO x.example")
    return client


async def test_each_message_is_a_file_with_its_envelope(tmp_path: Path) -> None:
    heard: list[tuple[bytes, list[str]]] = []
    destination = Destination(tmp_path / "mail")
    destination.hear(lambda octets, recipients: heard.append((octets, recipients)))
    client = await _client(destination)
    dots = MESSAGE + b".\r\n..x\r\n"
    for octets in (MESSAGE, dots):
        assert (await client.message("a@x.example", ["b@y.example", "c@y.example"], octets)).startswith("250")
    assert [p.name for p in sorted((tmp_path / "mail").iterdir())] == [
        "000001.eml",
        "000001.json",
        "000002.eml",
        "000002.json",
    ]
    assert (tmp_path / "mail" / "000002.eml").read_bytes() == dots
    envelope = json.loads((tmp_path / "mail" / "000001.json").read_text())
    assert envelope == {"from": "a@x.example", "to": ["b@y.example", "c@y.example"]}
    assert heard == [(MESSAGE, ["b@y.example", "c@y.example"]), (dots, ["b@y.example", "c@y.example"])]
    assert destination.delivered == 2
    assert (await client.say("QUIT")).startswith("221")
    await until(lambda: client.is_closed)


async def test_a_message_that_is_not_finished_leaves_no_file(tmp_path: Path) -> None:
    destination = Destination(tmp_path / "mail")
    client = await _client(destination)
    for command in ("MAIL FROM:<a@x.example>", "RCPT TO:<b@y.example>", "DATA"):
        await client.say(command)
    client.raw(b"Subject: half")
    await turns()
    client.transport.lose()
    await until(lambda: client.is_closed)
    assert list((tmp_path / "mail").iterdir()) == [] and destination.delivered == 0


async def test_it_listens_and_stops(tmp_path: Path) -> None:
    destination = Destination(tmp_path / "mail")
    destination.stop()  # harmless before the start
    await destination.start("127.0.0.1", 0)
    destination.stop()
    assert destination.delivered == 0
