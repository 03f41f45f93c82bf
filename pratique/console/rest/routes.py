"""The routes of the REST API in one table.

Both roles serve the same tree (contract/rest.md). The description of the API and the tests of who may do what are
derived from ROUTES; a route that is not in it does not exist.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pratique.console.rest import login, messages
from pratique.console.rest.request import Answer, Call

Handler = Callable[[Call], Awaitable[Answer]]

BASES = {"manager": "/sma/api/v2.0", "gateway": "/esa/api/v2.0"}


@dataclass(frozen=True, slots=True)
class Route:
    """`commands`: the names of those that the handler may call; () = none, anybody may call it."""

    method: str
    path: str  # below the base; {name} is a path parameter
    handler: Handler
    commands: tuple[str, ...]
    summary: str


ROUTES = (
    Route("POST", "/login", login.post, (), "Sign in and get a token"),
    Route("GET", "/quarantine/messages", messages.get, ("search",), "Search held messages"),
    Route(
        "POST",
        "/quarantine/messages",
        messages.post,
        ("release", "delete", "move", "delay", "copy"),
        "Release, delete, move, delay or copy held messages",
    ),
    Route("DELETE", "/quarantine/messages", messages.delete, ("delete",), "Delete held messages"),
)
