"""Outbreak mail by rule (docs/rest.md). Clients know two spellings of paths and fields; both are taken."""

from typing import Any

from pratique.console.commands import decide
from pratique.console.commands import rules as commands
from pratique.console.commands.rules import Summary
from pratique.console.commands.search import LIMIT_DEFAULT, ORDERS
from pratique.console.rest import shapes
from pratique.console.rest.messages import check_body_type, check_type
from pratique.console.rest.reading import need_text, need_texts, only
from pratique.console.rest.request import Answer, Call, answer


async def get(call: Call) -> Answer:
    """Summarise outbreak mail by rule."""
    person = await call.person()
    check_type(call.query)
    call.query.done()
    return answer(summary(await commands.rules(call.desk, person)))


def summary(found: Summary) -> dict[str, Any]:
    rows = [
        {
            "rid": rid,
            "attributes": {
                "numberOfMessages": rule.messages,
                "capacity": f"{100 * rule.octets / max(found.octets, 1):.1f}%",
                "ruleId": rule.rule_id,
                "totalSize": short_size(rule.octets),
                "ruleDescription": "N/A",
                "averageMessageSize": short_size(rule.octets // max(rule.messages, 1)),
            },
        }
        for rid, rule in enumerate(found.rules, 1)
    ]
    meta = {
        "totalAverageMessageSize": short_size(found.octets // max(found.messages, 1)),
        "totalNumberOfMessages": found.messages,
    }
    return {"meta": meta, "data": rows}


def short_size(octets: int) -> str:
    """As in "320KB", "1.9MB"."""
    return f"{octets / 1_048_576:.1f}MB" if octets >= 1_048_576 else f"{-(-octets // 1_024)}KB"


async def search(call: Call) -> Answer:
    """The messages of a rule."""
    person = await call.person()
    check_type(call.query)
    query = call.query
    rule_id = query.text("ruleId")
    order_by = query.choice("orderBy", ORDERS, "received") or "received"
    descending = query.choice("orderDir", ("asc", "desc"), "desc") != "asc"
    offset, limit = query.number("offset", 0), query.number("limit", LIMIT_DEFAULT)
    query.done()
    found = await commands.rule_messages(
        call.desk, person, rule_id, order_by=order_by, descending=descending, offset=offset, limit=limit
    )
    return answer(shapes.messages(found))


async def post(call: Call) -> Answer:
    """Release, delete or delay all messages of rules."""
    return await _act(call, "")


async def delete(call: Call) -> Answer:
    """Delete all messages of rules."""
    return await _act(call, "delete")


async def _act(call: Call, default: str) -> Answer:
    person = await call.person()
    check_type(call.query)
    call.query.done()
    body = await call.body()
    check_body_type(body)
    only(body, "action", "quarantineType", "quarantineName", "ruleId", "ruleIds", "delay")
    action = need_text(body, "action") if "action" in body or not default else default
    rule_ids = need_texts(body, "ruleId" if "ruleId" in body else "ruleIds")
    period = need_text(body, "delay") if "delay" in body else "8h"
    count = await commands.decide_rule(call.desk, person, action, rule_ids, period)
    data: dict[str, Any] = {"action": action, "quarantineType": "pvo", "ruleIds": list(rule_ids)}
    if action == "delay":
        data["delayedTime"] = decide.DELAYS[period][1]
    return answer({"data": data | {"totalCount": count}})
