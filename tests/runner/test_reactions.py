"""What a sender does with each deciding reply."""

import pytest

from pratique.delivery.custody import Event
from pratique.runner.reactions import REACTIONS, React
from pratique.transfer import replies
from pratique.transfer.messages import Keyword, Verdict


def test_every_keyword_that_may_decide_a_group_or_a_cancel_has_its_reaction() -> None:
    assert REACTIONS.keys() == replies.GROUP | replies.CANCEL


def test_only_the_three_words_of_custody_move_it() -> None:
    moving = {keyword: reaction.event for keyword, reaction in REACTIONS.items() if reaction.react is React.MOVE}
    assert moving == {Keyword.ACC: Event.ACC, Keyword.CANC: Event.CANC, Keyword.CANCELLED: Event.CANC}
    for keyword, reaction in REACTIONS.items():
        code, enhanced = replies.CODES[keyword]
        assert Verdict(code, enhanced, keyword).moves_custody == (reaction.react is React.MOVE)
        assert (reaction.event is None) == (reaction.react is not React.MOVE)


@pytest.mark.parametrize(
    ("keyword", "seconds"),
    [
        (Keyword.SUSPENDED_QUARANTINE, 30),
        (Keyword.SUSPENDED, 30),
        (Keyword.FULL, 30),
        (Keyword.RECON, 10),
        (Keyword.VERSION, 300),
    ],
)
def test_a_pause_is_as_long_as_the_protocol_says(keyword: Keyword, seconds: float) -> None:
    reaction = REACTIONS[keyword]
    assert (reaction.react, reaction.pause_seconds) == (React.PAUSE, seconds)


def test_a_temporary_answer_never_gives_a_message_up() -> None:
    for keyword, reaction in REACTIONS.items():
        if 400 <= replies.CODES[keyword][0] < 500 and keyword is not Keyword.RECIPIENTS:
            assert reaction.react in (React.RETRY, React.PAUSE), keyword


def test_what_is_kept_for_a_person_raises_an_alarm() -> None:
    for keyword, reaction in REACTIONS.items():
        if reaction.react in (React.CANCEL, React.VERIFY, React.STUCK):
            assert reaction.alarm, keyword


def test_a_conflict_is_never_cancelled_or_sent_again() -> None:
    assert REACTIONS[Keyword.CONFLICT].react is React.STUCK
    assert [k for k, r in REACTIONS.items() if r.react is React.STUCK] == [Keyword.CONFLICT]
