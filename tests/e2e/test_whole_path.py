"""The main job on real processes: held mail is released and delivered octet for octet; deleted mail never is."""

from base64 import b64encode

from pratique.checks.yara_rules import eicar
from tests.e2e.world import World, message, until

TWO = 'two: if (subject == "two quarantines") { quarantine("Policy"); quarantine("Secret"); }'
ALL = f'{TWO}\nhold: if (subject == "^hold") {{ quarantine("Policy"); }}'


def _eicar_mail() -> bytes:
    lines = ("MIME-Version: 1.0", "Content-Type: application/octet-stream", "Content-Transfer-Encoding: base64")
    return "\r\n".join(["Subject: pictures", *lines, "", b64encode(eicar()).decode(), ""]).encode()


def test_mail_is_accepted_held_released_and_delivered_as_it_was(world: World) -> None:
    world.pair(
        gateway={
            "gateway.policy.filters": ALL,
            "gateway.quarantines": '["Policy", "Secret"]',
            "gateway.virus.builtin": "true",
        }
    )
    world.start()
    gateway, manager, hop = world.gateway, world.manager, world.hop
    dots = message("hold dots", ".", "..", ".leading", "", "\u00e4\u00f6\u00fc \u20ac", "trailing blanks   ", "x" * 900)
    sent = {
        "dots@demo.example": dots,
        "gone@demo.example": message("hold gone"),
        "two@demo.example": message("two quarantines"),
        "virus@demo.example": _eicar_mail(),
        "plain@demo.example": message("plain"),
    }
    for recipient, octets in sent.items():
        reply = gateway.send("a@partner.example", [recipient], octets, parameters=" BODY=8BITMIME")
        assert reply.startswith("250 2.0.0 ok: Message "), reply

    until(lambda: len(manager.held()) == 4, what="four messages held")
    until(lambda: hop.messages, what="plain mail delivered")
    assert [m.recipients for m in hop.messages] == [("plain@demo.example",)]
    rows = {row["attributes"]["recipient"][0]: row for row in manager.held()}
    where = {name.partition("@")[0]: row["attributes"]["inQuarantines"] for name, row in rows.items()}
    assert where["virus"] == "Virus"
    assert where["dots"] == where["gone"] == "Policy"
    assert set(where["two"].replace(" ", "").split(",")) == {"Policy", "Unclassified"}  # "Secret" is unknown there
    mids = {name.partition("@")[0]: row["mid"] for name, row in rows.items()}

    assert manager.delete([mids["gone"]]) == 1
    assert manager.release([mids["gone"]]) == 0  # decided already
    assert manager.release([mids["dots"], mids["two"]]) == 2
    assert manager.release([mids["virus"]], "Virus") == 1
    until(lambda: hop.recipients()["virus@demo.example"] and hop.recipients()["dots@demo.example"])
    assert hop.recipients()["two@demo.example"] == 0  # still in the other quarantine
    assert [row["mid"] for row in manager.held()] == [mids["two"]]
    assert manager.release([mids["two"]], "Unclassified") == 1
    until(lambda: hop.recipients()["two@demo.example"])

    until(lambda: manager.count("copy WHERE custody = 'CLOSED'") == 3, what="the manager hears of the deliveries")
    assert dict(hop.recipients()) == {name: 1 for name in sent if name != "gone@demo.example"}
    for taken in hop.messages:
        assert taken.same_as(sent[taken.recipients[0]]), taken.octets[:2000]
        assert taken.sender == "a@partner.example"
    assert manager.held() == []
    until(lambda: gateway.count("copy WHERE custody NOT IN ('SETTLED', 'DONE')") == 0)


def test_the_audit_names_who_released_and_who_deleted(world: World) -> None:
    world.pair()
    world.start()
    for name in ("one", "two"):
        world.gateway.send("a@partner.example", [f"{name}@demo.example"], message(name))
    until(lambda: len(world.manager.held()) == 2)
    one, two = (row["mid"] for row in world.manager.held())
    assert world.manager.release([one]) == world.manager.delete([two]) == 1
    until(lambda: world.hop.messages)
    rows = world.manager.rows(
        "SELECT mid, action, actor FROM audit WHERE action IN ('release', 'delete') AND actor = 'admin' ORDER BY mid"
    )
    assert rows == [(one, "release", "admin"), (two, "delete", "admin")]
    (line,) = world.manager.logged(rf'MID {one} released from quarantine "Policy" \(manual\) t=\d+')
    assert " Info: MID " in line


def test_a_message_for_several_recipients_keeps_them_and_its_parameters(world: World) -> None:
    world.pair()
    world.start()
    gateway, manager, hop = world.gateway, world.manager, world.hop
    octets = message("several")
    recipients = [f"r{n}@demo.example" for n in range(5)]
    assert gateway.send("", recipients, octets).startswith("250")
    (row,) = until(manager.held)
    assert row["attributes"]["recipient"] == recipients
    manager.release([row["mid"]])
    until(lambda: hop.messages)
    assert [(m.sender, list(m.recipients)) for m in hop.messages] == [("", recipients)]
