"""applianceconfig: the list of gateways in dialogues and by words; what needs a pass phrase asks for it."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pratique.console.access.roles import Person
from pratique.console.commands.desk import Desk
from pratique.fleet.enrolment import Enrolment
from pratique.fleet.identity import create, fingerprint_of_pem, public_signing_key
from pratique.manager.settings import NONE, alternate_of
from tests.console.verbs.conftest import Logged
from tests.console.verbs.hearing import Hearing, hear

ADMIN = Person("administrator", "administrator", "password")
SERIAL, MANAGER_SERIAL = "564DAAAA00000000GW01", "564DAAAA00000000MA01"


def paper(directory: Path, role: str, serial: str) -> Enrolment:
    keys = create(directory / role, name="x", serial=serial, addresses=(), signing=role == "manager")
    pem = keys.cpq_certificate.read_text()
    return Enrolment(
        f"{role}.example", role, serial, "192.0.2.1", 7025, pem, fingerprint_of_pem(pem), public_signing_key(keys)
    )


@dataclass
class Fleet:
    """A running appliance that reaches nobody."""

    own: Enrolment
    changes: int = 0
    configured_alternate: str = ""
    wrong: str = "no connection"  # at the quarantine port of every gateway

    def enrolment(self) -> Enrolment:
        return self.own

    def changed(self) -> None:
        self.changes += 1

    async def ask(self, serial: str) -> None:
        return None

    async def probe(self, serial: str, place: tuple[str, int]) -> str:
        return self.wrong


@pytest.fixture
def desk(logged: Logged, tmp_path: Path) -> Desk:
    return replace(logged.desk, fleet=Fleet(paper(tmp_path, "manager", MANAGER_SERIAL)))  # type: ignore[arg-type]


async def do(desk: Desk, line: str, *answers: str) -> str:
    heard, status = await hear(desk, ADMIN, line, *answers)
    assert (status, heard.complaints) == (0, []), heard
    return heard.text


async def refused(desk: Desk, line: str, *answers: str, status: int = 1) -> Hearing:
    heard, found = await hear(desk, ADMIN, line, *answers)
    assert found == status, heard
    return heard


async def rows(desk: Desk) -> list[dict[str, object]]:
    return list(json.loads(await do(desk, "applianceconfig list --json")))


async def test_an_appliance_is_added_changed_and_removed_by_words_or_in_a_dialogue(desk: Desk) -> None:
    assert "No appliances" in await do(desk, "applianceconfig list")
    await do(desk, "applianceconfig add 192.0.2.7 east 22")
    await do(desk, "applianceconfig", "ADD", "gw2.example", "west", "2222")
    found = await rows(desk)
    assert [(r["label"], r["address"], r["port"], r["serial"]) for r in found] == [
        ("east", "192.0.2.7", 22, ""),
        ("west", "gw2.example", 2222, ""),
    ]
    await do(desk, "applianceconfig edit west 192.0.2.8 north 23")
    assert "north" in await do(desk, "applianceconfig list")
    await refused(desk, "applianceconfig delete north", "n")
    await do(desk, "applianceconfig delete north yes")
    assert [r["label"] for r in await rows(desk)] == ["east"]
    actions = [row.action for row in desk.store.view.audit(0, 1_000) if row.actor == "administrator"]
    assert actions == ["add-appliance", "add-appliance", "edit-appliance", "delete-appliance"]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("applianceconfig add 'a b' east", "name or an IP address"),
        ("applianceconfig add 192.0.2.7 ''", "printable"),
        ("applianceconfig add 192.0.2.7 east 65536", "1 to 65535"),
        ("applianceconfig delete nobody yes", "no appliance 'nobody'"),
        ("applianceconfig services nobody on", "no appliance"),
        ("applianceconfig alternate nobody", "no appliance"),
        ("applianceconfig paste pratique-enrolment:xx", "cut short"),
    ],
)
async def test_what_cannot_be_says_why(desk: Desk, line: str, why: str) -> None:
    assert why in (await refused(desk, line)).complaints[0]


async def test_two_cannot_have_one_label_or_address(desk: Desk) -> None:
    await do(desk, "applianceconfig add 192.0.2.7 east")
    for line in ("applianceconfig add 192.0.2.8 east", "applianceconfig add 192.0.2.7 west"):
        await refused(desk, line)


async def test_the_pass_phrase_is_no_word_of_the_command(desk: Desk) -> None:
    await do(desk, "applianceconfig add 192.0.2.7 east")
    heard = await refused(desk, "applianceconfig establish east SHA256:x admin secret", status=2)
    assert "asked for" in heard.complaints[0]


async def test_what_is_not_connected_can_neither_be_served_nor_tested_nor_take_releases(desk: Desk) -> None:
    await do(desk, "applianceconfig add 192.0.2.7 east")
    for act in ("services east on", "test east", "alternate east"):
        assert "establish" in (await refused(desk, f"applianceconfig {act}")).complaints[0]


async def connected(desk: Desk, tmp_path: Path) -> None:
    theirs = paper(tmp_path, "gateway", SERIAL)
    assert SERIAL in await do(desk, f"applianceconfig paste {theirs.to_token()} east")


async def test_a_pasted_enrolment_connects(desk: Desk, tmp_path: Path) -> None:
    await connected(desk, tmp_path)
    (row,) = await rows(desk)
    assert (row["label"], row["serial"], row["service"], row["state"]) == ("east", SERIAL, True, "connected")
    assert desk.fleet is not None and desk.fleet.changes == 1  # type: ignore[attr-defined]
    heard = await refused(desk, "applianceconfig test east")
    assert "command client: its enrolment has no SSH host key" in heard.text
    assert "quarantine port: 192.0.2.1:7025: no connection" in heard.text
    assert "cure: Does a firewall let the port through?" in heard.text
    desk.fleet.wrong = "TLS failed: self-signed certificate"  # type: ignore[attr-defined]
    assert (
        "cure: It does not show the certificate that is enrolled here"
        in (await refused(desk, "applianceconfig test east")).text
    )


async def test_a_pasted_file_may_have_many_lines(desk: Desk, tmp_path: Path) -> None:
    lines = paper(tmp_path, "gateway", SERIAL).to_json().strip().split("\n")
    assert SERIAL in await do(desk, "applianceconfig paste", *lines)


async def test_the_service_is_switched_and_it_is_on_record(desk: Desk, tmp_path: Path) -> None:
    await connected(desk, tmp_path)
    await do(desk, "applianceconfig services east", "off")
    peer = desk.store.view.peer(SERIAL)
    assert peer is not None and peer.service_off
    assert f"{SERIAL} off" in await do(desk, "applianceconfig list")
    await do(desk, "applianceconfig services east on")
    assert "switch-service" in [row.action for row in desk.store.view.audit(0, 1_000)]


async def test_the_alternate_release_appliance(desk: Desk, tmp_path: Path) -> None:
    await connected(desk, tmp_path)
    await do(desk, "applianceconfig alternate east")
    assert alternate_of(desk.store.view, "configured") == SERIAL
    assert "alternate release appliance" in await do(desk, "applianceconfig list")
    await do(desk, "applianceconfig alternate none")
    assert desk.store.view.setting("alternate_release_gateway") == NONE
    assert alternate_of(desk.store.view, "configured") == ""


async def test_unpairing_asks_and_says_what_waits(desk: Desk, tmp_path: Path) -> None:
    await connected(desk, tmp_path)
    heard = await refused(desk, "applianceconfig delete east", "")
    assert "Nothing waits for it." in heard.text and heard.asked
    assert "smaconfig delete" in await do(desk, "applianceconfig delete east yes")
    peer = desk.store.view.peer(SERIAL)
    assert peer is not None and peer.withdrawn and await rows(desk) == []


# --- smaconfig, the gateway's half
async def test_a_gateway_adds_prints_and_deletes_its_manager(desk: Desk, tmp_path: Path) -> None:
    ours, theirs = paper(tmp_path, "gateway", SERIAL), paper(tmp_path, "manager", MANAGER_SERIAL)
    gateway = replace(desk, role="gateway", fleet=Fleet(ours))  # type: ignore[arg-type]
    assert (await do(gateway, "smaconfig print")) == ours.to_token()
    assert json.loads(await do(gateway, "smaconfig print --json"))["serial"] == SERIAL
    assert "No manager" in await do(gateway, "smaconfig")
    assert MANAGER_SERIAL in await do(gateway, "smaconfig add", theirs.to_token())
    second = paper(tmp_path / "second", "manager", "564DAAAA00000000MA02")
    assert "a gateway has one manager" in (await refused(gateway, f"smaconfig add {second.to_token()}")).complaints[0]
    assert MANAGER_SERIAL in await do(gateway, "smaconfig list")
    await refused(gateway, "smaconfig delete", "", "no")
    assert "What waits stays" in await do(gateway, "smaconfig delete", "", "yes")
    assert "No manager" in await do(gateway, "smaconfig list")


async def test_only_administrators_pair(desk: Desk) -> None:
    operator = Person("operator", "operator", "password")
    for line in ("applianceconfig list", "applianceconfig print"):
        heard, status = await hear(desk, operator, line)
        assert status == 1 and "may not do this" in heard.complaints[0]


async def test_an_appliance_is_chosen_of_a_numbered_list(desk: Desk) -> None:
    await do(desk, "applianceconfig add 192.0.2.7 'gw east'")
    said = await do(desk, "applianceconfig", "edit", "", "192.0.2.9", "")
    assert "1. gw east (192.0.2.7:2222)" in said, "one alone is the default"
    assert "`applianceconfig establish 'gw west'`" in await do(desk, "applianceconfig add 192.0.2.8 'gw west'")
    await do(desk, "applianceconfig", "edit", "2", "192.0.2.10", "west")
    assert [(r["label"], r["address"]) for r in await rows(desk)] == [("gw east", "192.0.2.9"), ("west", "192.0.2.10")]
    heard = await refused(desk, "applianceconfig", "edit", "3")
    assert "there is no appliance '3'" in "".join(heard.complaints)
