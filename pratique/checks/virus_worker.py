"""The part of the YARA engine that touches hostile octets: runs in a worker process that may be killed at any time.

A large message is read here, from the spool's file: its place is told, not its octets; it and what it unpacks to are
mapped (held.py), so that it costs the worker a few MB.

It scans the union of what any reader could see: the message as it stands, each MIME part in every plausible reading,
what stands in archives, mails in archives. Not here: pools, deadlines, verdicts; the caller has them.
Precedence: infected, then unscannable (it may hide an infection), then encrypted, then clean.
"""

import errno
import io
import resource
import signal
from collections.abc import Iterator, Sequence

import yara_x

from pratique.checks.held import Held, held, open_place
from pratique.checks.unpack import DEPTH_MAX, UNPACKED_BYTES_MAX, Allowance, Exhausted, Unreadable, contents
from pratique.checks.yara_rules import rule_name
from pratique.confine.landlock import Confines, confine
from pratique.mail.body import InFile
from pratique.mail.headers import read_headers
from pratique.mail.mime import read_parts

CPU_SECONDS_MAX = 2  # of one message; a bomb ends here, an honest one of 25 MB needs 0.1
CPU_BYTES_A_SECOND = 33_554_432  # a large message has a second more for each of these; honest ones need a fifth of it
CPU_SECONDS_HARD = 2  # on top of it; then the system ends the process, because something looped inside one call
MAIL_HEAD_BYTES = 4_096  # where a mail in an archive must show a header of MIME to be read as one

Answer = tuple[str, str]  # result as in policy.facts.VirusResult, name of the infection or why it is unscannable

_NO_MEMORY = f"os error {errno.ENOMEM}"  # so does YARA-X say it
_TOO_DEEP = f"more than {DEPTH_MAX} archives in each other"
_MAIL_MARKS = (b"\nmime-version:", b"\ncontent-type:", b"\ncontent-transfer-encoding:")


class _Infected(Exception):
    """args[0]: the rule's name."""


class Worker:
    """`scratch`: the directory for what is too large for memory; None = where the system has such."""

    def __init__(self, rules: bytes, *, scratch: str | None = None) -> None:
        self._scanner = yara_x.Scanner(yara_x.Rules.deserialize_from(io.BytesIO(rules)))
        self._scanner.fast_scan(True)
        self._scratch = scratch

    def read_and_scan(self, item: bytes | InFile) -> Answer:
        """ "unknown" when the reason is our disk and not the message."""
        try:
            return self.scan(item if isinstance(item, bytes) else open_place(item, self._scratch))
        except MemoryError:
            return "unscannable", "needs too much memory"
        except OSError as error:
            return "unknown", f"the message or what it holds cannot be kept for reading ({error.strerror or error})"

    def scan(self, octets: Held) -> Answer:
        """Raises OSError when the scratch directory does not take it."""
        seconds = cpu_seconds(len(octets))
        self._scanner.set_timeout(seconds)
        allowance = Allowance(len(octets), cpu_s=seconds, scratch=self._scratch)
        problem = ""
        try:
            self._look(octets)
            problem = self._mail(octets, allowance, depth=0)
        except _Infected as found:
            return "infected", str(found)
        except Exhausted as error:
            problem = str(error)
        except yara_x.TimeoutError:
            problem = "takes too long"
        except MemoryError:
            problem = "needs too much memory"
        if problem:
            return "unscannable", problem
        return ("encrypted" if allowance.encrypted else "clean"), ""

    def _look(self, octets: Held) -> None:
        try:
            found = self._scanner.scan(octets) if isinstance(octets, bytes) else self._scanner.scan_file(octets.path)
        except yara_x.ScanError as error:
            if _NO_MEMORY in str(error):
                raise MemoryError from error
            raise OSError(str(error)) from error
        for rule in found.matching_rules:
            raise _Infected(rule_name(rule))

    def _mail(self, octets: Held, allowance: Allowance, *, depth: int) -> str:
        """The parts of a mail; the first problem met, after all of it was looked at."""
        found = read_parts(octets, read_headers(octets))
        problem = f"MIME structure beyond the limit of {found.truncated}" if found.truncated else ""
        for part in found.parts:
            allowance.work()
            content = held(_worked(part.pieces(), allowance), self._scratch)
            problem = self._thing(content, allowance, depth=depth) or problem
        return problem

    def _thing(self, content: Held, allowance: Allowance, *, depth: int) -> str:
        """A part or an archive's member, and what is inside it. `depth`: archives and mails opened on the way to it."""
        self._look(content)
        problem = ""
        try:
            for inner in contents(content, allowance):
                if depth == DEPTH_MAX:
                    raise Unreadable(_TOO_DEEP)
                problem = self._thing(inner, allowance, depth=depth + 1) or problem
        except Unreadable as error:
            problem = str(error)
        if depth and _is_mail(content):  # in the message itself read_parts finds them
            if depth == DEPTH_MAX:
                return _TOO_DEEP
            problem = self._mail(content, allowance, depth=depth + 1) or problem
        return problem


def cpu_seconds(size: int) -> int:
    """CPU time that one message of `size` octets may take."""
    return CPU_SECONDS_MAX + size // CPU_BYTES_A_SECOND


def _worked(pieces: Iterator[bytes], allowance: Allowance) -> Iterator[bytes]:
    """The same pieces; ends with Exhausted when the time is used up."""
    for piece in pieces:
        allowance.work()
        yield piece


def _is_mail(content: Held) -> bool:
    head = b"\n" + content[:MAIL_HEAD_BYTES].lower()
    return any(mark in head for mark in _MAIL_MARKS)


# --- the process ---------------------------------------------------------------------------------------------------
_worker: Worker | None = None


def begin(rules: bytes, memory_bytes_max: int, scratch: str | None, confines: Confines | None) -> None:
    """Once in each process, before the first task."""
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to end
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # and then at once, also inside a scan
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold somebody's mail
    resource.setrlimit(resource.RLIMIT_FSIZE, (UNPACKED_BYTES_MAX, UNPACKED_BYTES_MAX))  # of a scratch file
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes_max, memory_bytes_max))
    if confines is not None:
        confine(confines)  # what the kernel lacks the doctor says
    _worker = Worker(rules, scratch=scratch)


def scan_batch(messages: Sequence[bytes | InFile]) -> list[Answer]:
    assert _worker is not None, "begin() comes first"
    answers = []
    for item in messages:
        _limit_cpu(item.length if isinstance(item, InFile) else len(item))
        answers.append(_worker.read_and_scan(item))
    return answers


def _limit_cpu(size: int) -> None:
    """Another allowance for the next message; when it is used up the process gets SIGXCPU and dies."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + cpu_seconds(size) + CPU_SECONDS_HARD
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))
