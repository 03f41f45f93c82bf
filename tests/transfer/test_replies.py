import pytest

from pratique.transfer import replies
from pratique.transfer.messages import Keyword, Verdict, accepted
from tests.transfer.support import xid


def test_the_id_stands_directly_behind_the_keyword() -> None:
    assert replies.encode_verdict(accepted(3, 4411), xid(1)) == f"250 2.0.0 XQACC {xid(1)} 3 4411\r\n".encode()


@pytest.mark.parametrize("keyword", sorted(replies.GROUP))
def test_a_verdict_comes_back(keyword: Keyword) -> None:
    words = ("3", "4411") if keyword is Keyword.ACC else ()
    verdict = Verdict(*replies.CODES[keyword], keyword, words)
    line = replies.encode_verdict(verdict, xid(1)).removesuffix(b"\r\n")
    assert replies.decode_verdict(line, allowed=replies.GROUP) == (xid(1), verdict)


def test_journal_replies_carry_the_applied_number() -> None:
    for gap, keyword in ((False, Keyword.JACK), (True, Keyword.GAP)):
        line = replies.journal_taken(835, gap=gap).removesuffix(b"\r\n")
        assert replies.decode_verdict(line, allowed=replies.JOURNAL)[1] == Verdict(
            *replies.CODES[keyword], keyword, ("835",)
        )


def test_only_421_and_500_name_the_end() -> None:
    assert replies.named_end(b"421 4.3.2 XQCLOSING -") == ("XQCLOSING", "421 XQCLOSING -")
    assert replies.named_end(b"500 5.5.2 XQFRAME - over WIN") == ("XQFRAME", "500 XQFRAME - over WIN")
    assert replies.named_end(b"421 4.3.2 sma.example busy") == ("", "421 sma.example busy")
    assert replies.named_end(b"250 2.0.0 XQOK") is None
    assert replies.named_end(b"nonsense") is None
