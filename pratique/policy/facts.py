"""What is known of a message when it is judged. Checks fill this in; policy only reads it.

A fact that could not be found out is the value `Unknown(why)`, never a guess: the policy states what unknown means.
"""

from dataclasses import field

from pratique.mail.envelope import Envelope
from pratique.mail.values import value


@value
class Unknown:
    why: str


@value
class Attachment:
    """A part that is not the message's text: all that has a name, or is neither text nor multipart."""

    filename: str  # decoded; "" = none
    mime_type: str  # as declared, lower case, e.g. "application/zip"
    size: int  # octets, decoded
    encoded_size: int  # octets of the base64 form
    part: str  # path in the MIME tree, e.g. "2.1"
    cut: bool = False  # it goes on behind what was read: sizes are the least it has


@value
class VirusResult:
    """result: clean, infected, encrypted, unscannable."""

    engine: str  # e.g. "YARA-X", "ClamAV"
    version: str
    result: str
    name: str = ""  # e.g. "EICAR-AV-Test"


@value
class Message:
    """What was read of headers and structure within the limits."""

    subject: str  # decoded
    from_header: str  # decoded
    message_id: str
    headers: tuple[tuple[str, str], ...]  # name as written, decoded value, in order
    attachments: tuple[Attachment, ...] | Unknown
    size: int
    ambiguous: bool = False  # different readers would see different things
    texts: tuple[tuple[str, str], ...] | Unknown = ()  # (part path, decoded text) that content rules search
    incomplete: str = ""  # why attachments and texts are only those found so far; "" = they are all
    headers_cut: bool = False  # there are more headers, or longer ones, than are read


@value
class Facts:
    envelope: Envelope
    remote_ip: str
    remote_host: str  # reverse dns, "unknown"
    helo: str
    listener: str
    interface: str
    table: str  # inbound, outbound
    message: Message
    virus: tuple[VirusResult, ...] | Unknown = ()  # () = not asked
    now_ms: int = 0
    hits: dict[str, frozenset[int] | Unknown] = field(
        default_factory=dict
    )  # from Program.search; {} = not searched yet
    mid: int = 0  # for $MID; 0 = not given yet
    hostname: str = ""  # for $Hostname: this appliance
    sender_group: str = ""  # for $Group, e.g. "RELAYLIST"
    mail_flow: str = ""  # for $Policy: what host access said, e.g. "ACCEPT"
