import pytest

from pratique.quarantine.kinds import DAY_S, DefaultAction
from pratique.quarantine.lifecycle import Mark
from pratique.quarantine.retention import (
    OUTBREAK_ALERT_PERCENTS,
    POOL_ALERT_PERCENTS,
    RETENTION_S_MAX,
    EarlyRelease,
    Held,
    crossed,
    expired,
    mark_of,
    overflow_order,
    scheduled_exit,
)


def held(mid, quarantine="Policy", *, received=0, exit_at=1_000, frees_space=True):
    return Held(mid, quarantine, received, exit_at, DefaultAction.DELETE, frees_space)


def test_the_scheduled_exit():
    assert scheduled_exit(1_000, 10 * DAY_S) == 1_000 + 864_000_000
    assert scheduled_exit(0, 0) == 60_000  # never at once
    assert scheduled_exit(0, 10**12) == RETENTION_S_MAX * 1_000


def test_default_actions_give_marks():
    assert mark_of(DefaultAction.RELEASE) is Mark.RELEASED
    assert mark_of(DefaultAction.DELETE) is Mark.DELETED


def test_expiry_concerns_each_hold_for_itself():
    holds = [
        held(1, "Virus", exit_at=3_000),
        held(1, "Policy", exit_at=900),
        held(2, exit_at=1_000),
        held(3, exit_at=1_001),
    ]
    assert [(hold.mid, hold.quarantine) for hold in expired(holds, 1_000)] == [(1, "Policy"), (2, "Policy")]
    assert expired(holds, 899) == ()


def test_overflow_takes_the_oldest_first_whatever_the_quarantine():
    holds = [
        held(3, "Virus", received=30, exit_at=100),
        held(1, "Policy", received=10, exit_at=900),
        held(2, "Legal", received=20, exit_at=500),
    ]
    assert [hold.mid for hold in overflow_order(holds)] == [1, 2, 3]


def test_overflow_spares_exempt_quarantines():
    holds = [held(1, frees_space=False), held(2, received=5)]
    assert [hold.mid for hold in overflow_order(holds)] == [2]
    assert overflow_order([held(1, frees_space=False)]) == ()


def test_overflow_takes_a_message_in_several_quarantines_by_the_hold_that_ends_last_and_whole():
    holds = [
        held(1, "Policy", received=10, exit_at=500),
        held(1, "Virus", received=25, exit_at=900),
        held(1, "Legal", received=12, exit_at=600, frees_space=False),
        held(2, "Policy", received=20, exit_at=800),
    ]
    assert [(hold.mid, hold.quarantine) for hold in overflow_order(holds)] == [
        (2, "Policy"),
        (1, "Policy"),
        (1, "Virus"),
    ]


def test_what_is_done_to_mail_released_early():
    extras = EarlyRelease("prepend", "[early]\r\nBcc: x@y", "Inappropriate-release-early", "True\0", True)
    assert extras.changes() == (
        ("subject-prepend", "Subject", "[early]  Bcc: x@y"),
        ("add-header", "Inappropriate-release-early", "True "),
        ("strip-attachments", "", ""),
    )
    assert EarlyRelease().changes() == ()


@pytest.mark.parametrize(
    ("before", "after", "percent"),
    [(0, 74, 0), (74, 75, 75), (75, 80, 0), (70, 90, 85), (70, 100, 95), (95, 96, 0), (96, 80, 0), (0, 200, 95)],
)
def test_the_pool_warns_on_the_way_up_only(before, after, percent):
    assert crossed(POOL_ALERT_PERCENTS, before=before, after=after, limit=100) == percent


def test_thresholds_are_exact_for_odd_limits():
    assert crossed(OUTBREAK_ALERT_PERCENTS, before=0, after=1, limit=20) == 5
    assert crossed(OUTBREAK_ALERT_PERCENTS, before=0, after=1, limit=21) == 0
    assert crossed(OUTBREAK_ALERT_PERCENTS, before=0, after=1, limit=0) == 0
