"""What a gateway remembers of a message beside envelope and body."""

import msgspec
import pytest

from pratique.gateway.context import EMPTY, Context, decode, encode
from pratique.transfer.metadata import Change, Trace

TRACE = Trace(from_helo="h", from_ip="192.0.2.1", rdns="", by="gw", with_="ESMTP", id="7", at=5)


def test_a_context_comes_back_as_it_was() -> None:
    context = Context(
        trace=(TRACE,),
        changes=(Change(op="add-header", name="X-A", value="\u00e4", by="f"),),
        may_duplicate=True,
        returned=TRACE,
        journal_to="564DAAAA00000000MG07",
        xid="ab" * 16 + ".2",
    )
    assert decode(encode(context)) == context


def test_nothing_kept_is_an_empty_context() -> None:
    assert decode(b"") == EMPTY
    assert encode(EMPTY) == b"{}"


def test_a_damaged_context_is_an_error_and_no_empty_one() -> None:
    with pytest.raises(msgspec.MsgspecError):
        decode(b'{"trace":')
