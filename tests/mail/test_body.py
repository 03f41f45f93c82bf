from collections.abc import Iterator
from hashlib import sha256

import pytest

from pratique.mail.body import KEPT_BYTES, PIECE_BYTES, DigestDiffers, MemoryBody, proved


class Counted(MemoryBody):
    reads = 0

    def pieces(self) -> Iterator[bytes]:
        self.reads += 1
        return super().pieces()


def test_a_body_is_read_in_bounded_pieces_that_make_the_whole():
    octets = bytes(range(256)) * (PIECE_BYTES // 256) + b"rest"
    body = MemoryBody(octets, "digest")
    pieces = list(body.pieces())
    assert [len(piece) for piece in pieces] == [PIECE_BYTES, 4]
    assert b"".join(pieces) == octets
    assert (body.size, body.sha256) == (len(octets), "digest")


def test_an_empty_body_has_no_pieces():
    assert list(MemoryBody(b"", "digest").pieces()) == []


@pytest.mark.parametrize(("size", "reads"), [(0, 1), (KEPT_BYTES, 1), (KEPT_BYTES + 1, 2)])
def test_a_proved_body_is_itself_and_a_small_one_is_read_once(size: int, reads: int) -> None:
    octets = b"x" * size
    stored = Counted(octets, sha256(octets).hexdigest())
    body = proved(stored)
    assert (b"".join(body.pieces()), body.size, body.sha256) == (octets, size, stored.sha256)
    assert stored.reads == reads


@pytest.mark.parametrize("size", [1, KEPT_BYTES + 1])
def test_a_body_that_is_not_what_was_accepted_is_not_proved(size: int) -> None:
    with pytest.raises(DigestDiffers, match="does not match its digest"):
        proved(MemoryBody(b"y" * size, sha256(b"x" * size).hexdigest()))
