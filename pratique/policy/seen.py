"""What rules look at while one message is judged: its facts, the probes that hit, and what could not be found out."""

from collections.abc import Callable, Mapping, Sequence

from pratique.policy.facts import Attachment, Facts, Unknown
from pratique.policy.patterns import Part, Patterns, to_octets

NO_HITS: frozenset[int] = frozenset()
HEADER = "header "  # field "header x-name": the values of one header, name in lower case
SEARCHED_BEFOREHAND = ("texts", "body")  # fields whose search may cost more than a moment: see Program.find


class Seen:
    """One message under judgement. Not a value: it gathers what it is asked for."""

    __slots__ = ("_headers", "facts", "hits", "unknown")

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.hits: set[int] = set()
        self.unknown: dict[str, Unknown] = {}
        self._headers: dict[str, list[str]] | None = None

    def search(self, patterns: Patterns) -> None:
        """Searches every field that has patterns, but those whose hits are among the facts already."""
        known: Mapping[str, frozenset[int] | Unknown] = self.facts.hits
        doubtful = self._doubtful()
        for name, field in patterns.fields.items():
            answer = known.get(name)
            if answer is None:
                values = self.values(name)
                answer = field.find([to_octets(text) for _, text in values]) if values else NO_HITS
            if isinstance(answer, Unknown):
                self.unknown[name] = answer
                continue
            if answer:
                self.hits |= answer
            if doubtful and (why := self.doubt(name)) is not None:
                self.unknown[name] = why

    def _doubtful(self) -> bool:
        message = self.facts.message
        return (
            message.headers_cut
            or message.incomplete != ""
            or isinstance(message.texts, Unknown)
            or isinstance(message.attachments, Unknown)
        )

    def doubt(self, name: str) -> Unknown | None:
        """Why what a field or rule looks at may not be all there is."""
        message = self.facts.message
        if name == "subject" or name.startswith("header"):
            return _HEADERS_CUT if message.headers_cut else None
        if name in _OF_TEXTS and isinstance(message.texts, Unknown):
            return message.texts
        if name in _OF_ATTACHMENTS and isinstance(message.attachments, Unknown):
            return message.attachments
        if message.incomplete and (name in _OF_TEXTS or name in _OF_ATTACHMENTS):
            return Unknown(message.incomplete)
        return None

    def values(self, name: str) -> Sequence[Part]:
        """(where, text) of everything in a field that is known."""
        if name.startswith(HEADER):
            return [(name, value) for value in self.headers.get(name[len(HEADER) :], ())]
        return _VALUES[name](self.facts)

    @property
    def headers(self) -> dict[str, list[str]]:
        found = self._headers
        if found is None:
            found = self._headers = {}
            for name, value in self.facts.message.headers:
                found.setdefault(name.lower(), []).append(value)
        return found

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        found = self.facts.message.attachments
        return () if isinstance(found, Unknown) else found


def _texts(facts: Facts) -> Sequence[Part]:
    texts = facts.message.texts
    return () if isinstance(texts, Unknown) else texts


def _body(facts: Facts) -> Sequence[Part]:
    """The texts that are not attachments."""
    attachments = facts.message.attachments
    if not attachments:
        return _texts(facts)
    if isinstance(attachments, Unknown):
        return ()  # what is an attachment is not known either: doubt() says so
    attached = {attachment.part for attachment in attachments}
    return [part for part in _texts(facts) if part[0] not in attached]


def _of_attachments(name: str, values: Callable[[Attachment], Sequence[str]]) -> Callable[[Facts], Sequence[Part]]:
    def read(facts: Facts) -> Sequence[Part]:
        attachments = facts.message.attachments
        if isinstance(attachments, Unknown):
            return ()
        return [(name, value) for attachment in attachments for value in values(attachment) if value]

    return read


def _types(attachment: Attachment) -> Sequence[str]:
    """The declared type, and the file name's extension."""
    _, dot, extension = attachment.filename.rpartition(".")
    return (attachment.mime_type, extension.lower() if dot else "")


_VALUES: dict[str, Callable[[Facts], Sequence[Part]]] = {
    "subject": lambda facts: (("subject", facts.message.subject),),
    "mail-from": lambda facts: (("mail-from", facts.envelope.sender),),
    "rcpt-to": lambda facts: [("rcpt-to", recipient.address) for recipient in facts.envelope.recipients],
    "recv-listener": lambda facts: (("recv-listener", facts.listener),),
    "recv-int": lambda facts: (("recv-int", facts.interface),),
    "texts": _texts,
    "body": _body,
    "attachment-filename": _of_attachments("attachment-filename", lambda attachment: (attachment.filename,)),
    "attachment-type": _of_attachments("attachment-type", _types),
    "attachment-mimetype": _of_attachments("attachment-mimetype", lambda attachment: (attachment.mime_type,)),
}
_OF_TEXTS = frozenset({"texts", "body"})
# what belongs to the body, and whether the message is valid, is known only when the structure is
_OF_ATTACHMENTS = frozenset(
    {"attachment-filename", "attachment-type", "attachment-mimetype", "attachment-size", "body", "valid"}
)
_HEADERS_CUT = Unknown("the header block is larger than what is read of it")
