"""Errors are JSON of one shape whatever goes wrong, and hostile input never makes a 5xx (docs/rest.md, "Errors")."""

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pratique.console.rest import errors
from pratique.console.rest.errors import RestError
from pratique.console.rest.reading import Query, json_object
from pratique.console.rest.routes import ROUTES
from pratique.store.interface import Search
from tests.console.rest_world import RestWorld


def is_error(answer: Any, status: int) -> bool:
    error = answer.json()["error"]
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["cache-control"] == "no-store"
    assert set(error) == {"message", "code", "explanation"}
    return bool(error["code"] == str(status) and error["explanation"] == f"{status} = {errors.LONG_TEXTS[status]}")


async def test_the_contracts_example_to_the_letter(rest: RestWorld) -> None:
    answer = await rest.call("GET", "/quarantine/messages?starts_with=a")
    assert answer.text == (
        '{"error": {"message": "Unexpected attribute - starts_with.", "code": "404", '
        '"explanation": "404 = Nothing matches the given URI."}}'
    )


async def test_all_kinds_of_errors_are_json(rest: RestWorld) -> None:
    assert is_error(await rest.call("GET", "/nothing"), 404)
    assert is_error(await rest.client.get("/"), 404)
    assert is_error(await rest.client.get("/esa/api/v2.0/health"), 404)
    assert is_error(await rest.call("PATCH", "/quarantine/messages"), 405)
    assert is_error(await rest.call("POST", "/quarantine/messages", body=b"x" * 2_000_000), 413)
    assert is_error(await rest.call("GET", f"/quarantine/messages?subjectFilterValue={'x' * 20_000}"), 414)
    assert is_error(await rest.call("GET", "/quarantine/messages/details?mid=7"), 404)
    assert is_error(await rest.call("GET", "/quarantine/messages/details"), 400)
    assert is_error(await rest.call("GET", "/quarantine/messages", user="technician"), 403)


async def test_a_method_that_is_not_there_is_told_those_that_are(rest: RestWorld) -> None:
    answer = await rest.call("PATCH", "/quarantine/messages")
    assert is_error(answer, 405)
    assert {name.strip() for name in answer.headers["allow"].split(",")} >= {"GET", "HEAD", "POST", "DELETE"}


async def test_options_name_all_methods_of_a_path(rest: RestWorld) -> None:
    for path, methods in (
        ("/quarantine/messages", {"GET", "HEAD", "POST", "DELETE", "OPTIONS"}),
        ("/config/local_quarantines/Policy", {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"}),
        ("/login", {"POST", "OPTIONS"}),
    ):
        answer = await rest.call("OPTIONS", path, user="")
        assert (answer.status_code, answer.content) == (204, b"")
        assert {name.strip() for name in answer.headers["allow"].split(",")} == methods
        assert answer.headers["cache-control"] == "no-store"
    assert is_error(await rest.call("OPTIONS", "/nothing"), 404)


async def test_head_is_get_without_the_body(rest: RestWorld) -> None:
    for path in ("/health", "/quarantine/messages", "/openapi.json"):
        head, get = await rest.call("HEAD", path), await rest.call("GET", path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-type"] == get.headers["content-type"]
    assert (await rest.call("HEAD", "/login")).status_code == 405
    assert (await rest.call("HEAD", "/quarantine/messages", user="")).status_code == 401


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("", 200),
        ("*/*", 200),
        ("text/html, application/*;q=0.1", 200),
        ("application/json;q=0.5, */*;q=0", 200),
        ("text/html, */*;q=0.8", 200),
        ("nonsense", 200),
        ("application/xml", 406),
        ("application/json;q=0, */*", 406),
        ("text/*", 406),
    ],
)
async def test_who_takes_no_json_is_told_so(rest: RestWorld, accept: str, status: int) -> None:
    answer = await rest.call("GET", "/quarantine/messages", headers={"accept": accept})
    assert answer.status_code == status
    assert status == 200 or is_error(answer, 406)


async def test_a_range_of_sizes_needs_its_end(rest: RestWorld) -> None:
    path = "/quarantine/messages?attachmentSizeFilterBy=range&attachmentSizeFromValue=5"
    answer = await rest.call("GET", path)
    assert is_error(answer, 400)
    assert answer.json()["error"]["message"] == "attachmentSizeFilterBy=range needs attachmentSizeToValue."


async def test_a_defect_is_told_to_the_log_and_not_to_the_client(
    rest: RestWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(query: Search) -> None:
        raise RuntimeError("secret detail")

    async def read(call: Any) -> None:
        broken(Search(()))

    monkeypatch.setattr(type(rest.store), "read", lambda self, call: read(call))
    answer = await rest.call("GET", "/quarantine/messages")
    assert is_error(answer, 500)
    assert "secret" not in answer.text
    path = "REST GET /sma/api/v2.0/quarantine/messages"
    assert rest.faults in (
        [f"{path}: RuntimeError: secret detail"],
        # where a console process serves the API custody names what happened, and the console for whom
        ["search: RuntimeError: secret detail", f"{path}: Defect: custody failed; its log says why"],
    )


async def test_a_store_that_fails_is_a_503(rest: RestWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    from pratique.store.moves import StoreFailed

    copy = await rest.held()

    async def full(*args: object) -> None:
        raise StoreFailed("disk full", full=True)

    monkeypatch.setattr(type(rest.acts), "decide", full)
    body = {"action": "release", "mids": [copy.mid], "quarantineName": "Policy"}
    assert is_error(await rest.call("POST", "/quarantine/messages", body=body), 503)


_FIELDS = next(r.query for r in ROUTES if (r.method, r.path) == ("GET", "/quarantine/messages"))
_VALUES = st.one_of(
    st.text(max_size=40),
    st.integers(-(10**20), 10**20).map(str),
    st.sampled_from(
        ["pvo", "range", "less_than", "contains", "asc", "Policy", "%", "_", "\\", "'", "\0", "9" * 18, "size"]
    ),
    st.sampled_from(["2026-11-24T03:13:00.000Z", "0001-01-01T00:00", "9999-12-31T23:59:00Z", "2026-13-01T00:00"]),
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pairs=st.lists(st.tuples(st.sampled_from(_FIELDS), _VALUES), max_size=6))
async def test_no_query_makes_a_server_error(rest: RestWorld, pairs: list[tuple[str, str]]) -> None:
    text = "&".join(f"{name}={quote(value, errors='surrogatepass')}" for name, value in pairs)
    answer = await rest.call("GET", f"/quarantine/messages?{text}")
    assert answer.status_code in (200, 400, 404), answer.text
    assert json.loads(answer.text)
    assert not rest.faults


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**25), 10**25) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["POST", "DELETE"]),
    action=st.sampled_from(["release", "delete", "move", "delay", "copy"]) | _JSON,
    mids=st.lists(st.integers(-5, 2**70), max_size=4) | _JSON,
    name=st.sampled_from(["Policy", "Virus", "Policy, Virus", ["Policy"]]) | _JSON,
    more=st.dictionaries(st.sampled_from(["destinationQuarantineName", "delay", "recipients"]), _JSON, max_size=2),
)
async def test_no_body_makes_a_server_error(
    rest: RestWorld, method: str, action: Any, mids: Any, name: Any, more: dict[str, Any]
) -> None:
    body = {"action": action, "mids": mids, "quarantineName": name, "quarantineType": "pvo", **more}
    answer = await rest.call(method, "/quarantine/messages", body=body)
    assert answer.status_code in (200, 400, 404, 409), answer.text
    assert not rest.faults


@settings(max_examples=200, deadline=None)
@given(octets=st.binary(max_size=60), text=st.text(max_size=80))
def test_readers_refuse_and_never_break(octets: bytes, text: str) -> None:
    try:
        assert isinstance(json_object(octets), dict)
    except RestError as error:
        assert error.status == 400
    try:
        query = Query(text)
        query.names("quarantines")
        query.minute("startDate")
        query.done()
    except RestError as error:
        assert error.status in (400, 404)
