"""What the faces ask of the appliance besides commands: who somebody is, and a line of the command line done for him.

Two forms: `reception`, in the process that has the store, and `far`, in a console process. A face cannot tell them
apart. Nobody acts without a ticket, and a ticket is given for credentials alone.
"""

from dataclasses import dataclass
from typing import Protocol

from pratique.console.access.key_proof import KeyProof
from pratique.console.access.signin import SignedIn
from pratique.console.verbs.verb import Talk


@dataclass(frozen=True, slots=True)
class Step:
    """Of a sign-in: `ticket` stands for whoever proved himself; `code`: not before his second factor is right, too."""

    ticket: str
    code: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """What a prompt needs to know: itself, and the verbs that Tab offers."""

    prompt: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LineDone:
    """`ended`: the session is over."""

    status: int
    ended: bool
    standing: Standing


class Visit(Protocol):
    """One session at the command line, with its own mode."""

    @property
    def greeting(self) -> str: ...

    @property
    def standing(self) -> Standing:
        """As of the beginning."""
        ...

    async def run(self, line: str, talk: Talk) -> LineDone: ...

    def close(self) -> None: ...


class Reception(Protocol):
    """Of the SSH face. Raises SignInRefused, SignInDelayed where somebody proves himself or shows a ticket."""

    async def passphrase(self, user: str, text: str, address: str) -> Step: ...

    async def code(self, ticket: str, text: str) -> Step:
        """The second factor of the one whose pass phrase gave this ticket, which is used up either way."""
        ...

    async def knows_key(self, user: str, line: str) -> bool:
        """May this public key sign the user in?"""
        ...

    async def key(self, user: str, line: str, proof: KeyProof, address: str) -> Step: ...

    async def enter(self, ticket: str) -> None:
        """The connection is made; it is recorded."""
        ...

    def leave(self, ticket: str) -> None:
        """The connection has ended, and with it what it had begun."""
        ...

    async def visit(self, ticket: str, *, greeted: bool) -> Visit:
        """`greeted`: with a greeting."""
        ...

    async def exchange(self, ticket: str, command: str, sent: str) -> str:
        """The answer to a member of our cluster. Raises ClusterRefused, OSError."""
        ...


class CodeNeeded(Exception):
    """The pass phrase is right, and this user has a second factor, without which nobody gets in."""

    def __init__(self, name: str, role: str) -> None:
        super().__init__(name)
        self.name = name
        self.role = role


class Entry(Protocol):
    """Of the REST API. Raises SignInRefused, SignInDelayed."""

    async def by_password(self, name: str, password: str, address: str) -> SignedIn:
        """Raises CodeNeeded, too."""
        ...

    async def log_in(self, name: str, password: str, address: str, *, code: str = "") -> SignedIn:
        """With a token for the calls to come. `code`: of a second factor, used up on return. Raises CodeNeeded when it
        is missing."""
        ...

    async def by_token(self, token: str) -> SignedIn: ...
