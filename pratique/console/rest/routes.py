"""The routes of the REST API in one table, and the functions behind them: read, call one command, render.

Both roles serve the same tree (contract/rest.md). The description of the API and the tests of who may do what are
derived from ROUTES; a route that is not in it does not exist.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from pratique.console.commands import decide
from pratique.console.commands import search as searching
from pratique.console.commands.desk import CommandRefused, Why
from pratique.console.rest import configuration, contents, reading, rules, shapes, status
from pratique.console.rest.reading import Query, need_mids, need_text, need_texts, only
from pratique.console.rest.request import Answer, Call, answer, from_base64, with_password
from pratique.store.interface import Search, TextTest

Handler = Callable[[Call], Awaitable[Answer]]
