"""Which row of the table holds for a destination."""

import pytest

from pratique.delivery.destinations import ANY, Destinations, problem_of
from pratique.delivery.settings import DestinationSettings

ROWS = tuple(
    DestinationSettings(name, number)
    for number, name in enumerate(("example.org", ".example.org", ".a.example.org", "[192.0.2.1]", "Upper.Example."), 1)
)


@pytest.mark.parametrize(
    ("host", "row"),
    [
        ("example.org", 1),
        ("EXAMPLE.org.", 1),
        ("b.example.org", 2),
        ("c.b.example.org", 2),
        ("a.example.org", 2),
        ("x.a.example.org", 3),
        ("[192.0.2.1]", 4),
        ("upper.example", 5),
        ("org", 0),
        ("notexample.org", 0),
        ("", 0),
    ],
)
def test_the_most_specific_row_wins(host: str, row: int) -> None:
    assert Destinations(ROWS).find(host).connections_max == row


def test_without_a_table_nothing_is_special() -> None:
    assert Destinations().find("example.org") is ANY


@pytest.mark.parametrize("name", ["", ".", "a b", "the.cpq.host", "[192.0.2]", "-x.example", "a..b"])
def test_names_that_mean_nothing(name: str) -> None:
    assert problem_of(name)
