from pratique.mail.body import PIECE_BYTES, MemoryBody


def test_a_body_is_read_in_bounded_pieces_that_make_the_whole():
    octets = bytes(range(256)) * (PIECE_BYTES // 256) + b"rest"
    body = MemoryBody(octets, "digest")
    pieces = list(body.pieces())
    assert [len(piece) for piece in pieces] == [PIECE_BYTES, 4]
    assert b"".join(pieces) == octets
    assert (body.size, body.sha256) == (len(octets), "digest")


def test_an_empty_body_has_no_pieces():
    assert list(MemoryBody(b"", "digest").pieces()) == []
