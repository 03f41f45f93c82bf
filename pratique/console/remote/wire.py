"""What a console process and custody say to each other over their socket pair.

Frames are those of store.remote.wire: four octets of length, one msgpack array whose first element names it. The
console speaks with strangers all day: custody checks each frame by type, length and place, takes the names of commands
from one table, and believes no word of who somebody is (reception).
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from pratique.console.access.key_proof import PROOF_BYTES_MAX

TO_CUSTODY_BYTES_MAX = 16 << 20  # the state of a cluster; a REST call's body is 1 MiB
PIECE_BYTES = 65_536  # of a long answer, and of what a verb says
SENT_BYTES_MAX = TO_CUSTODY_BYTES_MAX - (1 << 20)  # of a member of our cluster
NAME_CHARS_MAX, SECRET_CHARS_MAX, KEY_CHARS_MAX, ADDRESS_CHARS_MAX = 1_024, 65_536, 32_768, 64
LINE_CHARS_MAX = 65_536
ASKED_BYTES_MAX = 64 << 20  # of the frames that are being answered
ASKS_MAX = 2_500  # being answered: the connections of both faces, and the sessions of each
VISITS_MAX = 2_000

Number = Annotated[int, Meta(ge=0, lt=1 << 62)]
Name = Annotated[str, Meta(max_length=NAME_CHARS_MAX)]  # what a client gives as its user
Secret = Annotated[str, Meta(max_length=SECRET_CHARS_MAX)]
Key = Annotated[str, Meta(max_length=KEY_CHARS_MAX)]  # a public key as one line
Proof = Annotated[bytes, Meta(max_length=PROOF_BYTES_MAX)]
Address = Annotated[str, Meta(max_length=ADDRESS_CHARS_MAX)]
Ticket = Annotated[str, Meta(max_length=64)]
Line = Annotated[str, Meta(max_length=LINE_CHARS_MAX)]


class _Frame(msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True):
    pass


class SignIn(_Frame, tag="sign in", frozen=True):
    """REST: a pass phrase, and the code of a second factor. Answered with Signed. `token`: one is wanted for the calls
    to come; codes are taken only then."""

    number: Number
    name: Name
    password: Secret
    code: Name
    address: Address
    token: bool


class ByToken(_Frame, tag="token", frozen=True):
    """REST. Answered with Signed."""

    number: Number
    token: Secret


class State(_Frame, tag="state", frozen=True):
    """REST, of nobody: the bare state of the appliance. Answered with a text."""

    number: Number


class Run(_Frame, tag="run", frozen=True):
    """REST: a command of calls.OFFERED, its arguments in order. Answered with what it returns."""

    number: Number
    ticket: Ticket
    command: Name
    arguments: bytes


class Passphrase(_Frame, tag="pass phrase", frozen=True):
    """SSH. Answered with Stepped."""

    number: Number
    user: Name
    text: Secret
    address: Address


class Code(_Frame, tag="code", frozen=True):
    """SSH. Answered with Stepped."""

    number: Number
    ticket: Ticket
    text: Name


class KnowsKey(_Frame, tag="knows key", frozen=True):
    """SSH. Answered with a bool."""

    number: Number
    user: Name
    line: Key


class ByKey(_Frame, tag="key", frozen=True):
    """SSH: what the owner of a key signed. Answered with Stepped."""

    number: Number
    user: Name
    line: Key
    signed: Proof
    signature: Proof
    address: Address


class Enter(_Frame, tag="enter", frozen=True):
    """SSH: the connection of this ticket is made. Answered with nothing."""

    number: Number
    ticket: Ticket


class Leave(_Frame, tag="leave", frozen=True):
    """SSH: it has ended."""

    ticket: Ticket


class Visit(_Frame, tag="visit", frozen=True):
    """SSH: a session. Answered with Visited."""

    number: Number
    ticket: Ticket
    greeted: bool


class DoLine(_Frame, tag="line", frozen=True):
    """SSH: do a line. Said, Asked and Paused with this number come before the answer, a LineDone."""

    number: Number
    visit: Number
    line: Line
    width: Annotated[int, Meta(ge=1, le=1_000)]


class Told(_Frame, tag="told", frozen=True):
    """SSH: to Asked or Paused. `text`: the answer. `how`: "" = it is one, or go on; "none" = nobody answers; "stop" =
    the listener wants no more."""

    number: Number
    text: Secret
    how: Annotated[str, Meta(max_length=8)]


class EndVisit(_Frame, tag="end visit", frozen=True):
    visit: Number


class Exchange(_Frame, tag="exchange", frozen=True):
    """SSH: of a member of our cluster. Answered with a text."""

    number: Number
    ticket: Ticket
    command: Secret
    sent: str


class Fault(_Frame, tag="fault", frozen=True):
    """Something went wrong in the console process."""

    text: Annotated[str, Meta(max_length=4_096)]


class Listening(_Frame, tag="listening", frozen=True):
    """The faces take connections. `lacking`: what the process could not be shut out of, and why."""

    lacking: Annotated[str, Meta(max_length=1_024)]


class Answered(_Frame, tag="answered", frozen=True):
    """`failure`: "" = `octets` end the answer; "refused" (why, text), "sign-in", "code" (name, role), "delayed"
    (seconds), "cluster" (text), "defect" (text)."""

    number: int
    failure: str
    octets: bytes


class Piece(_Frame, tag="piece", frozen=True):
    """Of a long answer."""

    number: int
    octets: bytes


class Said(_Frame, tag="said", frozen=True):
    """`lines`: (is it a complaint, text)."""

    number: int
    lines: list[tuple[bool, str]]


class Asked(_Frame, tag="asked", frozen=True):
    number: int
    question: str
    default: str
    secret: bool


class Paused(_Frame, tag="paused", frozen=True):
    number: int
    seconds: float


class Certificate(_Frame, tag="certificate", frozen=True):
    """Another pair for the REST API from now on, in PEM."""

    certificate: bytes
    key: bytes


class Stop(_Frame, tag="stop", frozen=True):
    """End: take no new connection, close those that there are."""


class Signed(_Frame, frozen=True):
    """Answer: who it is, as a face may know it, and the ticket for what he asks. `token`: for the client to keep."""

    ticket: str
    name: str
    role: str
    authn: str
    quarantines: tuple[str, ...]
    session: str
    token: str


class Stepped(_Frame, frozen=True):
    ticket: str
    code: bool


class Standing(_Frame, frozen=True):
    prompt: str
    names: tuple[str, ...]


class Visited(_Frame, frozen=True):
    visit: int
    greeting: str
    standing: Standing


class LineEnded(_Frame, frozen=True):
    status: int
    ended: bool
    standing: Standing


Ask = (
    SignIn | ByToken | State | Run | Passphrase | Code | KnowsKey | ByKey | Enter | Visit | DoLine | Exchange
)  # each has a number and is answered
ToCustody = Ask | Told | Leave | EndVisit | Fault | Listening
ToConsole = Answered | Piece | Said | Asked | Paused | Certificate | Stop
to_custody = msgspec.msgpack.Decoder(ToCustody)
to_console = msgspec.msgpack.Decoder(ToConsole)
encode = msgspec.msgpack.Encoder().encode
