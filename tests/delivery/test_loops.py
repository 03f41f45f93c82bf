"""Mail that goes round in circles."""

from pratique.delivery.loops import HOPS_MAX, loops


def test_a_hundred_hops_pass_and_one_more_is_a_loop() -> None:
    assert not loops(HOPS_MAX)
    assert loops(HOPS_MAX + 1)


def test_hops_carried_beside_the_body_count() -> None:
    assert loops(HOPS_MAX - 1, 2)
    assert not loops(HOPS_MAX - 1, 1)


def test_the_limit_is_an_option() -> None:
    assert loops(3, 0, 2)
