from pratique.mail.envelope import Envelope, Recipient


def test_an_envelope_is_plain_seven_bit_mail_unless_told():
    envelope = Envelope("a@b.example", (Recipient("c@d.example"),))
    assert (envelope.eight_bit, envelope.smtputf8, envelope.ret, envelope.envid) == (False, False, "", "")
    assert envelope.recipients[0].notify == ""


def test_an_envelope_is_a_value():
    one = Envelope("", (Recipient("c@d.example"),))
    assert one == Envelope("", (Recipient("c@d.example", notify="", orcpt=""),))
    assert len({one, Envelope("", (Recipient("c@d.example"),))}) == 1
