"""Reading a message for content rules: headers, attachments, decoded texts. Octets in, policy.facts.Message out.

Runs in this process for small single-part text, else in a worker that may be killed at any time (content.py has the
pool) and that reads a large message itself, from the spool's file. Every plausible reading of broken MIME is read, so a
text that only some mail readers would show is searched too.
What a limit left out is named in `incomplete`: then a rule that found nothing answers unknown, not false.
"""

import resource
import signal
from collections.abc import Sequence

from pratique.checks.held import read_place
from pratique.confine.landlock import Confines, confine
from pratique.mail.body import InFile
from pratique.mail.decoding import codec_of, decode_octets
from pratique.mail.headers import Headers, read_headers
from pratique.mail.interpret import describe
from pratique.mail.mime import Part, Parts, read_parts
from pratique.mail.values import value
from pratique.policy.facts import Attachment, Message, Unknown

CPU_SECONDS_MAX = 4  # of one message; 8 MiB of text in sixteen readings need 1
# what some mail reader shows as text although its type does not begin so
TEXT_TYPES = frozenset(
    {"application/xhtml+xml", "application/xml", "application/json", "application/rtf", "message/delivery-status"}
)
BASE64_LINE = 76  # RFC 2045 §6.8
_AS_IS = frozenset({"", "7bit", "8bit", "binary"})


@value
class Wanted:
    attachments: bool
    texts: bool
    size: int  # of the whole message; more than there are octets = the rest is not read
    text_bytes_max: int  # of all texts together, over all readings


def read_content(octets: bytes, headers: Headers, wanted: Wanted) -> Message:
    """`octets` is the message, or its beginning when it is larger than what is read."""
    subject, from_header, message_id, fields = describe(headers)
    cut = wanted.size > len(octets)
    attachments: tuple[Attachment, ...] = ()
    texts: tuple[tuple[str, str], ...] = ()
    ambiguous, incomplete = headers.malformed, ""
    if wanted.attachments or wanted.texts:
        parts = read_parts(octets, headers)
        ambiguous = ambiguous or bool(parts.ambiguous)
        incomplete = _incomplete(parts, cut=cut)
        # what is an attachment is known even when only texts are wanted: one is not read without the other
        attachments = _attachments(parts.parts, len(octets), cut=cut)
        if wanted.texts:
            texts, left_out = _texts(parts.parts, wanted.text_bytes_max)
            incomplete = incomplete or left_out
    return Message(
        subject=subject,
        from_header=from_header,
        message_id=message_id,
        headers=fields,
        attachments=attachments,
        size=wanted.size,
        ambiguous=ambiguous and not cut,  # a cut message looks broken; whether it is, nobody knows
        texts=texts,
        incomplete=incomplete,
        headers_cut=headers.truncated,
    )


def unread(octets: bytes, size: int, why: str) -> Message:
    """What is known of a message whose structure could not be read: its headers, if there are octets at all."""
    headers = read_headers(octets)
    subject, from_header, message_id, fields = describe(headers)
    return Message(
        subject=subject,
        from_header=from_header,
        message_id=message_id,
        headers=fields,
        attachments=Unknown(why),
        size=size,
        texts=Unknown(why),
        headers_cut=headers.truncated or not octets,
    )


def _incomplete(parts: Parts, *, cut: bool) -> str:
    if cut:
        return "the message is larger than what is read of it"
    return f"MIME structure beyond the limit of {parts.truncated}" if parts.truncated else ""


def _is_text(part: Part) -> bool:
    return part.mime_type.startswith("text/") or "/" not in part.mime_type or part.mime_type in TEXT_TYPES


def _attachments(parts: Sequence[Part], end: int, *, cut: bool) -> tuple[Attachment, ...]:
    found: dict[Attachment, None] = {}  # other readings often show the same
    for part in parts:
        if part.mime_type.startswith("multipart/"):
            continue
        if not part.filename and part.disposition != "attachment" and _is_text(part):
            continue
        size = len(part.decoded(part.encoded_size))
        encoded = part.encoded_size if part.encoding == "base64" else _base64_size(size)
        found[Attachment(part.filename, part.mime_type, size, encoded, part.path, cut=cut and part.end >= end)] = None
    return tuple(found)


def _base64_size(size: int) -> int:
    characters = (size + 2) // 3 * 4
    return characters + characters // BASE64_LINE * 2


def _texts(parts: Sequence[Part], bytes_max: int) -> tuple[tuple[tuple[str, str], ...], str]:
    """(path, text) of all parts, and why some are missing."""
    found: list[tuple[str, str]] = []
    left, left_out = bytes_max, ""
    for part in parts:
        if not _is_text(part):
            continue
        octets = part.decoded(left + 1)
        if len(octets) > left:
            octets, left_out = octets[:left], "more text than what is read of it"
        left -= len(octets)
        found.append((part.path, _text(part, octets)))
        if left_out:
            break
    # other readings often show the same; one alone need not be hashed
    return tuple(found if len(found) == 1 else dict.fromkeys(found)), left_out


def _text(part: Part, octets: bytes) -> str:
    """Text with LF for line ends, which is what `$` under (?m) knows."""
    if part.encoding in _AS_IS and not codec_of(part.charset).startswith(("utf_16", "utf_32")):
        # nothing with a bare CR is accepted, so in text that is not encoded every CR has its LF: the quick way
        return decode_octets(octets.replace(b"\r", b""), part.charset)
    return decode_octets(octets, part.charset).replace("\r\n", "\n")


# --- the process ---------------------------------------------------------------------------------------------------
def begin(memory_bytes_max: int, confines: Confines | None) -> None:
    """Once in each process, before the first task."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to end
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold somebody's mail
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # nothing here writes a file
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes_max, memory_bytes_max))
    if confines is not None:
        confine(confines)  # what the kernel lacks the doctor says


def read_batch(messages: Sequence[tuple[bytes | InFile, Wanted]]) -> list[Message]:
    answers = []
    for item, wanted in messages:
        _limit_cpu()
        octets = b""
        try:
            octets = item if isinstance(item, bytes) else read_place(item)
            answers.append(read_content(octets, read_headers(octets), wanted))
        except MemoryError:
            answers.append(unread(octets, wanted.size, "reading the content needs too much memory"))
        except OSError as error:
            answers.append(unread(octets, wanted.size, f"the message cannot be read ({error})"))
    return answers


def _limit_cpu() -> None:
    """Another allowance for the next message; when it is used up the process gets SIGXCPU and dies."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + CPU_SECONDS_MAX + 1
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))
