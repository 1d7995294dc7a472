"""An ACP agent on the bare standard library that misbehaves as its arguments say. Started as a program.

`at=MOMENT` (initialize, new, load, prompt) and `do=WHAT` say when and what; without them it is well-behaved:
it answers every prompt with the frames given as further arguments, each one JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any


def send(frame: object) -> None:
    sys.stdout.write(json.dumps(frame) + "\n")
    sys.stdout.flush()


def misbehave(what: str, request: dict[str, Any], frames: list[dict[str, Any]]) -> None:
    match what:
        case "hang":
            time.sleep(600)
        case "late":
            sys.stdin.readline()
            send({"jsonrpc": "2.0", **frames[0]})
            sys.stdin.readline()
            send({"jsonrpc": "2.0", "id": request["id"], "result": {"stopReason": "cancelled"}})
        case "doze":
            send({"jsonrpc": "2.0", "id": request["id"], "result": {"sessionId": "s"}})
            time.sleep(600)
        case "error":
            send(
                {"jsonrpc": "2.0", "id": request["id"], "error": {"code": -32000, "message": "log in first"}}
            )
        case "nonsense":
            send({"jsonrpc": "2.0", "id": request["id"], "result": {"stopReason": "because"}})
        case "version":
            send({"jsonrpc": "2.0", "id": request["id"], "result": {"protocolVersion": 7}})
        case "number":
            send(42)
        case "partial":
            sys.stdout.write('{"jsonrpc": "2.0", ')
            sys.stdout.flush()
            os._exit(3)
        case "closed":
            os.close(1)
            time.sleep(600)
        case "huge":
            sys.stdout.write("x" * (51 * 2**20))
            sys.stdout.flush()
            time.sleep(600)
        case "die":
            for line in range(100):
                print(f"last words {line}", file=sys.stderr)
            os._exit(9)


ANSWERS = {
    "initialize": {"protocolVersion": 1},
    "session/new": {"sessionId": "s"},
    "session/prompt": {"stopReason": "end_turn"},
}


def main(arguments: list[str]) -> None:
    settings = dict(argument.split("=", 1) for argument in arguments if not argument.startswith("{"))
    frames = [json.loads(argument) for argument in arguments if argument.startswith("{")]
    for line in sys.stdin:
        request = json.loads(line)
        method = request.get("method", "")
        if method.endswith(settings.get("at", "never")):
            misbehave(settings["do"], request, frames)
        elif "id" in request and method in ANSWERS:
            print()  # blank lines mean nothing
            for frame in frames if method == "session/prompt" else []:
                send({"jsonrpc": "2.0", **frame})
                if "id" in frame:
                    sys.stdin.readline()
            send({"jsonrpc": "2.0", "id": request["id"], "result": ANSWERS[method]})


main(sys.argv[1:])
