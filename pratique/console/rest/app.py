"""The REST API as an ASGI application: routing, limits and the rule that every answer is JSON and no error a traceback.

The framework routes, bounds bodies and answers; everything else is in plain functions over request.Call.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from email.utils import formatdate
from typing import Any

from litestar import HttpMethod, Litestar, Request, Response
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream

from pratique.console.commands.desk import Clock, Desk
from pratique.console.commands.parts import CommandRefused, Why
from pratique.console.remote.interface import Entry
from pratique.console.rest.accept import takes_json
from pratique.console.rest.description import PATH, describe
from pratique.console.rest.errors import RestError
from pratique.console.rest.reading import BODY_BYTES_MAX, URI_BYTES_MAX, Query
from pratique.console.rest.request import CHALLENGE, SECURITY_HEADERS, Answer, Call, error_answer
from pratique.console.rest.routes import BASES, ROUTES, TOP_ROUTES, Route
from pratique.console.rest.shapes import render

AnyRequest = Request[Any, Any, Any]
STATUS_OF = {
    Why.INVALID: 400,
    Why.NOT_FOUND: 404,
    Why.FORBIDDEN: 403,
    Why.CONFLICT: 409,
    Why.UNAVAILABLE: 503,
}
SHORT_TEXTS = {404: "Not found.", 405: "Method not allowed.", 413: "The body is too large."}


def make_app(desk: Desk, signin: Entry, *, fault: Callable[[str], None]) -> Litestar:
    """`fault` gets the full text of what went wrong inside."""
    base = BASES[desk.role]
    described = render(describe(desk.role, desk.version))

    async def description(call: Call) -> Answer:
        return Answer(200, described)

    routes = (*ROUTES, Route("GET", PATH, description, ()))
    return Litestar(
        route_handlers=[
            *_options(base, routes, desk.clock),  # in front, or the framework makes its own
            *_options("", TOP_ROUTES, desk.clock),
            *(_handler(base, route, desk, signin) for route in routes),
            *(_handler("", route, desk, signin) for route in TOP_ROUTES),
        ],
        exception_handlers={Exception: _on_error(desk.clock, fault)},
        request_max_body_size=BODY_BYTES_MAX,
        openapi_config=None,  # our own description, without pages that load scripts from elsewhere
        logging_config=None,
        debug=False,
        pdb_on_exception=False,
    )


def _handler(base: str, route: Route, desk: Desk, signin: Entry) -> HTTPRouteHandler:
    async def handle(request: AnyRequest) -> Response[Any]:
        _check_uri(request)
        headers = _headers(request)
        if route.method != "GET":
            _check_origin(headers)
        if not route.file and not takes_json(headers.get("accept", "")):
            raise RestError(406, "The answer is JSON, which the request does not accept.")
        call = Call(
            method=route.method,
            path={name: str(value) for name, value in request.path_params.items()},
            query=Query(request.scope["query_string"].decode("latin-1")),
            headers=headers,
            address=request.client.host if request.client else "",
            read_body=request.body,
            desk=desk,
            signin=signin,
        )
        try:
            found = await route.handler(call)
        except CommandRefused as refused:
            raise RestError(STATUS_OF[refused.why], _sentence(refused.text), _token(call)) from refused
        except RestError as error:
            if CHALLENGE in error.headers:
                error.headers[CHALLENGE] = f'Basic realm="{route.realm}", charset="UTF-8"'
            raise
        return _response(found, _token(call), desk.clock)

    handle.__name__ = f"{route.method.lower()}{route.path}"
    methods = [HttpMethod(method) for method in _methods(route)]
    return HTTPRouteHandler(_template(base, route), http_method=methods, status_code=200)(handle)


def _template(base: str, route: Route) -> str:
    return base + route.path.replace("}", ":str}")


def _methods(route: Route) -> tuple[str, ...]:
    return ("GET", "HEAD") if route.method == "GET" else (route.method,)  # RFC 9110 §9.3.2


def _options(base: str, routes: Sequence[Route], clock: Clock) -> Iterator[HTTPRouteHandler]:
    """OPTIONS of every path, with all its methods: the framework names those of one route alone (RFC 9110 §9.3.7)."""
    taken: dict[str, list[str]] = {}
    for route in routes:
        taken.setdefault(_template(base, route), []).extend(_methods(route))
    for path, methods in taken.items():
        yield _options_of(path, ", ".join((*methods, "OPTIONS")), clock)


def _options_of(path: str, allowed: str, clock: Clock) -> HTTPRouteHandler:
    async def handle(request: AnyRequest) -> Response[Any]:
        return _response(Answer(204, b"", {"allow": allowed}), {}, clock)

    handle.__name__ = f"options{path}"
    return HTTPRouteHandler(path, http_method=[HttpMethod.OPTIONS], status_code=200)(handle)


def _headers(request: AnyRequest) -> dict[str, str]:
    """The last of each name counts; credentials are UTF-8 only behind their base64."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in request.scope["headers"]}


def _token(call: Call) -> dict[str, str]:
    return {"jwtToken": call.token} if call.token else {}


def _check_uri(request: AnyRequest) -> None:
    raw = request.scope.get("raw_path") or b""
    if len(raw) + len(request.scope["query_string"]) > URI_BYTES_MAX:
        raise RestError(414, "The URI is too long.")


def _check_origin(headers: Mapping[str, str]) -> None:
    """A page of another site that a reviewer's browser shows may not act with the browser's remembered credentials.

    Scripts send neither header. text/plain bodies are allowed by the contract, so a form could else make such a call.
    """
    site, origin = headers.get("sec-fetch-site", ""), headers.get("origin", "")
    foreign = site in ("cross-site", "same-site")
    if origin:
        foreign = foreign or origin.partition("://")[2] != headers.get("host", "")
    if foreign:
        raise RestError(403, "Calls on behalf of another site's page are refused.")


def _on_error(clock: Clock, fault: Callable[[str], None]) -> Callable[[AnyRequest, Exception], Response[Any]]:
    def handle(request: AnyRequest, error: Exception) -> Response[Any]:
        headers: dict[str, str] = {}
        if isinstance(error, RestError):
            found = error
        elif isinstance(error, HTTPException) and error.status_code < 500:
            headers = {k: v for k, v in (error.headers or {}).items() if k.lower() == "allow"}
            found = RestError(error.status_code, SHORT_TEXTS.get(error.status_code, "The request cannot be read."))
        else:
            fault(f"REST {request.method} {request.url.path}: {type(error).__name__}: {error}")
            found = RestError(500, "The request failed; the log says why.")
        return _response(error_answer(found), headers, clock)

    return handle


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


def _response(found: Answer, more: dict[str, str], clock: Clock) -> Response[Any]:
    date = formatdate(clock.now_ms() / 1_000, usegmt=True)  # RFC 9110 §6.6.1
    headers = {"date": date, **SECURITY_HEADERS, **found.headers, **more}
    if isinstance(found.body, bytes):
        return Response(found.body, status_code=found.status, media_type=found.media_type, headers=headers)
    return Stream(found.body, status_code=found.status, media_type=found.media_type, headers=headers)
