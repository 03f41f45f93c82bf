from pratique.mail.part import AFTER_PADDING, Part


def part(source, encoding, *, charset="", view=""):
    octets = b"<<" + source + b">>"
    return Part("1", "text/plain", charset, "", "", encoding, len(source), view, octets, 2, len(octets) - 2)


def test_content_is_decoded_from_its_place_up_to_the_limit():
    assert part(b"aGVsbG8=", "base64").decoded(100) == b"hello"
    assert part(b"aGVsbG8=", "base64").decoded(2) == b"he"
    assert part(b"h=65llo", "quoted-printable").decoded(100) == b"hello"
    assert part(b"h=65llo", "quoted-printable").decoded(3) == b"hel"
    assert part(b"begin 644 x\n%:&5L;&\\\nend\n", "x-uuencode").decoded(100) == b"hello"
    assert part(b"hello", "").decoded(100) == b"hello"
    assert part(b"hello", "8bit").decoded(4) == b"hell"


def test_the_raw_octets_stay_as_they_are():
    assert part(b"aGVsbG8=", "base64").raw == b"aGVsbG8="


def test_what_stands_behind_padding_joins_in_its_own_view():
    assert part(b"aGVs=bG8=", "base64", view=AFTER_PADDING).decoded(100) == b"hello"
    assert part(b"aGVs=bG8=", "base64", view=AFTER_PADDING).decoded(4) == b"hell"


def test_text_is_read_by_its_charset():
    assert part(b"=FC", "quoted-printable", charset="iso-8859-1").text(10) == "ü"
    assert part("ü".encode(), "8bit", charset="x-unknown").text(10) == "ü"
