"""/quarantine/messages: the list, and what is done to its messages (docs/rest.md, "Messages")."""

from typing import Any

from pratique.console.commands import decide
from pratique.console.commands import search as searching
from pratique.console.commands.search import LIMIT_DEFAULT, ORDERS, TESTS, Search, TextTest
from pratique.console.rest import shapes
from pratique.console.rest.errors import RestError
from pratique.console.rest.reading import Query, need_mids, need_text, need_texts, only
from pratique.console.rest.request import Answer, Call, answer

KIB = 1024
MINUTE_MS = 60_000
UNBOUNDED = 1 << 62
_COMMON = ("action", "mids", "quarantineName", "quarantineType")


async def get(call: Call) -> Answer:
    """Search the quarantines."""
    person = await call.person()
    query = read_search(call.query)
    return answer(shapes.messages(await searching.search(call.desk, person, query)))


def check_type(query: Query) -> None:
    query.choice("quarantineType", ("pvo",), "pvo")
    query.text("device_type")


def read_search(query: Query) -> Search:
    check_type(query)
    since, until = query.minute("startDate"), query.minute("endDate")
    low, high = _attachment_sizes(query)
    found = Search(
        quarantines=query.names("quarantines"),
        since=since or 0,
        until=UNBOUNDED if until is None else until + MINUTE_MS,  # the last minute is meant as a whole
        sender=_test(query, "envelopeSenderFilterBy", "envelopeSenderFilterValue"),
        recipient=_test(query, "envelopeRecipientFilterBy", "envelopeRecipientFilterValue"),
        subject=_test(query, "subjectFilterBy", "subjectFilterValue"),
        origin_ip=query.text("originatingEsaIp"),
        attachment=query.text("attachmentName"),
        attachment_min=low,
        attachment_max=high,
        order_by=query.choice("orderBy", ORDERS, "received") or "received",
        descending=query.choice("orderDir", ("asc", "desc"), "desc") != "asc",
        offset=query.number("offset", 0),
        limit=query.number("limit", LIMIT_DEFAULT),
    )
    query.done()
    return found


def _test(query: Query, by: str, value: str) -> TextTest | None:
    how, text = query.choice(by, TESTS), query.text(value)
    return TextTest(how or "contains", text) if text else None


def _attachment_sizes(query: Query) -> tuple[int, int]:
    """In KB of the base64 form: from and to, as the filter uses them."""
    how = query.choice("attachmentSizeFilterBy", ("range", "less_than", "more_than"))
    low, high = query.number("attachmentSizeFromValue", 0), query.number("attachmentSizeToValue", 0)
    match how:
        case "range":
            if not query.text("attachmentSizeToValue"):
                raise RestError(400, "attachmentSizeFilterBy=range needs attachmentSizeToValue.")
            if high < low:
                raise RestError(400, "attachmentSizeToValue is below attachmentSizeFromValue.")
            return min(low * KIB, UNBOUNDED), min(high * KIB, UNBOUNDED)
        case "less_than":
            return 0, max(0, min((high or low) * KIB, UNBOUNDED) - 1)
        case "more_than":
            return min((low or high) * KIB, UNBOUNDED) + 1, UNBOUNDED
    return 0, UNBOUNDED


async def post(call: Call) -> Answer:
    """Release, move, delay, copy."""
    person = await call.person()
    check_type(call.query)
    call.query.done()
    body = await call.body()
    check_body_type(body)
    mids, name = need_mids(body), need_text(body, "quarantineName")
    action = need_text(body, "action")
    data: dict[str, Any] = {"action": action}
    match action:
        case "release":
            only(body, *_COMMON)
            data["totalCount"] = await decide.release(call.desk, person, mids, name)
        case "delete":
            only(body, *_COMMON)
            data["totalCount"] = await decide.delete(call.desk, person, mids, name)
        case "move":
            only(body, *_COMMON, "destinationQuarantineName")
            target = need_text(body, "destinationQuarantineName")
            data["destinationQuarantineName"] = target
            data["totalCount"] = await decide.move(call.desk, person, mids, name, target)
        case "delay":
            only(body, *_COMMON, "delay")
            period = need_text(body, "delay")
            count = await decide.delay(call.desk, person, mids, name, period)
            data |= {"delayedTime": decide.DELAYS[period][1], "totalCount": count}
        case "copy" | "sendCopy":
            only(body, *_COMMON, "recipients")
            recipients = need_texts(body, "recipients")
            data["totalCount"] = await decide.send_copy(call.desk, person, mids, name, recipients)
        case _:
            raise RestError(400, "action must be one of release, delete, move, delay, copy.")
    return answer({"data": data})


async def delete(call: Call) -> Answer:
    """Delete held messages for good."""
    person = await call.person()
    check_type(call.query)
    call.query.done()
    body = await call.body()
    check_body_type(body)
    only(body, *_COMMON)
    count = await decide.delete(call.desk, person, need_mids(body), need_text(body, "quarantineName"))
    return answer({"data": {"action": "delete", "totalCount": count}})


def check_body_type(body: dict[str, Any]) -> None:
    if body.get("quarantineType", "pvo") not in ("pvo", ["pvo"]):
        raise RestError(400, "Invalid value for quarantineType: it must be pvo.")
