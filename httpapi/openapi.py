"""OpenAPI 3.1, made from the endpoints and their Structs: what is served and what is described cannot differ."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
import orjson

from httpapi.endpoint import Access, Endpoint
from httpapi.problem import MEDIA_TYPE, TABLE, Code, ProblemBody

TITLE: Final = "SvidNet Arena"
REF: Final = "#/components/schemas/{name}"
_PARAMETER: Final = re.compile(r"{(\w+)}")


def errors_of(endpoint: Endpoint) -> list[Code]:
    """Return every code the endpoint may answer with: its own, and those that follow from what it declares."""
    codes = {*endpoint.errors, Code.BUSY, Code.INTERNAL, Code.DATABASE_UNAVAILABLE, Code.STORE_UNAVAILABLE}
    codes |= {Code.HOST_REFUSED}
    if endpoint.body is not None:
        codes |= {Code.BAD_JSON, Code.INVALID, Code.BODY_TOO_LARGE, Code.BODY_TIMEOUT, Code.UNSUPPORTED_MEDIA}
    if endpoint.query is not None:
        codes.add(Code.INVALID)
    if endpoint.method != "GET":
        codes.add(Code.ORIGIN_REFUSED)
    if endpoint.access is not Access.ANYONE:
        codes.add(Code.UNAUTHENTICATED)
    if endpoint.access is Access.ADMIN:
        codes.add(Code.FORBIDDEN)
    if endpoint.limits:
        codes.add(Code.RATE_LIMITED)
    return sorted(codes)


def _responses(endpoint: Endpoint, schemas: dict[type, Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    if endpoint.response is not None:
        content = {endpoint.media: {"schema": schemas[endpoint.response]}}
        responses[str(endpoint.status)] = {"description": "Done.", "content": content}
    elif endpoint.media != "application/json":
        responses[str(endpoint.status)] = {"description": "Done.", "content": {endpoint.media: {}}}
    else:
        responses["204"] = {"description": "Done; no body."}
    by_status: dict[int, list[Code]] = {}
    for code in errors_of(endpoint):
        by_status.setdefault(TABLE[code].status, []).append(code)
    for status, codes in sorted(by_status.items()):
        told = [f"`{code}`: {TABLE[code].title}" for code in codes]
        answer: dict[str, Any] = {
            "description": " ".join(told),
            "content": {MEDIA_TYPE: {"schema": schemas[ProblemBody]}},
        }
        if any(TABLE[code].retry_after is not None or code is Code.RATE_LIMITED for code in codes):
            answer["headers"] = {"Retry-After": {"description": "seconds", "schema": {"type": "integer"}}}
        responses.setdefault(str(status), answer)
    for status, kind in endpoint.also.items():
        content = {endpoint.media: {"schema": schemas[kind]}}
        responses.setdefault(str(status), {"description": "See the body.", "content": {}})["content"].update(content)
    return responses


def _parameters(endpoint: Endpoint, components: dict[str, Any], schemas: dict[type, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(endpoint.path)
    ]
    if endpoint.query is not None:
        schema = components[schemas[endpoint.query]["$ref"].rpartition("/")[2]]
        found += [
            {"name": name, "in": "query", "required": name in schema.get("required", []), "schema": field}
            for name, field in schema["properties"].items()
        ]
    return found


def _operation(endpoint: Endpoint, components: dict[str, Any], schemas: dict[type, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": endpoint.handler.__name__,
        "summary": endpoint.summary,
        "tags": [endpoint.path.split("/")[2] if endpoint.path.startswith("/api/") else "system"],
        "responses": _responses(endpoint, schemas),
    }
    parameters = _parameters(endpoint, components, schemas)
    if parameters:
        operation["parameters"] = parameters
    if endpoint.body is not None:
        operation["requestBody"] = {
            "required": not endpoint.body_optional,
            "content": {"application/json": {"schema": schemas[endpoint.body]}},
        }
    if endpoint.access is Access.MAYBE:
        operation["security"] = [{}, {"access": []}]
    elif endpoint.access is not Access.ANYONE:
        operation["security"] = [{"access": []}]
    return operation


def _types(endpoints: Iterable[Endpoint]) -> list[type]:
    found: dict[type, None] = {ProblemBody: None}
    for endpoint in endpoints:
        for kind in (endpoint.body, endpoint.response, endpoint.query, *endpoint.also.values()):
            if kind is not None:
                found[kind] = None
    return list(found)


def describe(endpoints: Sequence[Endpoint], version: str) -> dict[str, Any]:
    """Return the document."""
    types = _types(endpoints)
    refs, components = msgspec.json.schema_components(types, ref_template=REF)
    schemas: dict[type, Any] = dict(zip(types, refs, strict=True))
    paths: dict[str, Any] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, components, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": version, "description": "Games run over WebSockets: protocol/SPEC.md."},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"access": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def packed(endpoints: Sequence[Endpoint], version: str) -> bytes:
    """Return the document as JSON."""
    return orjson.dumps(describe(endpoints, version), option=orjson.OPT_INDENT_2)
