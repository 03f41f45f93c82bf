"""The list and the acts of /quarantine/messages, to the letter of the contract (§3, §6, §10)."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from pratique.store.moves import PutQuarantine
from pratique.store.records import Quarantine
from tests.conformance.samples import DAY, GATEWAY, NOW, hold
from tests.console.rest_world import RestWorld, holds

MULTIPART = (
    b"From: =?utf-8?q?J=C3=B6rg?= <joerg@example.org>\r\nTo: bob@example.com\r\nSubject: Caf\xc3\xa9\r\n"
    b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nHello.\r\n--b\r\n'
    b'Content-Type: application/pdf; name="r.pdf"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
    + b"QUJD" * 1000
    + b"\r\n--b--\r\n"
)


async def test_a_row_has_exactly_the_contracts_shape(rest: RestWorld) -> None:
    copy = await rest.held(MULTIPART, **holds("Policy"))
    text = (await rest.call("GET", "/quarantine/messages?quarantineType=pvo")).text
    assert text == json.dumps(
        {
            "meta": {"totalCount": 1},
            "data": [
                {
                    "mid": copy.mid,
                    "attributes": {
                        "esaHostName": "gw01.example.net",
                        "esaMid": copy.mid,
                        "inQuarantines": "Policy",
                        "originatingEsaIp": "192.0.2.1",
                        "quarantineForReason": ['content filter "big"'],
                        "quarantineForReasonDict": [{"quarantineName": "Policy", "reason": ['content filter "big"']}],
                        "received": "24 Nov 2026 03:13:20 (GMT +00:00)",
                        "scheduledExit": "25 Nov 2026 03:13:20 (GMT +00:00)",
                        "recipient": ["bob@example.com"],
                        "sender": "alice@example.org",
                        "size": "4.17K",
                        "subject": "Café",
                        "fromAddress": ["joerg@example.org"],
                    },
                }
            ],
        }
    )


async def test_the_operators_procedure_runs_as_it_stands(rest: RestWorld) -> None:
    """§10: grep totalCount, awk '{print $2,$3}', jq by sender, release."""
    for number in range(3):
        await rest.held(envelope=_envelope(f"a{number}@{'x' if number else 'y'}"))
    text = (
        await rest.call("GET", "/quarantine/messages?quarantineType=pvo&quarantines=Policy&offset=0&limit=250")
    ).text
    line = next(line for line in text.split("\n") if "totalCount" in line)
    assert " ".join(line.split(" ")[1:3]) == '{"totalCount": 3},'
    mids = [row["mid"] for row in json.loads(text)["data"] if row["attributes"]["sender"].endswith("@x")]
    body = {"action": "release", "mids": mids, "quarantineName": "Policy", "quarantineType": "pvo"}
    answer = await rest.call("POST", "/quarantine/messages", body=body, headers={"Content-Type": "text/plain"})
    assert answer.text == '{"data": {"action": "release", "totalCount": 2}}'
    assert [rest.custody(mid) for mid in mids] == ["REL", "REL"]


def _envelope(sender: str) -> Any:
    from pratique.mail.envelope import Envelope, Recipient

    return Envelope(sender, (Recipient("bob@example.com"),))


async def test_the_count_is_of_all_matches_and_pages_do_not_overlap(rest: RestWorld) -> None:
    made = [(await rest.held(at=NOW + n, holds=(hold(received=NOW + n),))).mid for n in range(7)]
    seen: list[int] = []
    for offset in range(0, 10, 3):
        page = await rest.get(f"/quarantine/messages?quarantineType=pvo&offset={offset}&limit=3&orderDir=asc")
        assert page["meta"]["totalCount"] == 7
        seen += [row["mid"] for row in page["data"]]
    assert seen == made


@pytest.mark.parametrize(
    "query, found",
    [
        ("", "AB"),
        ("quarantines=Policy", "A"),
        ("quarantines=Policy,Virus", "AB"),
        ("quarantines=Policy%2CVirus", "AB"),
        ("quarantines=File+Analysis,Virus", "B"),
        ("quarantines=File%20Analysis", ""),
        ("quarantines=NoSuch", ""),
        ("startDate=2026-11-24T03:13:00.000Z&endDate=2026-11-24T03:13:00.000Z", "AB"),
        ("startDate=2026-11-24T03%3A14%3A00.000Z", ""),
        ("endDate=2026-11-24T03%3A12%3A00.000Z", ""),
        ("subjectFilterBy=starts_with&subjectFilterValue=inv", "B"),
        ("subjectFilterBy=does_not_contain&subjectFilterValue=voi", "A"),
        ("envelopeSenderFilterBy=matches_exactly&envelopeSenderFilterValue=alice%40example.org", "AB"),
        ("envelopeRecipientFilterBy=ends_with&envelopeRecipientFilterValue=@example.com", "AB"),
        ("originatingEsaIp=192.0.2.1", "AB"),
        ("originatingEsaIp=192.0.2.9", ""),
        ("attachmentName=R.PDF", "A"),
        ("attachmentSizeFilterBy=more_than&attachmentSizeFromValue=3", "A"),
        ("attachmentSizeFilterBy=less_than&attachmentSizeToValue=3", ""),
        ("attachmentSizeFilterBy=range&attachmentSizeFromValue=1&attachmentSizeToValue=5", "A"),
        ("orderBy=size&orderDir=desc", "AB"),
        ("orderBy=subject&orderDir=asc", "AB"),
    ],
)
async def test_every_attribute_of_the_search(rest: RestWorld, query: str, found: str) -> None:
    names = {
        (await rest.held(MULTIPART)).mid: "A",
        (await rest.held(b"Subject: Invoice\r\n\r\n1\r\n", **holds("Virus"))).mid: "B",
    }
    page = await rest.get(f"/quarantine/messages?quarantineType=pvo&{query}")
    assert "".join(sorted(names[row["mid"]] for row in page["data"])) == found
    assert page["meta"]["totalCount"] == len(found)


@pytest.mark.parametrize(
    "query, status, message",
    [
        ("starts_with=a", 404, "Unexpected attribute - starts_with."),
        ("limit=0", 400, "Limit must be 1 to 1000."),
        ("limit=1001", 400, "Limit must be 1 to 1000."),
        ("limit=x", 400, "Invalid value for limit: a number is needed."),
        ("offset=-1", 400, "Invalid value for offset: a number is needed."),
        ("startDate=yesterday", 400, "Invalid value for startDate: the form is YYYY-MM-DDThh:mm:00.000Z."),
        (
            "startDate=2026-02-30T00:00:00.000Z",
            400,
            "Invalid value for startDate: the form is YYYY-MM-DDThh:mm:00.000Z.",
        ),
        ("orderDir=up", 400, "Invalid value for orderDir: it must be one of asc, desc."),
        ("quarantineType=spam", 400, "Invalid value for quarantineType: it must be one of pvo."),
    ],
)
async def test_a_query_that_cannot_be_used_is_refused_by_name(
    rest: RestWorld, query: str, status: int, message: str
) -> None:
    answer = await rest.call("GET", f"/quarantine/messages?{query}")
    assert answer.status_code == status
    assert answer.json()["error"]["message"] == message
    assert answer.json()["error"]["code"] == str(status)


async def test_a_limit_of_1000_is_served(rest: RestWorld) -> None:
    await rest.held()
    assert len((await rest.get("/quarantine/messages?limit=1000"))["data"]) == 1


async def test_release_and_delete_act_in_the_named_quarantine_only(rest: RestWorld) -> None:
    copy = await rest.held(**holds("Policy", "Virus"))
    assert (await rest.act({"action": "release", "mids": [copy.mid], "quarantineName": "Outbreak"}))["data"] == {
        "action": "release",
        "totalCount": 0,
    }
    done = await rest.act({"action": "release", "mids": [copy.mid], "quarantineName": "Policy"})
    assert done["data"]["totalCount"] == 1
    assert (rest.mark(copy.mid), rest.mark(copy.mid, "Virus"), rest.custody(copy.mid)) == ("RELEASED", "HELD", "HELD")
    row = (await rest.get("/quarantine/messages"))["data"][0]["attributes"]
    assert row["inQuarantines"] == "Virus"
    done = await rest.act({"mids": [copy.mid], "quarantineName": "Virus"}, method="DELETE")
    assert done == {"data": {"action": "delete", "totalCount": 1}}
    assert rest.custody(copy.mid) == "DEL"
    assert (await rest.get("/quarantine/messages"))["meta"]["totalCount"] == 0
    actors = [entry for entry in rest.audited() if entry[1] in ("release", "delete")]
    assert actors == [("administrator", "release", copy.mid), ("administrator", "delete", copy.mid)]


async def test_in_quarantines_comes_back_verbatim_as_the_name(rest: RestWorld) -> None:
    copy = await rest.held(**holds("Policy", "Virus"))
    name = (await rest.get("/quarantine/messages"))["data"][0]["attributes"]["inQuarantines"]
    assert name == "Policy, Virus"
    done = await rest.act({"action": "release", "mids": [copy.mid], "quarantineName": name})
    assert done["data"]["totalCount"] == 1
    assert rest.custody(copy.mid) == "REL"


@pytest.mark.parametrize("content_type", ["application/json", "application/json;charset=UTF-8", "text/plain", ""])
@pytest.mark.parametrize("name", ["Policy", ["Policy"]])
async def test_content_types_and_names_that_clients_send(rest: RestWorld, content_type: str, name: Any) -> None:
    copy = await rest.held()
    headers = {"Content-Type": content_type} if content_type else {}
    done = await rest.act({"action": "release", "mids": [copy.mid], "quarantineName": name}, headers=headers)
    assert done["data"]["totalCount"] == 1


async def test_unknown_and_decided_messages_count_nothing(rest: RestWorld) -> None:
    copy = await rest.held()
    mids = [copy.mid, copy.mid, 99_999, 0, -1, 10**30]
    first = await rest.act({"action": "release", "mids": mids, "quarantineName": "Policy"})
    again = await rest.act({"action": "release", "mids": mids, "quarantineName": "Policy"})
    assert (first["data"]["totalCount"], again["data"]["totalCount"]) == (1, 0)


async def test_move_keeps_exit_and_reason(rest: RestWorld) -> None:
    await rest.store.submit(PutQuarantine(Quarantine("Own", "policy", 3600, "delete"), ()))
    copy = await rest.held()
    body = {"action": "move", "mids": [copy.mid], "quarantineName": "Policy", "destinationQuarantineName": "Own"}
    assert (await rest.act(body))["data"] == {
        "action": "move",
        "destinationQuarantineName": "Own",
        "totalCount": 1,
    }
    (moved,) = rest.store.view.holds(copy.mid)
    assert (moved.quarantine, moved.exit_at, moved.reasons) == ("Own", NOW + DAY, ('content filter "big"',))


@pytest.mark.parametrize("target", ["Virus", "NoSuch"])
async def test_move_goes_to_policy_quarantines_only(rest: RestWorld, target: str) -> None:
    copy = await rest.held()
    body = {"action": "move", "mids": [copy.mid], "quarantineName": "Policy", "destinationQuarantineName": target}
    answer = await rest.call("POST", "/quarantine/messages", body=body)
    assert answer.status_code == 400
    assert rest.mark(copy.mid) == "HELD"


@pytest.mark.parametrize("period, hours, words", [("8h", 8, "8 hours"), ("1w", 168, "1 week")])
async def test_delay_puts_the_exit_off(rest: RestWorld, period: str, hours: int, words: str) -> None:
    copy = await rest.held()
    done = await rest.act({"action": "delay", "mids": [copy.mid], "quarantineName": "Policy", "delay": period})
    assert done == {"data": {"action": "delay", "delayedTime": words, "totalCount": 1}}
    assert rest.store.view.holds(copy.mid)[0].exit_at == NOW + DAY + hours * 3_600_000


async def test_a_copy_goes_elsewhere_and_the_message_stays(rest: RestWorld) -> None:
    await rest.samples.enrolled()
    copy = await rest.held(**holds("Policy", "Virus"))
    body = {"mids": [copy.mid, 99], "quarantineName": "Policy", "recipients": ["soc@example.org", "a@example.org"]}
    for action in ("copy", "sendCopy"):
        assert await rest.act({"action": action, **body}) == {"data": {"action": action, "totalCount": 1}}
    assert (rest.mark(copy.mid), rest.mark(copy.mid, "Virus"), rest.custody(copy.mid)) == ("HELD", "HELD", "HELD")
    first, second = rest.store.view.open_transfers(GATEWAY, 0, 10)
    for transfer in (first, second):
        sent = rest.store.view.copy(transfer.mid)
        assert sent is not None
        assert (sent.custody, sent.parent, sent.envelope.sender) == ("REL", copy.cid, "")
        assert [r.address for r in sent.envelope.recipients] == ["soc@example.org", "a@example.org"]
    assert first.cid != second.cid
    assert rest.audited()[-2:] == [("administrator", "copy", copy.mid)] * 2
    detail = json.loads(rest.store.view.audit(0, 10_000)[-1].detail)
    assert (detail["to"], detail["quarantine"]) == (["soc@example.org", "a@example.org"], "Policy")


async def test_a_copy_of_what_is_not_held_there_or_has_no_gateway_is_none(rest: RestWorld) -> None:
    copy = await rest.held(**holds("Policy"))
    body = {"action": "copy", "mids": [copy.mid], "quarantineName": "Policy", "recipients": "soc@example.org"}
    assert (await rest.act(body))["data"]["totalCount"] == 0  # its gateway is not enrolled
    await rest.samples.enrolled()
    assert (await rest.act(body | {"quarantineName": "Virus"}))["data"]["totalCount"] == 0
    assert (await rest.act(body))["data"]["totalCount"] == 1
    await rest.act({"action": "release", "mids": [copy.mid], "quarantineName": "Policy"})
    assert (await rest.act(body))["data"]["totalCount"] == 0


@pytest.mark.parametrize(
    "recipients",
    [
        [],
        None,
        "postmaster",
        ["a@example.org", "not an address"],
        ["a@b>\r\nDATA"],
        ["<a@example.org>"],
        [f"a{n}@example.org" for n in range(51)],
    ],
)
async def test_addresses_that_no_copy_can_go_to(rest: RestWorld, recipients: object) -> None:
    await rest.samples.enrolled()
    copy = await rest.held()
    body = {"action": "copy", "mids": [copy.mid], "quarantineName": "Policy", "recipients": recipients}
    answer = await rest.call("POST", "/quarantine/messages", body=body)
    assert answer.status_code == 400
    assert not rest.store.view.open_transfers(GATEWAY, 0, 10)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"nonsense",
        b'"\xff"',
        b"[" * 100_000,
        b'{"action": "release"}',
        b'{"action": "release", "mids": [1], "quarantineName": NaN}',
        b'{"action": "release", "mids": ["x"], "quarantineName": "Policy"}',
        b'{"action": "release", "mids": [true], "quarantineName": "Policy"}',
        b'{"action": "release", "mids": [1.5], "quarantineName": "Policy"}',
        b'{"action": "release", "mids": {}, "quarantineName": "Policy"}',
        b'{"action": "release", "mids": [1], "quarantineName": ["a", "b"]}',
        b'{"action": "release", "mids": [1], "quarantineName": "\\ud800"}',
        b'{"action": "release", "mids": [1], "quarantineName": "Policy", "quarantineType": "spam"}',
        b'{"action": "explode", "mids": [1], "quarantineName": "Policy"}',
        b'{"action": "delay", "mids": [1], "quarantineName": "Policy", "delay": "9h"}',
        b'{"action": "release", "mids": [' + b"9" * 5_000 + b'], "quarantineName": "Policy"}',
    ],
)
async def test_a_body_that_cannot_be_used_is_a_400(rest: RestWorld, body: bytes) -> None:
    answer = await rest.call("POST", "/quarantine/messages", body=body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["explanation"] == "400 = Bad request syntax or unsupported method."
    assert not rest.faults


async def test_a_misspelt_field_is_not_ignored(rest: RestWorld) -> None:
    body = {"action": "release", "mids": [1], "quarantineName": "Policy", "quarantineTyp": "pvo"}
    answer = await rest.call("POST", "/quarantine/messages", body=body)
    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == "Unexpected attribute - quarantineTyp."


async def test_many_messages_are_released_in_one_call(rest: RestWorld) -> None:
    mids = [(await rest.held()).mid for _ in range(150)]
    done = await rest.act({"action": "release", "mids": mids, "quarantineName": "Policy"})
    assert done["data"]["totalCount"] == 150


async def test_names_with_quotes_and_percent_signs_are_plain_text(rest: RestWorld) -> None:
    await rest.held(b"Subject: 100% 'off'; DROP TABLE hold\r\n\r\n")
    for text in ("100%", "'off'; DROP", "100% 'off'; DROP TABLE hold"):
        path = f"/quarantine/messages?subjectFilterBy=contains&subjectFilterValue={quote(text)}"
        assert (await rest.get(path))["meta"]["totalCount"] == 1
