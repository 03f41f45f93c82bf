"""Errors of the REST API: one JSON shape, a code as text, the status's long text (docs/rest.md, "Errors").

What went wrong inside is for the log; the client gets the bland text of its status.
"""

# The texts are those of the reference system, which has them from the standard library of its time; they are kept here
# so that a newer interpreter does not change what clients read.
LONG_TEXTS = {
    400: "Bad request syntax or unsupported method.",
    401: "No permission -- see authorization schemes.",
    403: "Request forbidden -- authorization will not help.",
    404: "Nothing matches the given URI.",
    405: "Specified method is invalid for this resource.",
    406: "URI not available in preferred format.",
    409: "Request conflict.",
    413: "Entity is too large.",
    414: "URI is too long.",
    429: "Too many requests in a given amount of time.",
    500: "Server got itself in trouble.",
    503: "The server cannot process the request due to a high load.",
}


class RestError(Exception):
    """Ends a request with `status`; `text` may be shown to the client."""

    def __init__(self, status: int, text: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers or {}


def error_body(status: int, text: str) -> dict[str, object]:
    long_text = LONG_TEXTS.get(status, "The request failed.")
    return {"error": {"message": text, "code": str(status), "explanation": f"{status} = {long_text}"}}
