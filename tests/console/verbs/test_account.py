"""passwd, sshconfig, userconfig: one's own, and another's as an administrator; each change is in the audit."""

import json

import pyotp
import pytest

from pratique.console.access.passwords import check_password
from pratique.console.access.roles import Person, local_person
from pratique.console.commands import credentials, users
from tests.console.rest_world import PASSWORD
from tests.console.verbs.conftest import Logged
from tests.console.verbs.hearing import hear

ADMIN = Person("administrator", "administrator", "password")
GUEST = Person("guest", "guest", "password")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJqi2lVmRDCQoBQVVoIrTH0+8YQRu8PzKiP0wCJrNhpd"
BARE = "SHA256:"


def audited(logged: Logged) -> list[tuple[str, str, str]]:
    return [(row.actor, row.action, row.detail) for row in logged.rest.store.view.audit(0, 1_000)]


async def _is(logged: Logged, user: str, password: str) -> bool:
    found = logged.rest.store.view.user(user)
    return found is not None and await check_password(found.password, password)


# --- passwd
async def test_a_pass_phrase_is_changed_in_a_dialogue_or_by_words(logged: Logged) -> None:
    heard, status = await hear(logged.desk, GUEST, "passwd", PASSWORD, "another one", "another one")
    assert (status, heard.text) == (0, "Pass phrase changed. Sign in again with the new one.")
    assert heard.asked == [] and len(heard.secrets) == 3
    assert await _is(logged, "guest", "another one")
    assert (await hear(logged.desk, GUEST, "passwd 'another one' 'a third one'"))[1] == 0
    assert await _is(logged, "guest", "a third one")
    assert audited(logged)[-1] == ("guest", "set-password", '{"user": "guest"}')


@pytest.mark.parametrize(
    ("words", "answers", "why"),
    [
        ("wrong 'a new one'", (), "the old pass phrase is not right"),
        (f"'{PASSWORD}' short", (), "at least 8 characters"),
        (f"'{PASSWORD}' {'x' * 2_000}", (), "1 to 1024 octets"),
        ("one", (), "the old and the new pass phrase"),
        ("", (PASSWORD, "a new one", "another one"), "the two are not the same"),
    ],
)
async def test_a_pass_phrase_that_is_not_changed(
    logged: Logged, words: str, answers: tuple[str, ...], why: str
) -> None:
    heard, status = await hear(logged.desk, GUEST, f"passwd {words}", *answers)
    assert status != 0 and why in heard.complaints[0]
    assert await _is(logged, "guest", PASSWORD)


async def test_a_user_who_is_disabled_while_the_pass_phrase_is_changed_stays_so(
    logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = credentials.check_password

    async def meanwhile(stored: str, given: str) -> bool:
        await users.disable_user(logged.desk, ADMIN, "guest")
        return await right(stored, given)

    monkeypatch.setattr(credentials, "check_password", meanwhile)
    heard, status = await hear(logged.desk, GUEST, f"passwd '{PASSWORD}' 'another one'")
    assert status == 1 and "changed this very moment" in heard.complaints[0]
    found = logged.rest.store.view.user("guest")
    assert found is not None and found.disabled


async def test_whoever_is_at_the_machine_itself_has_no_pass_phrase_here(logged: Logged) -> None:
    heard, status = await hear(logged.desk, local_person("local:administrator"), "passwd x 'a new one'")
    assert status == 1 and "name a user" in heard.complaints[0]


# --- keys
async def test_keys_are_listed_added_and_deleted(logged: Logged) -> None:
    assert (await hear(logged.desk, GUEST, "sshconfig"))[0].text == "No keys."
    heard, status = await hear(logged.desk, GUEST, f"sshconfig userkey new '{KEY} me@desk\x1b[2J'")
    assert status == 0 and "me@desk\\x1b[2J" in heard.text
    heard, status = await hear(logged.desk, GUEST, f"sshconfig userkey new {KEY}")
    assert status == 1 and "has this key already" in heard.complaints[0]
    rows = json.loads((await hear(logged.desk, GUEST, "sshconfig userkey list --json"))[0].text)
    assert [row["type"] for row in rows] == ["ssh-ed25519"]
    fingerprint = rows[0]["fingerprint"]
    assert (await hear(logged.desk, GUEST, "sshconfig userkey list"))[0].text.startswith(
        f"1. ssh-ed25519 {fingerprint} "
    )
    assert credentials.is_key(logged.desk, "guest", KEY)
    assert (await hear(logged.desk, GUEST, "sshconfig userkey delete", "1"))[1] == 0
    assert not credentials.is_key(logged.desk, "guest", KEY)
    assert [row[:2] for row in audited(logged)[-2:]] == [("guest", "add-key"), ("guest", "drop-key")]
    assert all(json.loads(row[2]) == {"user": "guest", "fingerprint": fingerprint} for row in audited(logged)[-2:])


async def test_an_administrator_does_it_for_another_and_nobody_else(logged: Logged) -> None:
    line = f"sshconfig userkey new {KEY} user operator"
    for person, status in ((GUEST, 1), (ADMIN, 0), (local_person("local:root"), 1)):
        heard, got = await hear(logged.desk, person, line)
        assert got == status, heard.complaints
    assert credentials.is_key(logged.desk, "operator", KEY) and not credentials.is_key(
        logged.desk, "administrator", KEY
    )
    heard, status = await hear(logged.desk, ADMIN, "sshconfig userkey list user nobody")
    assert status == 1 and "there is no user 'nobody'" in heard.complaints[0]


@pytest.mark.parametrize(
    ("line", "status", "why"),
    [
        ("sshconfig sshd", 2, "'sshd' is not known"),
        ("sshconfig userkey frob", 2, "'frob' is not known"),
        ("sshconfig userkey new rubbish", 1, "no public key"),
        ("sshconfig userkey delete 1", 2, "there is no key 1"),
        ("sshconfig userkey delete SHA256:x", 1, "no key with that fingerprint"),
        ("userconfig frob", 2, "'frob' is not known"),
        ("userconfig twofactor off", 2, "give the answer with the command"),
        ("userconfig twofactor on user operator", 2, "does not go with this"),
        ("userconfig twofactor off 123456", 1, "has no second factor"),
    ],
)
async def test_what_is_refused(logged: Logged, line: str, status: int, why: str) -> None:
    heard, got = await hear(logged.desk, GUEST, line)
    assert got == status and why in heard.complaints[0]


# --- second factor
def _now(logged: Logged) -> int:
    return logged.rest.clock.now_ms() // 1_000


async def test_a_second_factor_is_turned_on_with_a_code_of_it_and_off_with_another(logged: Logged) -> None:
    heard, status = await hear(logged.desk, GUEST, "userconfig twofactor on", "000000")
    assert status == 1 and "this code is not right" in heard.complaints[0]
    assert not credentials.has_code(logged.desk, "guest")
    secret = (await credentials.begin_code(logged.desk, GUEST)).secret
    program = pyotp.TOTP(secret)
    code = program.at(_now(logged))
    assert (await hear(logged.desk, GUEST, f"userconfig twofactor on {secret} {code}"))[1] == 0
    assert (await hear(logged.desk, GUEST, "userconfig twofactor"))[0].text == "Second factor: on"
    assert (await hear(logged.desk, GUEST, "userconfig twofactor on"))[1] == 1
    assert (await hear(logged.desk, GUEST, f"userconfig twofactor off {code}"))[1] == 1, "a code is good once"
    logged.rest.clock.now += 60_000
    assert (await hear(logged.desk, GUEST, f"userconfig twofactor off {program.at(_now(logged))}"))[1] == 0
    assert not credentials.has_code(logged.desk, "guest")
    told = [row for row in audited(logged) if row[0] == "guest"]
    assert [row[1] for row in told] == ["set-code", "use-code", "drop-code"]
    assert secret not in json.dumps(told)


async def test_an_administrator_takes_off_that_of_another_without_a_code(logged: Logged) -> None:
    secret = (await credentials.begin_code(logged.desk, GUEST)).secret
    await credentials.confirm_code(logged.desk, GUEST, secret, pyotp.TOTP(secret).at(_now(logged)))
    other = Person("operator", "operator", "password")
    assert (await hear(logged.desk, other, "userconfig twofactor off user guest"))[1] == 1
    assert credentials.has_code(logged.desk, "guest")
    assert (await hear(logged.desk, local_person("local:root"), "userconfig twofactor off user guest"))[1] == 0
    assert not credentials.has_code(logged.desk, "guest")
