"""``arena verify-match URL``: the match comes over HTTP."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from gameserver import verify
from tests.games.test_verify import told


class _Api(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps(told()).encode() if self.path == "/api/games/matches/m" else b"{}"
        self.send_response(200 if len(body) > 2 else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def api() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Api) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_match_is_fetched_and_checked(api: str) -> None:
    assert verify.main([f"{api}/api/games/matches/m"]) == 0


def test_what_is_not_there_gets_one_clear_line(api: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify.main([f"{api}/nothing"]) == 2
    assert verify.main(["http://127.0.0.1:1/"]) == 2
    assert capsys.readouterr().err.count("cannot check") == 2
