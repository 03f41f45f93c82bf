"""The envelope of a message: who sent it, to whom, and the ESMTP parameters that travel with it.

Addresses are kept as they were given between the angle brackets (without them); the null reverse-path is "".
DSN parameters (RFC 3461) are kept as they stood on the wire, already checked for grammar.
"""

from pratique.mail.values import value


@value
class Recipient:
    address: str
    notify: str = ""  # value of NOTIFY, "" = not given
    orcpt: str = ""  # value of ORCPT, "addr-type;xtext", "" = not given


@value
class Envelope:
    sender: str
    recipients: tuple[Recipient, ...]
    eight_bit: bool = False  # BODY=8BITMIME
    smtputf8: bool = False
    ret: str = ""  # RET: "", "FULL" or "HDRS"
    envid: str = ""  # ENVID as xtext, "" = not given
