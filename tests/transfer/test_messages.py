from pratique.transfer.messages import V_CANCELLED, V_CONFLICT, V_STORE, Keyword, accepted, cancelled
from pratique.transfer.replies import CODES


def test_only_three_keywords_move_custody() -> None:
    assert accepted(3, 4).moves_custody
    assert cancelled(3, 4).moves_custody
    assert V_CANCELLED.moves_custody
    assert not V_STORE.moves_custody
    assert not V_CONFLICT.moves_custody


def test_keywords_are_those_of_the_grammar() -> None:
    assert all(k.startswith("XQ") and k[2:].isalpha() and k.isupper() and len(k) <= 14 for k in Keyword)
    assert len({str(k) for k in CODES}) == len(CODES)
