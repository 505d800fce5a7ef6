"""``arena up`` with small programs in the place of ours: ``python -m tests.support.small_programs OPTIONS_AS_JSON``.

The supervisor, the embedded servers, the locks and the signals are the real ones. With ``web`` and ``set_up`` off,
nothing else of the project is needed.
"""

import json
import sys
from collections.abc import Callable

from arena import up
from arena.settings import Settings
from arena.table import Plan, Table, environment_of
from arena.units import Program, answers, environment_with, says

_NODE = """
import json, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print(json.dumps({"event": "node_ready"}), file=sys.stderr, flush=True)
while True: time.sleep(60)
"""
_API = """
import os, http.server, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(os.environ["ARENA_PORT"])), Answer).serve_forever()
"""
_STUBBORN = """
import json, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(json.dumps({"event": "node_ready"}), file=sys.stderr, flush=True)
while True: time.sleep(60)
"""
_WRONG = """
import sys
print("REDIS_URL is wrong: set it right", file=sys.stderr)
sys.exit(2)
"""
PROGRAMS = {"node": _NODE, "stubborn": _STUBBORN, "wrong": _WRONG}


def table(plan: Plan, kind: str) -> Table:
    """Return the small programs."""
    environment = environment_with(environment_of(plan))

    def program(name: str, text: str, ready: Callable[[Program], bool]) -> Program:
        command = [sys.executable, "-c", text]
        return Program(name, command, environment=environment, log=plan.logs / f"{name}.log", ready=ready)

    return Table(
        nodes=[program(f"node-{n}", PROGRAMS[kind], says("node_ready")) for n in range(1, plan.nodes + 1)],
        api=[program("api", _API, answers(plan.host, plan.port, "/readyz"))],
        workers=[program("worker", _NODE, says("node_ready"))],
    )


def main() -> None:
    """Run ``arena up`` as the JSON in the first argument says."""
    told = json.loads(sys.argv[1])
    settings = Settings.from_env({"ARENA_HOST": "127.0.0.1", **told["environment"]})
    options = up.Options(settings=settings, nodes=told.get("nodes", 2), web=False, set_up=False)
    sys.exit(up.run(options, lambda plan: table(plan, told.get("kind", "node"))))


if __name__ == "__main__":
    main()
