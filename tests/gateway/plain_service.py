"""An agent in another language, as far as Axon can tell: a program that speaks a little of the gateway's protocol.

It knows nothing of Axon but the descriptor on which it announces itself. Its agent says what it was asked, with its process
id; to `wait` it answers never, and `exit` ends it.
"""

import http.server
import json
import os
import sys

USAGE = dict.fromkeys(
    ("requests", "request_tokens", "response_tokens", "total_tokens", "input_tokens", "output_tokens"), 1
)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(200, {"status": "ok"})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.headers["authorization"] != f"Bearer {os.environ['AXON_TOKEN']}":
            self._answer(401, {"status": "error", "error_type": "InvalidToken", "message": "who are you?"})
        elif asked["prompt"] == "exit":
            os._exit(3)
        elif asked["prompt"] == "wait":
            self.rfile.read(1)  # until the client is gone
        else:
            result = [self.path, asked["prompt"], os.environ.get("AXON_PYTHON_AGENT_MODEL"), os.getpid()]
            self._answer(200, {"result": result, "messages": [], "usage": USAGE})

    def _answer(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *words: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["AXON_PYTHON_AGENT_PORT"])), Handler)
    where = {sys.argv[1] if sys.argv[1:] else "port": server.server_port}
    with os.fdopen(int(os.environ["AXON_ANNOUNCE"]), "w") as parent:
        parent.write(json.dumps(where) + "\n")
    server.serve_forever()
