"""userconfig: users listed, made, changed, shut out; only by administrators, and never without one left."""

import asyncio
import json

import pytest

from pratique.console.access.passwords import check_password
from pratique.console.access.roles import ROLES, Person, local_person
from tests.console.verbs.conftest import Logged
from tests.console.verbs.hearing import hear

ADMIN = Person("administrator", "administrator", "password")
GUEST = Person("guest", "guest", "password")


async def do(logged: Logged, line: str, *answers: str, person: Person = ADMIN) -> str:
    heard, status = await hear(logged.desk, person, line, *answers)
    assert (status, heard.complaints) == (0, [])
    return heard.text


async def test_a_user_is_made_by_words_or_in_a_dialogue(logged: Logged) -> None:
    assert await do(logged, "userconfig new anna helpdesk 'a pass phrase' Policy,Virus") == "User anna (helpdesk) made."
    await do(logged, "userconfig new", "bert", "", "a pass phrase", "a pass phrase", "Policy")
    anna, bert = (logged.rest.store.view.user(name) for name in ("anna", "bert"))
    assert anna is not None and bert is not None
    assert (anna.role, anna.quarantines) == ("helpdesk", ("Policy", "Virus"))
    assert (bert.role, bert.quarantines) == ("operator", ("Policy",))
    assert await check_password(bert.password, "a pass phrase")
    rows = {row["name"]: row for row in json.loads(await do(logged, "userconfig list --json"))}
    assert rows["anna"]["quarantines"] == ["Policy", "Virus"] and rows["administrator"]["quarantines"] is None
    assert "pass" not in json.dumps(rows)
    shown = (await do(logged, "userconfig")).splitlines()
    assert f"{'anna':20} {'helpdesk':20} Policy, Virus" in shown


async def test_what_is_changed_is_on_record(logged: Logged) -> None:
    await do(logged, "userconfig edit guest role operator")
    await do(logged, "userconfig edit guest quarantines ''", "")
    await do(logged, "userconfig disable guest")
    guest = logged.rest.store.view.user("guest")
    assert guest is not None and (guest.role, guest.quarantines, guest.disabled) == ("operator", (), True)
    assert "(disabled)" in next(line for line in (await do(logged, "userconfig")).splitlines() if "guest" in line)
    await do(logged, "userconfig enable guest 'a new phrase'")
    await do(logged, "userconfig password guest 'another one'")
    guest = logged.rest.store.view.user("guest")
    assert guest is not None and not guest.disabled and await check_password(guest.password, "another one")
    told = [json.loads(row.detail) for row in logged.rest.store.view.audit(0, 1_000) if row.actor == "administrator"]
    assert told == [
        {"user": "guest", "role": "operator"},
        {"user": "guest", "quarantines": []},
        {"user": "guest"},
        {"user": "guest"},
        {"user": "guest"},
    ]


async def test_an_administrator_stays(logged: Logged) -> None:
    for line in ("userconfig disable administrator", "userconfig edit administrator role guest"):
        heard, status = await hear(logged.desk, local_person("local:root"), line)
        assert status == 1 and "the only administrator" in heard.complaints[0]
    await do(logged, "userconfig new second administrator 'a pass phrase' ''")
    await do(logged, "userconfig disable administrator")
    heard, status = await hear(logged.desk, ADMIN, "userconfig disable second")
    assert status == 1 and "the only administrator" in heard.complaints[0]


@pytest.mark.parametrize("role", sorted(set(ROLES) - {"administrator"}))
async def test_nobody_else_sees_or_changes_users(logged: Logged, role: str) -> None:
    before = logged.rest.store.view.users()
    for line in (
        "userconfig",
        "userconfig new eve administrator 'a pass phrase' ''",
        f"userconfig edit {role} role administrator",
        f"userconfig edit {role} quarantines Virus",
        "userconfig disable administrator",
        "userconfig password administrator 'a pass phrase'",
        "userconfig twofactor off user administrator",
    ):
        heard, status = await hear(logged.desk, Person(role, role, "password"), line)
        assert (status, heard.said) == (1, []) and "may not do this" in heard.complaints[0]
    assert logged.rest.store.view.users() == before


@pytest.mark.parametrize(
    ("line", "status", "why"),
    [
        ("userconfig new 'a b' guest 'a pass phrase' ''", 1, "a user's name has"),
        ("userconfig new ../x guest 'a pass phrase' ''", 1, "a user's name has"),
        ("userconfig new anna boss 'a pass phrase' ''", 1, "there is no role 'boss'; the roles are administrator"),
        ("userconfig new anna guest short ''", 1, "at least 8 characters"),
        ("userconfig new anna guest 'a pass phrase' Nowhere", 1, "there is no quarantine 'Nowhere'"),
        ("userconfig new guest guest 'a pass phrase' ''", 1, "there is a user guest already"),
        ("userconfig edit nobody role guest", 1, "there is no user 'nobody'"),
        ("userconfig edit guest name eve", 2, "'name' cannot be changed"),
        ("userconfig enable nobody 'a pass phrase'", 1, "there is no user 'nobody'"),
    ],
)
async def test_what_is_refused(logged: Logged, line: str, status: int, why: str) -> None:
    heard, got = await hear(logged.desk, ADMIN, line)
    assert got == status and why in heard.complaints[0]


async def test_of_two_who_shut_each_other_out_at_once_one_stays(logged: Logged) -> None:
    await do(logged, "userconfig new second administrator 'a pass phrase' ''")
    both = await asyncio.gather(
        hear(logged.desk, local_person("local:root"), "userconfig disable administrator"),
        hear(logged.desk, local_person("local:root"), "userconfig disable second"),
    )
    assert sorted(status for _, status in both) == [0, 1]
