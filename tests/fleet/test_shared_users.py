"""What a member makes of users that it hears of."""

from dataclasses import replace

import pytest

from pratique.fleet.cluster import Author, new_cluster
from pratique.fleet.replica import merge
from pratique.fleet.shared_users import settle, text_of, user_of, without_secret
from pratique.store.records import User

HASH = "$argon2id$v=19$m=65536,t=2,p=1$c2FsdHNhbHQ$aGFzaA"
ANNA = User("anna", "operator", HASH, (), 7)
ADMIN = User("admin", "administrator", HASH + "a", (), 1)
NEW = HASH + "n"


def users(*given: User) -> dict[str, User]:
    return {user.name: user for user in given}


def texts(*given: User) -> dict[str, str]:
    return {user.name: text_of(user) for user in given}


def test_a_user_that_is_new_here_is_made() -> None:
    found = settle(users(ADMIN), texts(ANNA), {})
    assert (found.put, found.told, found.taken) == ([ANNA], {}, texts(ANNA))


def test_what_was_taken_up_is_left_alone() -> None:
    found = settle(users(ADMIN, ANNA), texts(ANNA), texts(ANNA))
    assert (found.put, found.told, found.refused) == ([], {}, {})


def test_at_the_first_time_the_clusters_counts_and_what_is_of_the_machine_stays() -> None:
    mine = replace(ANNA, password=NEW, role="guest", quarantines=("Policy",), created_at=99)
    found = settle(users(ADMIN, mine), texts(ANNA), {})
    assert found.put == [replace(ANNA, quarantines=("Policy",), created_at=99)]
    assert found.told == {}
    again = settle(users(ADMIN, *found.put), texts(ANNA), found.taken)
    assert (again.put, again.told) == ([], {})


def test_a_change_here_is_told_and_one_there_is_taken() -> None:
    here = settle(users(ADMIN, replace(ANNA, password=NEW)), texts(ANNA), texts(ANNA))
    assert (here.put, here.told) == ([], texts(replace(ANNA, password=NEW)))
    there = settle(users(ADMIN, ANNA), texts(replace(ANNA, disabled=True)), texts(ANNA))
    assert (there.put, there.told) == ([replace(ANNA, disabled=True)], {})
    enabled = settle(users(ADMIN, replace(ANNA, disabled=True)), texts(ANNA), texts(replace(ANNA, disabled=True)))
    assert enabled.put == [ANNA]


def test_two_changes_of_one_user_come_together() -> None:
    """A pass phrase that she changes here does not undo that she was disabled there."""
    found = settle(
        users(ADMIN, replace(ANNA, password=NEW)), texts(replace(ANNA, disabled=True, role="guest")), texts(ANNA)
    )
    both = replace(ANNA, password=NEW, disabled=True, role="guest")
    assert (found.put, found.told, found.taken) == ([both], texts(both), texts(both))


@pytest.mark.parametrize("change", [{"disabled": True}, {"role": "operator"}])
def test_the_last_administrator_is_not_lost(change: dict[str, object]) -> None:
    heard = replace(ADMIN, **change)  # type: ignore[arg-type]
    found = settle(users(ADMIN, ANNA), texts(heard, ANNA), texts(ADMIN, ANNA))
    assert (found.put, found.told, found.taken) == ([], {}, texts(ADMIN, ANNA))
    assert list(found.refused) == ["admin"]
    first = settle(users(ADMIN), texts(heard), {})
    assert (first.put, first.taken) == ([], {})
    boss = User("boss", "administrator", HASH, (), 5)
    assert settle(users(ADMIN), texts(heard, boss), texts(ADMIN)).refused == {}, "there is another"


def test_the_new_administrator_is_made_before_the_former_one_is_disabled() -> None:
    boss = User("boss", "administrator", HASH, (), 5)
    found = settle(users(ADMIN), texts(replace(ADMIN, disabled=True), boss), texts(ADMIN))
    assert found.put == [boss, replace(ADMIN, disabled=True)]


def test_two_sides_that_each_disable_the_others_last_administrator_keep_one_each() -> None:
    boss = User("boss", "administrator", HASH, (), 5)
    here, there = replace(ADMIN, disabled=True), replace(boss, disabled=True)
    one = settle(users(here, boss), texts(here, there), texts(here, boss))
    other = settle(users(ADMIN, there), texts(here, there), texts(ADMIN, there))
    assert (one.put, list(one.refused)) == ([], ["boss"])
    assert (other.put, list(other.refused)) == ([], ["admin"])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "[" * 10_000,
        text_of(replace(ANNA, password="plain")),
        text_of(replace(ANNA, password=HASH + "x" * 600)),
        text_of(replace(ANNA, password=HASH + "\x1b")),
        text_of(ANNA).replace("false", "0"),
        text_of(ANNA).replace('"operator"', "7"),
    ],
)
def test_what_is_no_user_is_named_and_changes_nothing(text: str) -> None:
    assert user_of("anna", text) is None
    found = settle(users(ADMIN, ANNA), {"anna": text}, texts(ANNA))
    assert (found.put, found.told, found.taken) == ([], {}, texts(ANNA)) and "anna" in found.refused
    assert HASH not in without_secret(text)


def test_what_this_machine_cannot_have_is_named() -> None:
    found = settle(users(ADMIN), texts(ANNA), {}, lambda user: f"no {user.role} here")
    assert found.refused == {"anna": "no operator here"} and found.put == []


def test_apart_the_later_counts_but_a_disabled_user_stays_disabled_and_no_hash_is_shown() -> None:
    base = new_cluster("ident", "site", Author("S1", "a", 1)).with_user("anna", text_of(ANNA), Author("S1", "a", 2))
    left = base.with_user("anna", text_of(replace(ANNA, disabled=True)), Author("S1", "a", 10))
    right = base.with_user("anna", text_of(replace(ANNA, password=NEW)), Author("S2", "b", 20))
    both = type(base)(merge(left.state, right.state))
    assert both.users() == texts(replace(ANNA, password=NEW, disabled=True))
    (conflict,) = both.conflicts()
    shown = [conflict.shown(version) for version in conflict.versions]
    assert shown == [
        "role operator, may sign in; the pass phrase is not shown",
        "role operator, disabled; the pass phrase is not shown",
    ]
    assert both.with_user("anna", None, Author("S1", "a", 30)).users() == {}
