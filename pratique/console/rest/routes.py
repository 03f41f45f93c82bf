"""The routes of the REST API in one table.

Both roles serve the same tree (docs/rest.md). The description of the API and the tests of who may do what are
derived from ROUTES; a route that is neither in it nor in TOP_ROUTES does not exist.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pratique.console.rest import configuration, contents, login, messages, metrics, rules, status, xml_status
from pratique.console.rest.request import Answer, Call

Handler = Callable[[Call], Awaitable[Answer]]

REALM = "pratique"
BASES = {"manager": "/sma/api/v2.0", "gateway": "/esa/api/v2.0"}


@dataclass(frozen=True, slots=True)
class Route:
    """`commands`: the names of those that the handler may call; () = none, anybody may call it."""

    method: str
    path: str  # below the base; {name} is a path parameter
    handler: Handler
    commands: tuple[str, ...]
    query: tuple[str, ...] = ()  # for the description; the handler checks them
    file: bool = False  # the answer is no JSON
    realm: str = REALM  # RFC 9110 §11.5


_SEARCH = (
    "startDate",
    "endDate",
    "quarantineType",
    "quarantines",
    "originatingEsaIp",
    "subjectFilterBy",
    "subjectFilterValue",
    "attachmentName",
    "attachmentSizeFilterBy",
    "attachmentSizeFromValue",
    "attachmentSizeToValue",
    "envelopeRecipientFilterBy",
    "envelopeRecipientFilterValue",
    "envelopeSenderFilterBy",
    "envelopeSenderFilterValue",
    "orderDir",
    "orderBy",
    "offset",
    "limit",
)
_ACTIONS = ("release", "delete", "move", "delay", "copy")
_PAGE = ("quarantineType", "ruleId", "orderBy", "orderDir", "offset", "limit")
_CONFIG = "/config/local_quarantines"
_DEVICE = ("device_type", "quarantine_type")

ROUTES = (
    Route("POST", "/login", login.post, ()),
    Route("GET", "/health", status.get_health, ("health",)),
    Route("GET", "/quarantine/messages", messages.get, ("search",), _SEARCH),
    Route("POST", "/quarantine/messages", messages.post, _ACTIONS),
    Route("DELETE", "/quarantine/messages", messages.delete, ("delete",)),
    Route("GET", "/quarantine/messages/details", contents.get_details, ("details",), ("mid", "quarantineType")),
    Route(
        "GET",
        "/quarantine/messages/attachment",
        contents.get_attachment,
        ("attachment",),
        ("mid", "attachmentId", "quarantineType"),
        file=True,
    ),
    *(
        route
        for path in ("/quarantine/messages/rules", "/quarantine/rules")
        for route in (
            Route("GET", path, rules.get, ("rules",), ("quarantineType",)),
            Route("POST", path, rules.post, ("decide-rule",)),
            Route("DELETE", path, rules.delete, ("decide-rule",)),
        )
    ),
    Route("GET", "/quarantine/rules_search", rules.search, ("rule-messages",), _PAGE),
    Route("GET", "/config/quarantines", configuration.get_names, ("quarantines",), _DEVICE),
    Route("GET", "/config/quarantine_users", configuration.get_users, ("quarantine-users",), _DEVICE),
    Route("GET", _CONFIG, configuration.get_all, ("quarantines",), _DEVICE),
    Route("POST", _CONFIG, configuration.post, ("create-quarantine",), _DEVICE),
    Route("GET", f"{_CONFIG}/{{name}}", configuration.get_one, ("quarantines",), _DEVICE),
    Route("PUT", f"{_CONFIG}/{{name}}", configuration.put, ("change-quarantine",), _DEVICE),
    Route("DELETE", f"{_CONFIG}/{{name}}", configuration.delete, ("drop-quarantine",), _DEVICE),
)

TOP_ROUTES = (  # below no base; the answers are no JSON
    Route("GET", "/metrics", metrics.get, ("metrics",), file=True),
    Route("GET", "/xml/status", xml_status.get, ("figures",), file=True, realm=xml_status.REALM),
    Route("GET", "/xml/dnsstatus", xml_status.get_dns, ("figures",), file=True, realm=xml_status.REALM),
)
