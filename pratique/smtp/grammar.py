"""The grammar of SMTP command and reply lines as named regexes, each under its ABNF.

Not here: the grammar of addresses (mail/address.py) and when a command may be said (state.py).
Standards: RFC 5321 §4.1, RFC 1870 §3, RFC 3030 §2, RFC 3461 §4, RFC 6531 §3.3, RFC 2034 §3.
Invariant: every regex is linear in its input; a line is at most `command_bytes_max` octets long anyway.
"""

import re

# Path = "<" [ A-d-l ":" ] Mailbox ">"                                        RFC 5321 §4.1.2
# This only finds where the path stops: a quoted local part may hold blanks and ">". parse_path() judges it.
PATH_CONTENT = r'(?:"(?:[^"\\]|\\.)*+"|[^"<> ])*+'

# mail = "MAIL FROM:" Reverse-path [SP Mail-parameters] CRLF                   RFC 5321 §4.1.1.2
# "spaces are not permitted on either side of the colon"                       RFC 5321 §3.3
MAIL_ARGUMENT = re.compile(rf"FROM:(<{PATH_CONTENT}>)(?: (.+))?", re.IGNORECASE | re.ASCII)

# rcpt = "RCPT TO:" ( "<Postmaster@" Domain ">" / "<Postmaster>" / Forward-path ) [SP Rcpt-parameters] CRLF
RCPT_ARGUMENT = re.compile(rf"TO:(<{PATH_CONTENT}>)(?: (.+))?", re.IGNORECASE | re.ASCII)

ADDRESS_IN_PATH = re.compile(PATH_CONTENT)

# esmtp-param = esmtp-keyword ["=" esmtp-value]                                RFC 5321 §4.1.2
# esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-")
# esmtp-value = 1*(%d33-60 / %d62-126 / UTF8-non-ascii)                        RFC 6531 §3.3
PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([^\x00-\x20=\x7f-\x9f]+))?")

# size-value = 1*20DIGIT                                                       RFC 1870 §3
SIZE_VALUE = re.compile(r"[0-9]{1,20}")

# bdat-cmd = "BDAT" SP chunk-size [ SP end-marker ] CR LF ; chunk-size = 1*DIGIT, end-marker = "LAST"
# Twenty digits are enough for any octet count that fits 64 bits.              RFC 3030 §2
BDAT_ARGUMENT = re.compile(r"([0-9]{1,20})(?: (LAST))?", re.IGNORECASE | re.ASCII)

# notify-esmtp-value = "NEVER" / 1#notify-list-element ; SUCCESS, FAILURE, DELAY   RFC 3461 §4.1
NOTIFY_VALUE = re.compile(
    r"NEVER|(?:SUCCESS|FAILURE|DELAY)(?:,(?:SUCCESS|FAILURE|DELAY)){0,2}", re.IGNORECASE | re.ASCII
)

# original-recipient-address = addr-type ";" xtext ; addr-type = atom          RFC 3461 §4.2
ORCPT_VALUE = re.compile(r"([A-Za-z0-9!#$%&'*/?^_`{|}~-]+);(.+)")
ORCPT_CHARS_MAX = 500  # RFC 3461 §4.2: "at most 500 characters"
ENVID_CHARS_MAX = 100  # RFC 3461 §4.4: "at most 100 characters"

# utf-8-addr-xtext = 1*(QCHAR / EmbeddedUnicodeChar) ; QCHAR leaves out "\", "+" and "="
# utf-8-addr-unitext adds UTF8-non-ascii and is for SMTPUTF8 sessions only      RFC 6533 §3
_EMBEDDED = r"\\x\{(?:[0-9A-F]{2,5}|10[0-9A-F]{4})\}"
UTF8_ADDR_XTEXT = re.compile(rf"(?:[!-*,-<>-\[\]-~]|{_EMBEDDED})+")
UTF8_ADDR_UNITEXT = re.compile(rf"(?:[!-*,-<>-\[\]-~]|[^\x00-\x9f]|{_EMBEDDED})+")

# Nothing of this may stand in a command line, inside or outside an address.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

# Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF    RFC 5321 §4.2
# textstring begins with status-code = class "." subject "." detail           RFC 2034 §3, RFC 3463 §2
REPLY_LINE = re.compile(
    r"([2-5][0-9]{2})(?:([ -])(?:([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: |\Z))?(.*))?", re.DOTALL | re.ASCII
)

# ehlo-line = ehlo-keyword *( SP ehlo-param )                                  RFC 5321 §4.1.1.1
EHLO_KEYWORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
