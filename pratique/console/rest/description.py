"""The OpenAPI 3.1 description of the API, derived from ROUTES; served as JSON, without pages of others."""

from typing import Any

from pratique.console.rest.errors import LONG_TEXTS
from pratique.console.rest.routes import BASES, ROUTES, Route

PATH = "/openapi.json"
_ERRORS = ("400", "401", "403", "404", "429", "500", "503")
_BODIES = ("POST", "PUT", "DELETE")


def describe(role: str, version: str) -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Pratique REST API", "version": version, "license": {"name": "Apache-2.0"}},
        "servers": [{"url": BASES[role]}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic"},
                "token": {"type": "apiKey", "in": "header", "name": "jwtToken"},
            },
            "schemas": {"Error": _error_schema()},
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "query", "schema": {"type": "string"}} for name in route.query
    ]
    if "{name}" in route.path:
        parameters.append({"name": "name", "in": "path", "required": True, "schema": {"type": "string"}})
    summary = (route.handler.__doc__ or "").strip().rstrip(".")
    operation: dict[str, Any] = {
        "summary": summary,
        "operationId": f"{route.method.lower()}{route.path.title().replace('/', '').strip('{}')}".replace("{", ""),
        "responses": {"200": {"description": "Done."}} | {code: _failure(code) for code in _ERRORS},
    }
    if parameters:
        operation["parameters"] = parameters
    if route.method in _BODIES and not (route.method == "DELETE" and "{name}" in route.path):
        operation["requestBody"] = {"content": {"application/json": {"schema": {"type": "object"}}}}
    if route.commands:
        open_to_all: list[dict[str, list[str]]] = [{}] if route.path == "/health" else []
        operation["security"] = [{"basic": []}, {"token": []}, *open_to_all]
    return operation


def _failure(code: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {"description": LONG_TEXTS[int(code)], "content": content}


def _error_schema() -> dict[str, Any]:
    text = {"type": "string"}
    error = {
        "type": "object",
        "required": ["message", "code", "explanation"],
        "properties": {"message": text, "code": text, "explanation": text},
    }
    return {"type": "object", "required": ["error"], "properties": {"error": error}}
