"""What it means that a quarantine port lets us not in."""

import pytest

from pratique.runner.refusals import cure_of, tls_cure, told


@pytest.mark.parametrize(
    ("keyword", "reason", "text"),
    [
        ("XQNOTENROLLED", "550 XQNOTENROLLED", "550 XQNOTENROLLED"),
        ("XQFENCED", "421 4.3.2 XQFENCED -", "421 4.3.2 XQFENCED -"),
        ("", "closed", "closed"),
        ("XQFRAME", "no reply line", "XQFRAME no reply line"),
    ],
)
def test_a_keyword_is_said_once(keyword: str, reason: str, text: str) -> None:
    assert told(keyword, reason) == text


@pytest.mark.parametrize("text", ["XQFENCED", "EHLO doctor.invalid was answered with '550 5.7.1 XQNOTENROLLED'"])
def test_a_clone_is_told_what_to_stop_and_the_command(text: str) -> None:
    cure = cure_of(text, peer="sma", own="SERIAL")
    assert "two machines" in cure or "another machine" in cure
    assert "on sma `pratique enroll DIR --unlock SERIAL`" in cure


def test_the_cure_fits_the_trouble() -> None:
    assert "as `init` made it" in cure_of("XQDENIED", peer="sma", own="S")
    assert "keep both logs" in cure_of("XQFRAME", peer="sma", own="S")
    assert cure_of("timed out", peer="sma", own="S") == ""
    for reason in ("unsupported protocol", "tlsv1 alert protocol version", "wrong version number"):
        assert tls_cure(reason) == "the quarantine port speaks TLS 1.3 and nothing older"
    assert "pratique enroll" in tls_cure("certificate verify failed")
