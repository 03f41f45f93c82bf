"""What two appliances conclude from a hello: who remembers what of whom (docs/cpq.md, session hello).

Pure: the caller gives what was remembered before the exchange.
"""

from dataclasses import dataclass

from pratique.transfer.messages import Hello, Keyword


@dataclass(frozen=True, slots=True)
class Memory:
    """The highest incarnation and number known of one side."""

    inc: int
    seq: int

    def __gt__(self, other: "Memory") -> bool:
        return (self.inc, self.seq) > (other.inc, other.seq)


CLOCK_DIFFERENCE_MS_MAX = 300_000  # beyond it no timer acts (I13)


def judge_hello(*, me: Memory, peer_before: Memory, hello: Hello) -> Keyword:
    """The server's conclusion. `peer_before` is what was remembered of the client before the exchange."""
    if Memory(hello.peer_inc, hello.peer_seq) > me:
        return Keyword.RECON  # it remembers more of me than I know: I was restored from an older state
    if peer_before > Memory(hello.inc, hello.seq):
        return Keyword.ROLLED  # it states less than I remember of it
    return Keyword.READY


def clocks_differ(hello: Hello, now_ms: int) -> bool:
    return abs(hello.at_ms - now_ms) > CLOCK_DIFFERENCE_MS_MAX
