"""The web client's files: pages from index.html, hashed assets for ever, nothing outside the folder."""

import gzip
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from arena.keys import SigningKeys
from httpapi import static
from tests.support.api import settings_for, started
from tests.support.asgi import Client

SCRIPT = b"console.log('hello');\n" * 200
INDEX = b"<!doctype html><script type=module src=/assets/index-abc123.js></script>"


def build(root: Path, index: bytes = INDEX) -> None:
    (root / "assets").mkdir(exist_ok=True)
    (root / "assets" / "index-abc123.js").write_bytes(SCRIPT)
    (root / "assets" / "font.woff2").write_bytes(b"\0" * 5000)
    (root / "favicon.svg").write_bytes(b"<svg/>")
    (root / "ready.css").write_bytes(b"a{}" * 1000)
    (root / "ready.css.br").write_bytes(b"brotli")
    (root / "index.html").write_bytes(index)


@pytest_asyncio.fixture(loop_scope="session")
async def site(
    database_url: str, redis_url: str, keys: SigningKeys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Client]:
    monkeypatch.setattr(static, "LOOK_EVERY_S", 0.0)
    root = tmp_path / "dist"
    root.mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    build(root)
    (root / "link.txt").symlink_to(tmp_path / "secret.txt")
    async with started(settings_for(database_url, redis_url), keys, root) as app:
        yield Client(app)


@pytest.mark.parametrize("path", ["/", "/index.html", "/room/BCDF23", "/a/deep/page", "/account"])
async def test_pages(site: Client, path: str) -> None:
    answer = await site.get(path)
    assert (answer.status, answer.body) == (200, INDEX)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert "script-src 'self'" in answer.headers["content-security-policy"]


async def test_hashed_assets_are_for_ever(site: Client) -> None:
    answer = await site.get("/assets/index-abc123.js")
    assert answer.body == SCRIPT
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert (await site.get("/favicon.svg")).headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    ("path", "accepts", "encoding"),
    [
        ("/assets/index-abc123.js", "gzip, deflate, br", "gzip"),
        ("/assets/index-abc123.js", "br;q=1, gzip;q=0", None),
        ("/assets/index-abc123.js", "", None),
        ("/ready.css", "gzip, br", "br"),
        ("/ready.css", "gzip", None),
        ("/assets/font.woff2", "gzip", None),
        ("/favicon.svg", "gzip", None),
    ],
)
async def test_compressed_as_the_client_takes_it(site: Client, path: str, accepts: str, encoding: str | None) -> None:
    answer = await site.get(path, headers={"accept-encoding": accepts})
    assert answer.headers.get("content-encoding") == encoding
    assert answer.headers["vary"] == "accept-encoding"
    assert answer.headers["content-length"] == str(len(answer.body))
    if encoding == "gzip":
        assert gzip.decompress(answer.body) == SCRIPT


async def test_what_is_known_is_not_sent_again(site: Client) -> None:
    etag = (await site.get("/")).headers["etag"]
    answer = await site.get("/", headers={"if-none-match": etag})
    assert (answer.status, answer.body) == (304, b"")
    strong = etag.removeprefix("W/")
    for known in (strong, f'"other", {strong}', f'W/"other",{etag}', "*"):
        assert (await site.get("/", headers={"if-none-match": known})).status == 304, known
    for other in ('"other"', "", strong.strip('"'), 'W/"other", "more"', "\x00"):
        assert (await site.get("/", headers={"if-none-match": other})).status == 200, other


@pytest.mark.parametrize(
    "path",
    [
        "/missing.js",
        "/assets/missing-123.js",
        "/../secret.txt",
        "/assets/../../secret.txt",
        "/link.txt",
        "//etc/passwd.txt",
        "/%2e%2e/secret.txt",
        "/assets/.",
        "/index.html\x00.js",
        "/api/nothing",
        "/ws/lobby",
    ],
)
async def test_nothing_else(site: Client, path: str) -> None:
    answer = await site.get(path)
    assert (answer.status, answer.code) == (404, "not_found")


async def test_a_page_is_only_read(site: Client) -> None:
    assert (await site.post("/", {})).code == "method_not_allowed"


async def test_a_new_build_is_served_at_once(site: Client, tmp_path: Path) -> None:
    assert (await site.get("/")).body == INDEX
    build(tmp_path / "dist", b"<p>new</p>")
    os.utime(tmp_path / "dist" / "index.html", ns=(1, 1))
    assert (await site.get("/")).body == b"<p>new</p>"


async def test_not_built_is_said_plainly(site: Client, tmp_path: Path) -> None:
    (tmp_path / "dist" / "index.html").unlink()
    answer = await site.get("/room/BCDF23")
    assert answer.status == 503
    assert b"make web" in answer.body
    assert (await site.get("/healthz")).status == 200
    build(tmp_path / "dist")
    assert (await site.get("/")).body == INDEX


async def test_beyond_the_cache_files_are_still_served(site: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(static, "STATIC_CACHE_BYTES_MAX", 10)
    for _ in range(2):
        assert (await site.get("/assets/index-abc123.js")).body == SCRIPT
