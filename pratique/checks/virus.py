"""The embedded virus engine: YARA-X with our rules, in worker processes.

Processes, because yara-x holds the interpreter lock and because what reads hostile octets must be killable. What is
scanned is virus_worker.py's, how workers are fed and killed is pool.py's; clamd has an engine of its own.
A message that is the cause of its worker's end is unscannable; one that got no answer for another reason is Unknown.
"""

import asyncio

from pratique.checks import virus_worker
from pratique.checks.lending import lent
from pratique.checks.pool import Failed, Poison, WorkerPool
from pratique.checks.room import WorkerRoom
from pratique.checks.virus_worker import Answer
from pratique.checks.yara_rules import CompiledRules
from pratique.mail.body import Body, InFile
from pratique.policy.facts import Unknown, VirusResult

TASK_SECONDS_MAX = 4.0  # then the task's worker is killed; the CPU cap ends a message's work long before
DEADLINE_S = 10.0  # for one message with its waiting; the caller then has Unknown
MEMORY_BYTES_MAX = 1_073_741_824  # address space of a worker: all a message may unpack to, mapped at once, twice
MESSAGE_BYTES_MAX = 134_217_728  # more than any listener takes


class YaraEngine:
    """A VirusEngine. `start` may be called ahead; else the first message waits for the workers to come up.
    `room`: where workers read large messages, and write what those unpack to; they are shut out of all else."""

    name = "YARA-X"

    def __init__(
        self,
        rules: CompiledRules,
        *,
        workers: int = 1,
        deadline_s: float = DEADLINE_S,
        task_s: float = TASK_SECONDS_MAX,
        memory_bytes_max: int = MEMORY_BYTES_MAX,
        room: WorkerRoom | None = None,
    ) -> None:
        self._lent_in = room.lent if room else None
        self.version = rules.version
        self._deadline_s = deadline_s
        self._pool = WorkerPool[bytes | InFile, Answer](
            virus_worker.scan_batch,
            begin=virus_worker.begin,
            begin_args=(
                rules.octets,
                memory_bytes_max,
                str(room.scratch) if room else None,
                room.confines(scratch=True) if room else None,
            ),
            workers=workers,
            task_seconds=task_s,
        )

    async def start(self) -> None:
        """Have the workers up and their rules loaded."""
        await self._ask(b"\r\n", 2)

    async def scan(self, body: Body, octets: bytes | None) -> VirusResult | Unknown:
        if body.size > MESSAGE_BYTES_MAX:
            return self._result("unscannable", "too large")
        try:
            async with lent(body, octets, self._lent_in, most=body.size) as item:
                return await self._ask(item, body.size)
        except OSError as error:
            return Unknown(f"{self.name}: the message cannot be read ({error})")

    def close(self) -> None:
        """Those who still wait get Unknown."""
        self._pool.close()

    async def _ask(self, item: bytes | InFile, size: int) -> VirusResult | Unknown:
        try:
            async with asyncio.timeout(self._deadline_s):
                result, name = await self._pool.ask(item, size)
                return self._result(result, name) if result != "unknown" else Unknown(f"{self.name}: {name}")
        except TimeoutError:
            return Unknown(f"{self.name}: no answer within {self._deadline_s:g} s, the workers are busy")
        except Poison as error:
            return self._result("unscannable", str(error))
        except Failed as error:
            return Unknown(f"{self.name}: {error}")

    def _result(self, result: str, name: str) -> VirusResult:
        return VirusResult(engine=self.name, version=self.version, result=result, name=name)
