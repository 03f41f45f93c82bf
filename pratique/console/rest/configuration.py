"""The quarantines' configuration (docs/rest.md)."""

from typing import Any

from pratique.console.commands import quarantines as commands
from pratique.console.commands.quarantines import Overflow, Shown, Wanted
from pratique.console.rest import shapes
from pratique.console.rest.errors import RestError
from pratique.console.rest.reading import need_text, only
from pratique.console.rest.request import Answer, Call, answer

UNITS = {"minutes": 60, "hours": 3_600, "days": 86_400}
ACTIONS = {"release": "release", "delete": "delete"}
_KEYS = (
    "quarantine_name",
    "quarantine_type",
    "quarantine_retention_period",
    "quarantine_retention_units",
    "quarantine_automatic_action",
    "quarantine_normal_actions",
    "quarantine_overflow_actions",
    "quarantine_users",
    "quarantine_groups",
    "quarantine_custom_roles",
    "device_type",
)


def _check(call: Call) -> None:
    call.query.choice("device_type", ("sma", "esa"))
    call.query.choice("quarantine_type", ("pvo", "policy"))
    call.query.done()


async def get_names(call: Call) -> Answer:
    """Names of the quarantines, by type."""
    person = await call.person()
    _check(call)
    by_kind: dict[str, list[str]] = {}
    for shown in await commands.quarantines(call.desk, person):
        by_kind.setdefault(shown.quarantine.kind, []).append(shown.quarantine.name)
    return answer({"data": {"quarantines": by_kind}})


async def get_all(call: Call) -> Answer:
    """The quarantines with their settings."""
    person = await call.person()
    _check(call)
    found = [shown_quarantine(s) for s in await commands.quarantines(call.desk, person)]
    return answer({"meta": {"totalCount": len(found)}, "data": found})


async def get_one(call: Call) -> Answer:
    """One quarantine with its settings."""
    person = await call.person()
    _check(call)
    name = call.path["name"]
    for shown in await commands.quarantines(call.desk, person):
        if shown.quarantine.name == name:
            return answer({"data": shown_quarantine(shown)})
    raise RestError(404, "There is no such quarantine.")


def shown_quarantine(shown: Shown) -> dict[str, Any]:
    quarantine, overflow = shown.quarantine, shown.overflow
    period, units = in_units(quarantine.retention_s)
    return {
        "quarantine_name": quarantine.name,
        "quarantine_type": quarantine.kind,
        "quarantine_retention_period": period,
        "quarantine_retention_units": units,
        "quarantine_automatic_action": overflow.free_space,
        "quarantine_normal_actions": {"quarantine_action": quarantine.default_action},
        "quarantine_overflow_actions": {
            "quarantine_strip_action": overflow.strip,
            "quarantine_subject_action": overflow.subject_action,
            "quarantine_subject_text": overflow.subject_text,
            "quarantine_header_name": overflow.header_name,
            "quarantine_header_text": overflow.header_text,
        },
        "quarantine_users": list(shown.users),
        "quarantine_groups": [],
        "quarantine_custom_roles": [],
        "number_of_messages": shown.messages,
        "size_used": shapes.size(shown.octets),
        "created_by": quarantine.created_by,
        "created_on": shapes.date(quarantine.created_at),
    }


def in_units(seconds: int) -> tuple[int, str]:
    """The largest unit that fits."""
    for units in ("days", "hours"):
        if seconds % UNITS[units] == 0:
            return seconds // UNITS[units], units
    return -(-seconds // UNITS["minutes"]), "minutes"


async def post(call: Call) -> Answer:
    """Make a quarantine."""
    person = await call.person()
    _check(call)
    body = _fields(await call.body())
    shown = await commands.create(call.desk, person, need_text(body, "quarantine_name"), read_wanted(body))
    return answer({"data": {"totalCount": 1, "quarantine_names": [shown.quarantine.name]}})


async def put(call: Call) -> Answer:
    """Change a quarantine."""
    person = await call.person()
    _check(call)
    body, name = _fields(await call.body()), call.path["name"]
    if body.get("quarantine_name", name) != name:
        raise RestError(400, "A quarantine cannot be renamed.")
    await commands.change(call.desk, person, name, read_wanted(body))
    return answer({"data": {"message": f"Quarantine {name} was updated."}})


async def delete(call: Call) -> Answer:
    """Drop a quarantine; its messages leave by its default action."""
    person = await call.person()
    _check(call)
    name = call.path["name"]
    count = await commands.drop(call.desk, person, name)
    text = f"Quarantine {name} was deleted; its default action was applied to {count} messages."
    return answer({"data": {"message": text}})


async def get_users(call: Call) -> Answer:
    """Users that a quarantine can be given to."""
    person = await call.person()
    _check(call)
    return answer({"data": {"quarantine_users": list(await commands.quarantine_users(call.desk, person))}})


def _fields(body: dict[str, Any]) -> dict[str, Any]:
    """The settings, with or without an envelope "data"."""
    data = body.get("data")
    fields: dict[str, Any] = data if isinstance(data, dict) and len(body) == 1 else body
    only(fields, *_KEYS)
    for name in ("quarantine_groups", "quarantine_custom_roles"):
        if fields.get(name):
            raise RestError(400, f"{name}: this appliance knows users only.")
    return fields


def read_wanted(body: dict[str, Any]) -> Wanted:
    users = body.get("quarantine_users")
    if users is not None and not (isinstance(users, list) and all(isinstance(u, str) for u in users)):
        raise RestError(400, "quarantine_users must be a list of names.")
    return Wanted(
        retention_s=_retention(body),
        default_action=_default_action(body),
        overflow=_overflow(body),
        users=None if users is None else tuple(users),
    )


def _retention(body: dict[str, Any]) -> int | None:
    period, units = body.get("quarantine_retention_period"), body.get("quarantine_retention_units")
    if period is None and units is None:
        return None
    factor = UNITS.get(units.lower()) if isinstance(units, str) else None
    if not isinstance(period, int) or isinstance(period, bool) or factor is None or not 0 < period < 10_000_000:
        raise RestError(
            400, "quarantine_retention_period must be a number, quarantine_retention_units minutes, hours or days."
        )
    return period * factor


def _default_action(body: dict[str, Any]) -> str | None:
    actions = body.get("quarantine_normal_actions")
    if actions is None:
        return None
    action = actions.get("quarantine_action") if isinstance(actions, dict) else None
    if not isinstance(action, str) or action.lower() not in ACTIONS:
        raise RestError(400, "quarantine_action must be release or delete.")
    return action.lower()


def _overflow(body: dict[str, Any]) -> Overflow | None:
    free, actions = body.get("quarantine_automatic_action"), body.get("quarantine_overflow_actions")
    if free is None and actions is None:
        return None
    fields = {} if actions is None else actions
    if not isinstance(fields, dict) or not isinstance(True if free is None else free, bool):
        raise RestError(
            400, "quarantine_automatic_action must be true or false, quarantine_overflow_actions an object."
        )
    only(
        fields,
        "quarantine_strip_action",
        "quarantine_subject_action",
        "quarantine_subject_text",
        "quarantine_header_name",
        "quarantine_header_text",
    )
    strip = fields.get("quarantine_strip_action", False)
    if not isinstance(strip, bool):
        raise RestError(400, "quarantine_strip_action must be true or false.")
    action = _text(fields, "quarantine_subject_action").lower()
    return Overflow(
        free_space=True if free is None else free,
        subject_action="" if action == "none" else action,
        subject_text=_text(fields, "quarantine_subject_text"),
        header_name=_text(fields, "quarantine_header_name"),
        header_text=_text(fields, "quarantine_header_text"),
        strip=strip,
    )


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name, "")
    if not isinstance(value, str):
        raise RestError(400, f"{name} must be a text.")
    return value
