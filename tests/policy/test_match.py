import pytest

from pratique.policy import match
from pratique.policy.match import PolicyTable, parse_addresses
from pratique.policy.settings import MailPolicy
from pratique.policy.syntax import ProgramError


@pytest.mark.parametrize(
    ("form", "inside", "outside"),
    [
        ("Ann@B.example", ["ann@b.example", "ANN@b.EXAMPLE"], ["bob@b.example", "ann@x.b.example"]),
        ("@b.example", ["ann@b.example"], ["ann@x.b.example", "ann@ab.example", ""]),
        (".b.example", ["ann@x.b.example", "ann@y.x.b.example"], ["ann@b.example", "ann@ab.example"]),
        ("ann@", ["ann@b.example", "ann@c.example"], ["bob@b.example"]),
    ],
)
def test_address_forms(form, inside, outside):
    found = parse_addresses([form], "p")
    assert [address for address in inside if not found.holds(address)] == []
    assert [address for address in outside if found.holds(address)] == []


def test_an_empty_list_covers_everyone():
    assert parse_addresses([], "p").holds("ann@b.example")
    assert parse_addresses([], "p").holds("")


@pytest.mark.parametrize("form", ["b.example", "", ".", "@"])
def test_what_is_no_address_form(form):
    with pytest.raises(ProgramError) as caught:
        parse_addresses([form], "sales")
    assert caught.value.filter_name == "policy sales"
    assert ".b.example" in caught.value.cure


def test_a_list_has_a_limit(monkeypatch):
    monkeypatch.setattr(match, "ADDRESSES_MAX", 1)
    with pytest.raises(ProgramError, match="more than 1"):
        parse_addresses(["a@b", "c@d"], "p")


TABLE = PolicyTable(
    (
        MailPolicy(name="partners", senders=("@partner.example",), recipients=("@here.example",)),
        MailPolicy(name="sales", recipients=("sales@here.example", "boss@here.example")),
        MailPolicy(name="out", table="outbound", recipients=("@there.example",)),
    )
)


def split(table, sender, *recipients):
    return [(policy.name, indices) for policy, indices in TABLE.split(table, sender, recipients)]


def test_the_first_policy_that_covers_sender_and_recipient_wins():
    assert split("inbound", "ann@partner.example", "sales@here.example") == [("partners", (0,))]
    assert split("inbound", "x@y.example", "sales@here.example") == [("sales", (0,))]


def test_recipients_are_split_by_policy_and_the_rest_is_default():
    recipients = ("x@here.example", "sales@here.example", "y@here.example", "boss@here.example")
    assert split("inbound", "x@y.example", *recipients) == [("DEFAULT", (0, 2)), ("sales", (1, 3))]


def test_tables_do_not_mix():
    assert split("outbound", "ann@partner.example", "sales@here.example", "a@there.example") == [
        ("DEFAULT", (0,)),
        ("out", (1,)),
    ]


def test_without_policies_one_default_covers_all():
    ((policy, indices),) = PolicyTable(()).split("inbound", "", ["a@b", "c@d"])
    assert (policy.name, policy.table, indices) == ("DEFAULT", "inbound", (0, 1))
    ((policy, _),) = PolicyTable(()).split("elsewhere", "", ["a@b"])
    assert (policy.name, policy.table) == ("DEFAULT", "elsewhere")


def test_every_policy_that_may_apply_is_listed():
    assert [policy.name for policy in TABLE.all_policies()] == ["partners", "sales", "out", "DEFAULT", "DEFAULT"]


def test_an_unknown_table_is_refused():
    with pytest.raises(ProgramError, match="'sideways' is no table"):
        PolicyTable((MailPolicy(name="p", table="sideways"),))
