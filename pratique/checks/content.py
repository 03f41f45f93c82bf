"""Content for rules: who reads a message, here or in a worker process, and what happens when that fails.

Single-part text that is small, or no dearer than that, and headers alone are read in this process by the bounded
readers of the mail room. All else goes to a worker with a cap on memory and CPU time, which is killed when it does not
end. What could not be read is Unknown, with the reason; nothing is decided here.
"""

import asyncio

from pratique.checks import content_worker
from pratique.checks.content_worker import Wanted, read_content, unread
from pratique.checks.lending import beginning, lent
from pratique.checks.pool import Failed, WorkerPool
from pratique.checks.room import WorkerRoom
from pratique.mail.body import Body, InFile
from pratique.mail.decoding import codec_of
from pratique.mail.headers import HEADER_BLOCK_BYTES_MAX, Headers, read_headers
from pratique.mail.mime import read_plain
from pratique.policy.facts import Message

SCAN_BYTES_MAX = 8_388_608  # of one message; policy's scan_bytes_max is handed in
NOW_BYTES_MAX = 65_536  # text of any kind that is read in this process
# ASCII that is not encoded is read here up to this: twice the octets for less time than other text of NOW_BYTES_MAX,
# while the way to a worker and back costs more than the reading (docs/performance.md)
NOW_PLAIN_BYTES_MAX = 131_072
HEAD_BYTES = HEADER_BLOCK_BYTES_MAX + 4  # enough to hold every header that is read
TASK_SECONDS_MAX = 6.0  # then the task's worker is killed; the CPU cap ends a message's work before
DEADLINE_SECONDS = 10.0  # for one message with its waiting
MEMORY_BYTES_MAX = 536_870_912  # address space of a worker: interpreter, message, its texts in UCS-4, and room
_NO_STRUCTURE = b"text/"
_QUICK_CODECS = frozenset({"", "ascii", "utf_8"})  # ASCII is copied by them; "" = none or unknown, read as UTF-8


class Content:
    """A ContentReader. The workers start with the first message that needs one."""

    def __init__(
        self,
        *,
        scan_bytes_max: int = SCAN_BYTES_MAX,
        workers: int = 1,
        deadline_seconds: float = DEADLINE_SECONDS,
        task_seconds: float = TASK_SECONDS_MAX,
        memory_bytes_max: int = MEMORY_BYTES_MAX,
        room: WorkerRoom | None = None,
    ) -> None:
        self._lent_in = room.lent if room else None
        self._scan_bytes_max = scan_bytes_max
        self._deadline_seconds = deadline_seconds
        self._pool = WorkerPool[tuple[bytes | InFile, Wanted], Message](
            content_worker.read_batch,
            begin=content_worker.begin,
            begin_args=(memory_bytes_max, room.confines(scratch=False) if room else None),
            workers=workers,
            task_seconds=task_seconds,
        )

    def read_now(self, octets: bytes, *, attachments: bool, texts: bool) -> Message | None:
        structure = attachments or texts
        if structure and len(octets) > min(NOW_PLAIN_BYTES_MAX, self._scan_bytes_max):
            return None
        headers = read_headers(octets)
        if structure:
            if headers.malformed or headers.truncated:
                return None
            kind = headers.get("content-type")
            if kind is not None and kind[:5].lower() != _NO_STRUCTURE:
                return None
            if len(octets) > NOW_BYTES_MAX and not _is_quick(octets, headers):
                return None
        return read_content(octets, headers, self._wanted(len(octets), attachments=attachments, texts=texts))

    async def read(self, body: Body, octets: bytes | None, *, attachments: bool, texts: bool) -> Message:
        wanted = self._wanted(body.size, attachments=attachments, texts=texts)
        try:
            if not attachments and not texts:
                head = await self._head(body, octets)
                return read_content(head, read_headers(head), wanted)
            async with lent(body, octets, self._lent_in, most=self._scan_bytes_max) as item:
                answer = await self._ask(item, wanted)
            return answer if isinstance(answer, Message) else unread(await self._head(body, octets), body.size, answer)
        except OSError as error:
            return unread(b"", body.size, f"the message cannot be read ({error})")

    async def _head(self, body: Body, octets: bytes | None) -> bytes:
        """As much as holds the headers. Raises OSError."""
        return octets[:HEAD_BYTES] if octets is not None else await asyncio.to_thread(beginning, body, HEAD_BYTES)

    async def _ask(self, item: bytes | InFile, wanted: Wanted) -> Message | str:
        """What a worker reads, or why there is no answer."""
        size = len(item) if isinstance(item, bytes) else item.length
        try:
            async with asyncio.timeout(self._deadline_seconds):
                return await self._pool.ask((item, wanted), size)
        except TimeoutError:
            return f"content was not read within {self._deadline_seconds:g} s"
        except Failed as error:
            return f"content could not be read: {error}"

    def close(self) -> None:
        """Ends the workers. What is being read is answered Unknown; nothing can be read any more."""
        self._pool.close()

    def _wanted(self, size: int, *, attachments: bool, texts: bool) -> Wanted:
        return Wanted(attachments=attachments, texts=texts, size=size, text_bytes_max=self._scan_bytes_max)


def _is_quick(octets: bytes, headers: Headers) -> bool:
    """Whether a single-part text is one copy to read: nothing to decode, and nothing that readers see differently."""
    plain = read_plain(octets, headers) if octets.isascii() else None
    return plain is not None and codec_of(plain.parts[0].charset) in _QUICK_CODECS
