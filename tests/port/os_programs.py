"""Programs that know nothing of Axon, and serve: what is announced is all that they have in common with it."""

from __future__ import annotations

import sys

HTTP = """
import http.server, json, os, signal, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(os.getpid()).encode())
    def log_message(self, *words):
        print(*words)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open(int(os.environ["AXON_ANNOUNCE"]), "w") as told:
    print(json.dumps({"port": server.server_port, "speaks": "HTTP"}), file=told)
print("I listen", flush=True)
server.serve_forever()
"""


def http() -> list[str]:
    """An HTTP server that answers every GET with its process id."""
    return [sys.executable, "-u", "-S", "-c", HTTP]


def sh(script: str) -> list[str]:
    """A program of the shell; `$AXON_ANNOUNCE` is 3."""
    return ["/bin/sh", "-c", script]


SERVES = """echo '{"port": 4711}' >&3; exec 3>&-; """
"""The beginning of one that says that it serves."""
WAITS = "while :; do sleep 0.05; done"
"""The end of one that does nothing more."""
