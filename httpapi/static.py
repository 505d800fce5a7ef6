"""The web client as Vite built it: hashed assets for ever, ``index.html`` never from a cache, any page from it.

Only files found by walking the folder are served, so no path leads out of it. They are kept in memory, compressed
once; a new build is noticed within a second.
"""

import asyncio
import gzip
import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from httpapi.limits import STATIC_CACHE_BYTES_MAX
from httpapi.problem import Code, Problem

LOOK_EVERY_S: Final = 1.0
COMPRESS_FROM: Final = 1024
INDEX: Final = "index.html"
OURS: Final = ("api/", "ws/", "problems/")
"""Paths that are never pages of the client."""

TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".wasm": "application/wasm",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
}
_DENSE: Final = (".png", ".jpg", ".webp", ".avif", ".woff2", ".mp3", ".ogg", ".gz", ".br")

NOT_BUILT: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>SvidNet Arena</title>
<h1>SvidNet Arena</h1>
<p>The server runs, but the web client is not built. Run <code>make web</code> and load this page again.</p>
<p>The API answers at <a href="/api/openapi.json">/api/openapi.json</a>.</p>
</html>
"""


@dataclass(frozen=True, slots=True)
class File:
    """A file as served: ``packed`` by its content encoding, smallest first."""

    body: bytes
    packed: tuple[tuple[str, bytes], ...]
    media: str
    etag: str
    immutable: bool


def _read(path: Path, name: str) -> File:
    body = path.read_bytes()
    packed: list[tuple[str, bytes]] = []
    for encoding, ending in (("br", ".br"), ("gzip", ".gz")):
        ready = path.with_name(path.name + ending)
        if ready.is_file():
            packed.append((encoding, ready.read_bytes()))
    if not packed and len(body) >= COMPRESS_FROM and path.suffix not in _DENSE:
        packed.append(("gzip", gzip.compress(body, 9, mtime=0)))
    return File(
        body=body,
        packed=tuple((encoding, small) for encoding, small in packed if len(small) < len(body)),
        media=TYPES.get(path.suffix, "application/octet-stream"),
        etag=f'W/"{hashlib.sha256(body).hexdigest()[:20]}"',
        immutable=name.startswith("assets/"),
    )


class Site:
    """The folder's files by their path in a URL."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._paths: dict[str, Path] = {}
        self._files: dict[str, File] = {}
        self._kept = 0
        self._stamp: tuple[int, int] | None = None
        self._looked = float("-inf")

    def _look(self) -> None:
        """Walk the folder when ``index.html`` is another than before."""
        self._looked = time.monotonic()
        try:
            found = (self._root / INDEX).stat()
            stamp = (found.st_mtime_ns, found.st_size)
        except OSError:
            self._paths, self._files, self._kept, self._stamp = {}, {}, 0, None
            return
        if stamp == self._stamp:
            return
        self._paths = {
            path.relative_to(self._root).as_posix(): path
            for path in self._root.rglob("*")
            if path.is_file() and path.resolve().is_relative_to(self._root.resolve())
        }
        self._files, self._kept, self._stamp = {}, 0, stamp

    async def find(self, name: str) -> File | None:
        """Return the file of that name; None when there is none."""
        if time.monotonic() - self._looked >= LOOK_EVERY_S:
            await asyncio.to_thread(self._look)
        if name in self._files:
            return self._files[name]
        path = self._paths.get(name)
        if path is None:
            return None
        try:
            file = await asyncio.to_thread(_read, path, name)
        except OSError:
            return None  # gone since the last look: a build is going on
        size = len(file.body) + sum(len(small) for _, small in file.packed)
        if name not in self._files and self._kept + size <= STATIC_CACHE_BYTES_MAX:
            self._files[name] = file
            self._kept += size
        return file


def _accepted(header: str) -> set[str]:
    """Return the encodings a client takes."""
    accepted = set()
    for item in header.lower().split(","):
        name, _, quality = item.strip().partition(";")
        if quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000"):
            accepted.add(name.strip())
    return accepted


def _is_known(file: File, header: str) -> bool:
    """Say whether the client has the file, by If-None-Match (weak: the same file in another encoding is the same)."""
    told = {item.strip().removeprefix("W/") for item in header.split(",")}
    return "*" in told or file.etag.removeprefix("W/") in told


def answer(file: File, request: Request) -> Response:
    """Return the file, compressed as the client takes it, or 304."""
    headers = {
        "cache-control": "public, max-age=31536000, immutable" if file.immutable else "no-cache",
        "etag": file.etag,
        "vary": "accept-encoding",
    }
    if _is_known(file, ",".join(request.headers.getlist("if-none-match"))):
        return Response(status_code=304, headers=headers)
    body = file.body
    accepted = _accepted(request.headers.get("accept-encoding", ""))
    for encoding, small in file.packed:
        if encoding in accepted:
            body = small
            headers["content-encoding"] = encoding
            break
    return Response(body, headers={**headers, "content-type": file.media})


def site_route(root: Path) -> Route:
    """Return the route of everything that is not the API: the client's files, and its pages from ``index.html``."""
    site = Site(root)

    async def serve(request: Request) -> Response:
        name = str(request.path_params["path"])
        request.scope["arena.route"] = "/{file}"
        if name.startswith(OURS):
            raise Problem(Code.NOT_FOUND)
        file = await site.find(name or INDEX)
        if file is None and "." not in name.rpartition("/")[2]:
            file = await site.find(INDEX)
            if file is None:
                return Response(NOT_BUILT, 503, {"cache-control": "no-store", "retry-after": "5"}, "text/html")
        if file is None:
            raise Problem(Code.NOT_FOUND)
        return answer(file, request)

    return Route("/{path:path}", serve, methods=["GET"], name="site")
