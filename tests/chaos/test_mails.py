"""Mails are made from their numbers: the same ones again, of every fate, with what must survive a journey in them."""

from tests.chaos.mails import FATES, Mail, fate_of, number_of

SPOOL_MEMORY = 1 << 20  # what a spool takes in memory; more gets a file of its own
MAILS = [Mail(number, 3) for number in range(1000)]


def test_a_mail_is_made_again_octet_for_octet() -> None:
    assert all(Mail(m.number, 3).octets == m.octets for m in MAILS[:50])
    assert Mail(1, 3).octets != Mail(1, 4).octets


def test_there_are_mails_of_every_fate_and_large_ones() -> None:
    assert {m.fate for m in MAILS} == set(FATES)
    assert any(len(m.octets) > SPOOL_MEMORY for m in MAILS)
    assert all(fate_of(f"{m.fate} {m.number}") == m.fate for m in MAILS)


def test_lines_begin_with_dots_and_all_end_in_crlf() -> None:
    for mail in MAILS[:50]:
        assert b"\r\n.\r\n" in mail.octets and b"\r\n..\r\n" in mail.octets
        assert mail.octets.count(b"\n") == mail.octets.count(b"\r\n") and mail.octets.endswith(b"\r\n")


def test_an_address_tells_its_mail() -> None:
    for mail in MAILS[:50]:
        assert {number_of(address) for address in (*mail.recipients, mail.sender)} == {mail.number}
    assert number_of("postmaster@example.org") == -1
