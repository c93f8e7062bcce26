"""An MCP server of the standard library alone, which starts in no time, and misbehaves when it is told to.

What it is told stands in its arguments: `garbage`, `silent`, `dies`, `twice`, `deaf`, `hangs-up`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

TOLD = sys.argv[1:]
HINTS: dict[str, dict[str, bool]] = {"pid": {"readOnlyHint": True}, "hold": {}, "safe_hold": {"idempotentHint": True}}
NAMES = ["echo", "pid", "hold", "safe_hold", "held", "let_go", "have_child", "garbage", "hang_up", "freeze", "die"]
held: list[Any] = []
cancelled: list[Any] = []


def say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def answer(id: object, value: object) -> None:
    result: dict[str, Any] = {"content": [{"type": "text", "text": str(value)}]}
    if not isinstance(value, str):
        result["structuredContent"] = {"result": value}
    say({"id": id, "result": result})


def call(id: object, name: str, args: dict[str, Any]) -> None:
    match name:
        case "echo":
            answer(id, args.get("text"))
        case "pid":
            answer(id, os.getpid())
        case "hold" | "safe_hold":  # answered by `let_go`, if ever
            held.append((id, args.get("text")))
        case "held":
            answer(id, {"held": [text for _, text in held], "cancelled": cancelled})
        case "let_go":
            waiting, held[:] = list(held), []
            for other, text in waiting:
                answer(other, text)
            answer(id, len(waiting))
        case "have_child":
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
            answer(id, child.pid)
        case "garbage":
            sys.stdout.write("Traceback: all is lost\n")
            sys.stdout.flush()
        case "hang_up":
            os.close(1)
            time.sleep(60)
        case "freeze":
            time.sleep(60)
        case "die":
            sys.stderr.write("out of paper\n")
            os._exit(7)
        case _:
            say({"id": id, "error": {"code": -32602, "message": f"no tool {name}"}})


def tools() -> list[dict[str, Any]]:
    names = ["echo", *NAMES] if "twice" in TOLD else NAMES
    schema = {"type": "object", "properties": {"text": {"type": "string"}}}
    return [{"name": name, "inputSchema": schema, "annotations": HINTS.get(name)} for name in names]


def handle(message: dict[str, Any]) -> None:
    id: object = message.get("id")
    params: dict[str, Any] = message.get("params") or {}
    match str(message.get("method")):
        case "initialize":
            version = params["protocolVersion"]
            info = {"name": "small", "version": "1"}
            say({"id": id, "result": {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info}})
        case "tools/list":
            say({"id": id, "result": {"tools": tools()}})
        case "tools/call":
            call(id, params["name"], params.get("arguments") or {})
        case "notifications/cancelled":
            cancelled.extend(text for other, text in held if other == params["requestId"])
            held[:] = [each for each in held if each[0] != params["requestId"]]
        case "ping":
            say({"id": id, "result": {}})
        case _:
            if id is not None:
                say({"id": id, "error": {"code": -32601, "message": "no such method"}})


def main() -> None:
    if "garbage" in TOLD:
        print("Welcome to the small server!", flush=True)
    if "dies" in TOLD:
        sys.exit("no licence")
    if "deaf" in TOLD:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for line in sys.stdin:
        if "silent" not in TOLD:
            handle(json.loads(line))
    while "deaf" in TOLD:
        time.sleep(60)


if __name__ == "__main__":
    main()
