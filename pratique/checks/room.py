"""The two directories of the workers: where large messages are lent to them, and where they may write.

Two, because a message that is lent is the spool's own file under a second name: a worker must not write to it.
"""

from dataclasses import dataclass
from pathlib import Path

from pratique.confine.landlock import Confines, interpreter

LENT, SCRATCH = "lent", "scratch"


@dataclass(frozen=True, slots=True)
class WorkerRoom:
    lent: Path
    scratch: Path

    @classmethod
    def below(cls, spool: Path) -> "WorkerRoom":
        """On the spool's own disk, which has the room for large messages."""
        return cls(spool / LENT, spool / SCRATCH)

    def make(self) -> None:
        """Both, empty: what workers of an earlier life left goes. Raises OSError."""
        for directory in (self.lent, self.scratch):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            for left in directory.iterdir():
                left.unlink()

    def confines(self, *, scratch: bool) -> Confines:
        """What a worker is left with; `scratch`: it unpacks."""
        return Confines(read=(*interpreter(), str(self.lent)), write=(str(self.scratch),) if scratch else ())
