"""Who may do what over REST: every route for every role, quarantines without a trace, sign-in, tokens, back-off."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pyotp
import pytest

from pratique.console.access.roles import ROLES, Permission, Person
from pratique.console.commands import credentials
from pratique.console.commands.desk import COMMANDS
from pratique.console.rest.routes import ROUTES
from pratique.store.moves import PutUser
from tests.console import rest_world
from tests.console.rest_world import PASSWORD, RestWorld, basic, hashed, holds

BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/quarantine/messages"): {"action": "release", "mids": [1], "quarantineName": "Policy"},
    ("DELETE", "/quarantine/messages"): {"mids": [1], "quarantineName": "Policy"},
    ("POST", "/quarantine/messages/rules"): {"action": "release", "ruleId": ["x"]},
    ("POST", "/quarantine/rules"): {"action": "release", "ruleId": ["x"]},
    ("DELETE", "/quarantine/messages/rules"): {"ruleId": ["x"]},
    ("DELETE", "/quarantine/rules"): {"ruleId": ["x"]},
    ("POST", "/config/local_quarantines"): {
        "quarantine_name": "Fresh",
        "quarantine_retention_period": 1,
        "quarantine_retention_units": "days",
        "quarantine_normal_actions": {"quarantine_action": "release"},
    },
    ("PUT", "/config/local_quarantines/{name}"): {
        "quarantine_retention_period": 2,
        "quarantine_retention_units": "days",
    },
}
QUERIES = {
    "/quarantine/messages/details": "?mid=1",
    "/quarantine/messages/attachment": "?mid=1&attachmentId=1",
    "/quarantine/rules_search": "?ruleId=x",
}
GUARDED = [route for route in ROUTES if route.commands]


@pytest.mark.parametrize("role", rest_world.ROLES)
async def test_every_route_for_every_role(rest: RestWorld, role: str) -> None:
    """A role with the permission of the route's command is answered, any other gets 403 and changes nothing."""
    before: list[Any] = []
    for route in GUARDED:
        allowed = {COMMANDS[name].permission for name in route.commands} & ROLES.get(role, frozenset())
        path = route.path.format(name="Policy") + QUERIES.get(route.path, "")
        copy = await rest.held()
        if "?mid=1" in path:
            path = path.replace("mid=1", f"mid={copy.mid}")
        body = BODIES.get((route.method, route.path))
        before = rest.audited()
        answer = await rest.call(route.method, path, user=role, body=body)
        expected = 200 if allowed else 403
        assert answer.status_code == expected, f"{role} {route.method} {route.path}: {answer.text}"
        if not allowed:
            assert rest.audited() == before
    assert not rest.faults


async def test_every_route_wants_a_sign_in(rest: RestWorld) -> None:
    for route in GUARDED:
        path = route.path.format(name="Policy") + QUERIES.get(route.path, "")
        answer = await rest.call(route.method, path, user="", body=BODIES.get((route.method, route.path)))
        if route.path == "/health":
            assert answer.json() == {"data": {"status": "ok"}}
            continue
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Basic ")
        assert answer.json()["error"]["explanation"] == "401 = No permission -- see authorization schemes."


def test_each_permission_is_granted_to_somebody_and_no_command_is_unguarded() -> None:
    assert {p for granted in ROLES.values() for p in granted} == set(Permission)
    assert set(COMMANDS) >= {name for route in ROUTES for name in route.commands}


async def test_only_administrators_send_copies(rest: RestWorld) -> None:
    body = {"action": "copy", "mids": [1], "quarantineName": "Policy", "recipients": ["a@example.org"]}
    for role, status in (("administrator", 200), ("email-administrator", 403), ("operator", 403), ("guest", 403)):
        assert (await rest.call("POST", "/quarantine/messages", user=role, body=body)).status_code == status


# --- no trace -----------------------------------------------------------------------------------------------------
async def test_a_quarantine_that_is_not_ones_own_leaves_no_trace(rest: RestWorld) -> None:
    """The operator was given Policy and Outbreak, the message is in Virus only."""
    copy = await rest.held(**holds("Virus"))
    mid, user = copy.mid, "operator"
    hidden = f"details?mid={mid}", f"attachment?mid={mid}&attachmentId=1"
    missing = "details?mid=99", "attachment?mid=99&attachmentId=1"
    for one, other in zip(hidden, missing, strict=True):
        answers = [await rest.call("GET", f"/quarantine/messages/{path}", user=user) for path in (one, other)]
        assert answers[0].status_code == 404
        assert answers[0].text == answers[1].text
    for name in ("Virus", "NoSuch"):
        assert (await rest.get(f"/quarantine/messages?quarantines={name}", user=user))["meta"]["totalCount"] == 0
        done = await rest.act({"action": "release", "mids": [mid], "quarantineName": name}, user=user)
        assert done["data"]["totalCount"] == 0
        body = {"action": "move", "mids": [1], "quarantineName": "Policy", "destinationQuarantineName": name}
        refused = await rest.call("POST", "/quarantine/messages", user=user, body=body)
        assert refused.json()["error"]["message"] == "There is no such destination quarantine."
        one_quarantine = await rest.call("GET", f"/config/local_quarantines/{name}", user=user)
        assert one_quarantine.json()["error"]["message"] == "There is no such quarantine."
    names = (await rest.get("/config/quarantines", user=user))["data"]["quarantines"]
    assert sorted(n for listed in names.values() for n in listed) == ["Outbreak", "Policy"]
    assert rest.mark(mid, "Virus") == "HELD"


async def test_a_message_in_two_quarantines_shows_the_reviewer_his_own_only(rest: RestWorld) -> None:
    copy = await rest.held(**holds("Policy", "Virus", matched='[{"part": "body", "text": "secret"}]'))
    row = (await rest.get("/quarantine/messages", user="guest"))["data"][0]["attributes"]
    details = (await rest.get(f"/quarantine/messages/details?mid={copy.mid}", user="guest"))["data"]["attributes"]
    assert row["inQuarantines"] == "Policy"
    assert [entry["quarantineName"] for entry in row["quarantineForReasonDict"]] == ["Policy"]
    assert [entry["quarantineName"] for entry in details["quarantineDetails"]] == ["Policy"]
    assert details["matchedContents"] == [{"quarantineName": "Policy", "part": "body", "text": "secret"}]
    done = await rest.act({"action": "release", "mids": [copy.mid], "quarantineName": "Policy, Virus"}, user="guest")
    assert done["data"]["totalCount"] == 1
    assert (rest.mark(copy.mid), rest.mark(copy.mid, "Virus"), rest.custody(copy.mid)) == ("RELEASED", "HELD", "HELD")


async def test_a_message_moves_only_where_one_can_see_it(rest: RestWorld) -> None:
    copy = await rest.held(**holds("Unclassified"))
    body = {
        "action": "move",
        "mids": [copy.mid],
        "quarantineName": "Unclassified",
        "destinationQuarantineName": "Policy",
    }
    assert (await rest.act(body, user="operator"))["data"]["totalCount"] == 0
    assert (await rest.act(body))["data"]["totalCount"] == 1


# --- sign-in ------------------------------------------------------------------------------------------------------
def _login(user: str, password: str = PASSWORD) -> dict[str, Any]:
    code = [base64.b64encode(text.encode()).decode() for text in (user, password)]
    return {"data": {"userName": code[0], "passphrase": code[1]}}


async def _token(rest: RestWorld, user: str = "administrator") -> str:
    answer = await rest.call("POST", "/login", user="", body=_login(user))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["data"]["jwtToken"])


async def test_login_gives_a_token_that_works_for_half_an_hour_and_more(rest: RestWorld) -> None:
    token = await _token(rest)
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert token.startswith("eyJ")
    assert claims["exp"] >= rest.clock.now_ms() // 1_000 + 1_800
    rest.clock.now += 29 * 60_000
    answer = await rest.call("GET", "/quarantine/messages", user="", headers={"jwtToken": token})
    assert answer.status_code == 200
    assert "jwttoken" not in answer.headers
    rest.clock.now += 5 * 60_000
    answer = await rest.call("GET", "/quarantine/messages", user="", headers={"jwtToken": token})
    renewed = answer.headers["jwttoken"]
    rest.clock.now += 30 * 60_000
    for sent, status in ((token, 401), (renewed, 200), ("eyJx.y.z", 401), ("x" * 9_000, 401)):
        answer = await rest.call("GET", "/quarantine/messages", user="", headers={"jwtToken": sent})
        assert answer.status_code == status


async def test_an_old_token_beside_good_basic_credentials_is_no_obstacle(rest: RestWorld) -> None:
    answer = await rest.call("GET", "/quarantine/messages", headers={"jwtToken": "eyJhbGciOiJub25lIn0.e30."})
    assert answer.status_code == 200


@pytest.mark.parametrize("algorithm", ["none", "HS512"])
async def test_a_token_cannot_choose_its_algorithm(rest: RestWorld, algorithm: str) -> None:
    _, claims, signature = (await _token(rest)).split(".")
    head = base64.urlsafe_b64encode(json.dumps({"alg": algorithm, "typ": "JWT"}).encode()).decode().rstrip("=")
    for sent in (f"{head}.{claims}.", f"{head}.{claims}.{signature}"):
        assert (await rest.call("GET", "/health", user="", headers={"jwtToken": sent})).status_code == 401


async def test_a_new_pass_phrase_and_a_disabled_user_end_sessions_at_once(rest: RestWorld) -> None:
    token = await _token(rest, "operator")
    user = rest.store.view.user("operator")
    assert user is not None
    from dataclasses import replace

    for changed in (replace(user, password=hashed() + " "), replace(user, disabled=True)):
        assert (await rest.call("GET", "/health", user="operator")).status_code == 200
        await rest.store.submit(PutUser(changed, ()))
        assert (await rest.call("GET", "/health", user="", headers={"jwtToken": token})).status_code == 401
        assert (await rest.call("GET", "/health", user="operator")).status_code == 401
        await rest.store.submit(PutUser(user, ()))
        rest.clock.now += 120_000


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"nocolon").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe:x").decode(),
        "Basic " + "A" * 10_000,
        "Bearer abc",
        basic("administrator", ""),
        basic("", PASSWORD),
        basic("administrator", "x" * 5_000),
        basic("a" * 1_000),
        basic("admin\0istrator"),
    ],
)
async def test_bad_credentials_are_a_401_and_say_no_more(rest: RestWorld, header: str) -> None:
    answer = await rest.call("GET", "/quarantine/messages", user="", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.json()["error"]["message"] == "Sign-in needed, or the credentials are wrong."


@pytest.mark.parametrize("body", [{}, {"data": 1}, {"data": {"userName": 1, "passphrase": 2}}, []])
async def test_a_login_without_credentials_is_a_400(rest: RestWorld, body: Any) -> None:
    assert (await rest.call("POST", "/login", user="", body=body)).status_code == 400


async def test_utf8_pass_phrases(rest: RestWorld) -> None:
    from argon2 import PasswordHasher

    from pratique.store.records import User

    password = "пароль: ключ"
    stored = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(password)
    await rest.store.submit(PutUser(User("jörg", "administrator", stored), ()))
    assert (await rest.call("GET", "/health", user="jörg", password=password)).status_code == 200
    assert (await rest.call("POST", "/login", user="", body=_login("jörg", password))).status_code == 200


async def test_guessing_slows_down_and_the_owner_elsewhere_is_not_locked_out(rest: RestWorld) -> None:
    assert (await rest.call("GET", "/health", user="operator")).status_code == 200  # seen from 192.0.2.77
    guesser = {"user": "guest", "password": "wrong"}
    statuses = [(await rest.call("GET", "/health", **guesser)).status_code for _ in range(5)]
    assert statuses == [401, 401, 401, 429, 429]
    answer = await rest.call("GET", "/health", **guesser)
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.json()["error"]["code"] == "429"
    rest.clock.now += 1_000
    assert (await rest.call("GET", "/health", **guesser)).status_code == 401
    assert (await rest.call("GET", "/health", user="operator")).status_code == 200
    assert ("sign-in-failed", "guest", "192.0.2.77") in rest.notes


# --- other sites' pages -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "headers, status",
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://sma.example:8443", "Sec-Fetch-Site": "same-origin"}, 200),
        ({}, 200),
    ],
)
async def test_a_form_on_another_site_cannot_act(rest: RestWorld, headers: dict[str, str], status: int) -> None:
    copy = await rest.held()
    body = {"action": "release", "mids": [copy.mid], "quarantineName": "Policy"}
    answer = await rest.call("POST", "/quarantine/messages", body=body, headers=headers)
    assert answer.status_code == status
    assert rest.mark(copy.mid) == ("RELEASED" if status == 200 else "HELD")


async def _second_factor(rest: RestWorld, name: str) -> Callable[[], str]:
    """The user has one from now on; what is returned makes the code of the moment."""
    person = Person(name, "operator", "password")
    secret = (await credentials.begin_code(rest.desk, person)).secret

    def code() -> str:
        return pyotp.TOTP(secret).generate_otp(rest.clock.now_ms() // 1_000 // 30)

    await credentials.confirm_code(rest.desk, person, secret, code())
    rest.clock.now += 60_000
    return code


async def test_a_pass_phrase_alone_does_not_sign_in_who_has_a_second_factor(rest: RestWorld) -> None:
    code = await _second_factor(rest, "operator")
    answer = await rest.call("GET", "/quarantine/messages", user="operator")
    assert answer.status_code == 401 and "/login with a passcode" in answer.json()["error"]["message"]
    first = (await rest.call("POST", "/login", user="", body=_login("operator"))).json()["data"]
    assert first["is2FactorRequired"] is True and "jwtToken" not in first
    asked = _login("operator")
    asked["data"]["passcode"] = base64.b64encode(code().encode()).decode()
    second = (await rest.call("POST", "/login", user="", body=asked)).json()["data"]
    assert second["is2FactorRequired"] is False
    answer = await rest.call("GET", "/quarantine/messages", user="", headers={"jwtToken": second["jwtToken"]})
    assert answer.status_code == 200
    again = await rest.call("POST", "/login", user="", body=asked)
    assert again.status_code == 401, "a code is good once"


async def test_who_does_not_know_the_pass_phrase_hears_nothing_of_a_second_factor(rest: RestWorld) -> None:
    await _second_factor(rest, "operator")
    answer = await rest.call("POST", "/login", user="", body=_login("operator", "wrong"))
    assert answer.status_code == 401
    assert answer.json()["error"]["message"] == "Sign-in needed, or the credentials are wrong."


async def test_codes_cannot_be_guessed_with_the_right_pass_phrase(rest: RestWorld) -> None:
    await _second_factor(rest, "operator")
    wrong = _login("operator")
    wrong["data"]["passcode"] = base64.b64encode(b"000000").decode()
    answers = [(await rest.call("POST", "/login", user="", body=wrong)).status_code for _ in range(6)]
    assert answers[:3] == [401] * 3 and answers[-1] == 429
