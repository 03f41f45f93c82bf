"""The part of the YARA engine that touches hostile octets: runs in a worker process that may be killed at any time.

It scans the union of what any reader could see: the message as it stands, each MIME part in every plausible reading,
what stands in archives, mails in archives. Not here: pools, deadlines, verdicts; the caller has them.
Precedence: infected, then unscannable (it may hide an infection), then encrypted, then clean.
"""

import io
import resource
import signal
from collections.abc import Sequence

import yara_x

from pratique.checks.unpack import DEPTH_MAX, Allowance, Exhausted, Unreadable, contents
from pratique.checks.yara_rules import rule_name
from pratique.mail.headers import read_headers
from pratique.mail.mime import read_parts

CPU_SECONDS_MAX = 2  # of one message; a bomb ends here, an honest one of 25 MB needs 0.1
CPU_SECONDS_HARD = 2  # on top of it; then the system ends the process, because something looped inside one call
MAIL_HEAD_BYTES = 4_096  # where a mail in an archive must show a header of MIME to be read as one

Answer = tuple[str, str]  # result as in policy.facts.VirusResult, name of the infection or why it is unscannable

_TOO_DEEP = f"more than {DEPTH_MAX} archives in each other"
_MAIL_MARKS = (b"\nmime-version:", b"\ncontent-type:", b"\ncontent-transfer-encoding:")


class _Infected(Exception):
    """args[0]: the rule's name."""


class Worker:
    def __init__(self, rules: bytes) -> None:
        self._scanner = yara_x.Scanner(yara_x.Rules.deserialize_from(io.BytesIO(rules)))
        self._scanner.set_timeout(CPU_SECONDS_MAX)
        self._scanner.fast_scan(True)

    def scan(self, octets: bytes) -> Answer:
        allowance = Allowance(len(octets), cpu_s=CPU_SECONDS_MAX)
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

    def _look(self, octets: bytes) -> None:
        for rule in self._scanner.scan(octets).matching_rules:
            raise _Infected(rule_name(rule))

    def _mail(self, octets: bytes, allowance: Allowance, *, depth: int) -> str:
        """The parts of a mail; the first problem met, after all of it was looked at."""
        found = read_parts(octets, read_headers(octets))
        problem = f"MIME structure beyond the limit of {found.truncated}" if found.truncated else ""
        for part in found.parts:
            allowance.work()
            content = part.decoded(len(octets))
            problem = self._thing(content, allowance, depth=depth) or problem
        return problem

    def _thing(self, content: bytes, allowance: Allowance, *, depth: int) -> str:
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


def _is_mail(content: bytes) -> bool:
    head = b"\n" + content[:MAIL_HEAD_BYTES].lower()
    return any(mark in head for mark in _MAIL_MARKS)


# --- the process ---------------------------------------------------------------------------------------------------
_worker: Worker | None = None


def begin(rules: bytes, memory_bytes_max: int) -> None:
    """Once in each process, before the first task."""
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to end
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # and then at once, also inside a scan
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold somebody's mail
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # nothing here writes a file
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes_max, memory_bytes_max))
    _worker = Worker(rules)


def scan_batch(messages: Sequence[bytes]) -> list[Answer]:
    assert _worker is not None, "begin() comes first"
    answers = []
    for octets in messages:
        _limit_cpu()
        answers.append(_worker.scan(octets))
    return answers


def _limit_cpu() -> None:
    """Another allowance for the next message; when it is used up the process gets SIGXCPU and dies."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + CPU_SECONDS_MAX + CPU_SECONDS_HARD
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))
