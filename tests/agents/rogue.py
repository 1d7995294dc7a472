"""An ACP agent on the bare standard library that misbehaves as its arguments say. Started as a program.

`at=MOMENT` (initialize, new, load, prompt) and `do=WHAT` say when and what; without them it is well-behaved:
it answers every prompt with the frames given as further arguments, each one JSON, and any request with what an
argument `METHOD={…}` says. With `burst=1` it does not wait for one answer before it asks for the next, with
`once=1` it sends the frames in the first turn only.
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


def listen(answers: dict[str, Any], replies: int) -> None:
    """Wait for so many replies; what is asked meanwhile is answered."""
    while replies:
        line = sys.stdin.readline()
        if not line:
            return
        frame = json.loads(line)
        if "method" not in frame:
            replies -= 1
        elif "id" in frame:
            send({"jsonrpc": "2.0", "id": frame["id"], "result": answers.get(frame["method"], {})})


def main(arguments: list[str]) -> None:
    settings = dict(argument.split("=", 1) for argument in arguments if not argument.startswith("{"))
    frames = [json.loads(argument) for argument in arguments if argument.startswith("{")]
    told = {key: json.loads(value) for key, value in settings.items() if value.startswith("{")}
    answers = {**ANSWERS, **told}
    for line in sys.stdin:
        request = json.loads(line)
        method = request.get("method", "")
        if method.endswith(settings.get("at", "never")):
            misbehave(settings["do"], request, frames)
        elif "id" in request and method:
            print()  # blank lines mean nothing
            for frame in frames if method == "session/prompt" else []:
                send({"jsonrpc": "2.0", **frame})
                if "id" in frame and "burst" not in settings:
                    listen(answers, 1)
            if method == "session/prompt":
                listen(answers, sum("id" in frame for frame in frames) if "burst" in settings else 0)
                frames = [] if "once" in settings else frames
            send({"jsonrpc": "2.0", "id": request["id"], "result": answers.get(method, {})})


main(sys.argv[1:])
