"""The API's description: every route is in it, it is well-formed, and real answers fit it."""

import re
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Route

from httpapi import openapi
from httpapi.app import ENDPOINTS
from httpapi.problem import TABLE, Code
from tests.support.api import NewClient, be_account, be_guest
from tests.support.asgi import Answer, Client
from tests.support.rooms_desk import live_node, open_card
from tests.support.schema import mistakes, resolve


def refs(part: Any) -> list[str]:
    if isinstance(part, dict):
        own = [part["$ref"]] if "$ref" in part else []
        return own + [ref for value in part.values() for ref in refs(value)]
    return [ref for value in part for ref in refs(value)] if isinstance(part, list) else []


async def test_every_route_is_in_it(app: Starlette, client: Client) -> None:
    document = (await client.get("/api/openapi.json")).json()
    served = {
        (route.path, method.lower())
        for route in app.routes
        if isinstance(route, Route) and route.name != "site"
        for method in route.methods or ()
        if method != "HEAD"
    }
    assert served == {(path, method) for path, item in document["paths"].items() for method in item}


async def test_it_is_well_formed(client: Client) -> None:
    document = (await client.get("/api/openapi.json")).json()
    assert document["openapi"] == "3.1.0"
    assert document["info"]["version"]
    for ref in refs(document):
        resolve(ref, document)
    names = []
    for path, item in document["paths"].items():
        for operation in item.values():
            names.append(operation["operationId"])
            assert operation["responses"], path
            told = {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "path"}
            assert told == set(re.findall(r"{(\w+)}", path))
            for requirement in operation.get("security", ()):
                assert set(requirement) <= set(document["components"]["securitySchemes"])
    assert len(names) == len(set(names)), "operationIds are unique"
    assert re.fullmatch(r"[A-Za-z0-9._-]+", "".join(document["components"]["schemas"]))


def test_every_code_has_its_row() -> None:
    assert set(TABLE) == set(Code)
    assert all(400 <= row.status < 600 and row.title.endswith(".") for row in TABLE.values())


def test_what_an_endpoint_may_answer_follows_from_what_it_declares() -> None:
    for endpoint in ENDPOINTS:
        codes = openapi.errors_of(endpoint)
        assert (Code.BAD_JSON in codes) == (endpoint.body is not None)
        assert Code.INTERNAL in codes


class Checked:
    """Calls, and holds each answer against the description."""

    def __init__(self, client: Client, document: dict[str, Any]) -> None:
        self.client = client
        self.document = document
        self.seen: set[tuple[str, str]] = set()

    async def call(self, method: str, template: str, json: Any = None, *, status: int = 200, **names: str) -> Answer:
        answer = await self.client.call(method, template.format(**names), json)
        assert answer.status == status, answer
        told = self.document["paths"][template][method.lower()]["responses"][str(status)]
        self.seen.add((template, method.lower()))
        if status == 204:
            assert answer.body == b""
            return answer
        media = answer.headers["content-type"].partition(";")[0]
        schema = told["content"][media].get("schema")
        if schema is not None:
            assert mistakes(answer.json(), schema, self.document) == []
        return answer


async def test_real_answers_fit_it(client: Client, new_client: NewClient) -> None:
    document = (await client.get("/api/openapi.json")).json()
    checked = Checked(client, document)
    await checked.call("GET", "/healthz")
    await checked.call("GET", "/readyz", status=503)
    await checked.call("GET", "/metrics")
    await checked.call("GET", "/api/openapi.json")
    await checked.call("GET", "/api/games/modes")
    guest = (await checked.call("POST", "/api/auth/guest", {"name": "Ann", "client": "bot"})).json()
    client.token = guest["access_token"]
    await checked.call("POST", "/api/auth/guest", {"name": 1}, status=422)
    await checked.call("GET", "/api/users/me")
    await checked.call("PATCH", "/api/users/me", {"name": "Bea"})
    session = (await checked.call("POST", "/api/auth/refresh", {"refresh_token": guest["refresh_token"]})).json()
    client.token = session["access_token"]
    await checked.call("POST", "/api/games/lobby", {})
    await checked.call("GET", "/api/games/rooms")
    await checked.call("GET", "/api/games/rooms/{code}", status=404, code="BCDF23")
    async with live_node(client.app):
        made = (await checked.call("POST", "/api/games/rooms", {"mode": "trivia"}, status=201)).json()
        await checked.call("POST", "/api/games/rooms/{code}/join", {}, status=503, code=made["code"])
        await open_card(client.app, made["code"])
        await checked.call("GET", "/api/games/rooms/{code}", code=made["code"])
        await checked.call("POST", "/api/games/rooms/{code}/join", {"role": "watcher"}, code=made["code"])
    await checked.call("POST", "/api/auth/logout", {}, status=204)
    await checked.call("GET", "/api/users/me", status=401)
    other = Checked(new_client(), document)
    account = await be_account(other.client, kind="browser")
    assert mistakes(account, {"$ref": "#/components/schemas/Session"}, document) == []
    await other.call("POST", "/api/auth/password", {"old": "nonsense", "new": "another one"}, status=401)
    await be_guest(other.client)


def test_the_checker_can_fail() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}, "required": ["a"]}
    assert mistakes({"a": 1}, schema, {}) == []
    for wrong in ([], {}, {"a": "1"}, {"a": True}, {"a": 0}):
        assert mistakes(wrong, schema, {}) != []
    assert mistakes(3, {"anyOf": [{"type": "string"}, {"type": "null"}]}, {}) != []
