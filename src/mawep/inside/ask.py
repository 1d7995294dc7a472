"""`mawep agent …`: an agent without MCP says what it has to say, and asks what it has to ask.

Started as `python -I -S ask.py`, or by `mawep agent`. It speaks to the same server as an MCP client does, for the
attempt whose token is in its environment. Exit codes: 0 done, 1 MAWEP says no, 2 wrong usage or not inside an attempt,
3 the attempt is over or MAWEP is gone.
"""

import argparse
import json
import os
import socket
import sys
from collections.abc import Iterable, Sequence
from typing import Any

PROTOCOL = "2025-06-18"
CALL = 2
"""The id of the request whose answer counts."""


class NotInsideError(Exception):
    """There is no attempt to speak for."""


class GoneError(Exception):
    """Nobody answers."""


EXAMPLES = """\
Examples:
  mawep agent progress --percent 40 "the parser works"
  mawep agent claim src/pay.py
"""


class _Help(argparse.RawDescriptionHelpFormatter):
    """Help that looks like that of every other verb."""

    def add_usage(
        self,
        usage: str | None,
        actions: Iterable[argparse.Action],
        groups: Iterable[argparse._MutuallyExclusiveGroup],
        prefix: str | None = "Usage: ",
    ) -> None:
        super().add_usage(usage, actions, groups, prefix)


def parser() -> argparse.ArgumentParser:
    """The verbs and their arguments."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--json", action="store_true", help="print one JSON document")
    top = argparse.ArgumentParser(
        prog="mawep agent",
        description="For agents, inside an attempt: talk to MAWEP and to the people behind it.",
        epilog=EXAMPLES,
        formatter_class=_Help,
    )
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    progress = verbs.add_parser("progress", parents=[shared], help="say how far you are")
    progress.add_argument("text", help="what you are doing")
    progress.add_argument("--percent", type=float, help="how much of it is done, 0 to 100")

    blocked = verbs.add_parser("blocked", parents=[shared], help="say what keeps you from going on")
    blocked.add_argument("text")

    claim = verbs.add_parser("claim", parents=[shared], help="reserve files that you are about to change")
    claim.add_argument("paths", nargs="+", metavar="PATH")

    change = verbs.add_parser(
        "breaking-change", parents=[shared], help="warn everybody whose work a change breaks"
    )
    change.add_argument("file", help="the file that you change")
    change.add_argument("change", help="what is different now")
    change.add_argument(
        "--affects",
        action="append",
        default=[],
        metavar="PATH",
        help="paths or patterns of what it breaks; repeatable",
    )
    change.add_argument("--migration", default="", help="what others have to do")

    verbs.add_parser("messages", parents=[shared], help="read what others have told you")

    ask = verbs.add_parser("ask", parents=[shared], help="ask a person, and wait for the answer")
    ask.add_argument("question")
    ask.add_argument(
        "--option", dest="options", action="append", default=[], help="a possible answer; repeatable"
    )

    comment = verbs.add_parser("comment", parents=[shared], help="comment on your issue, on a forge")
    comment.add_argument("text")

    issue = verbs.add_parser("issue", parents=[shared], help="read an issue of the repository, on a forge")
    issue.add_argument("number", type=int)
    return top


TOOLS = {
    "progress": "report_progress",
    "blocked": "report_blocked",
    "claim": "claim_files",
    "breaking-change": "announce_breaking_change",
    "messages": "read_messages",
    "ask": "ask_human",
    "comment": "comment_on_issue",
    "issue": "read_issue",
}
"""The tool behind each verb."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Say it, print the answer, and give the exit code."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        given = vars(parser().parse_args(words))
    except SystemExit as leaving:
        return 0 if leaving.code in (0, None) else 2
    verb, as_json = given.pop("verb"), given.pop("json")
    said = {name: value for name, value in given.items() if value is not None}
    try:
        result = call(TOOLS[verb], said)
    except NotInsideError as error:
        return _failed(str(error), 2, as_json=as_json)
    except GoneError as error:
        return _failed(str(error), 3, as_json=as_json)
    text = "\n".join(item.get("text", "") for item in result.get("content", []))
    failed = bool(result.get("isError"))
    if as_json:
        print(json.dumps({"ok": not failed, "text": text, **(result.get("structuredContent") or {})}))
    else:
        print(text, file=sys.stderr if failed else sys.stdout)
    return 1 if failed else 0


def call(tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The result of a tool.

    Raises:
        NotInsideError: the environment names no attempt.
        GoneError: nobody answers.
    """
    path, token = os.environ.get("MAWEP_TOOLS_SOCKET"), os.environ.get("MAWEP_TOOLS_TOKEN")
    if not path or not token:
        raise NotInsideError(
            "`mawep agent` works inside an attempt only, where MAWEP_TOOLS_SOCKET and MAWEP_TOOLS_TOKEN are set"
        )
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(path)
            connection.sendall(token.encode() + b"\n")
            with connection.makefile("rwb") as stream:
                hello, *rest = frames(tool, arguments)
                stream.write(hello)
                stream.flush()
                _answer(stream, 1)
                stream.writelines(rest)
                stream.flush()
                return _answer(stream, CALL)
    except (OSError, ValueError) as error:
        raise GoneError(f"the attempt is over, or MAWEP is gone ({error})") from error


def frames(tool: str, arguments: dict[str, Any]) -> list[bytes]:
    """What calls a tool in MCP, line by line: the first is answered under id 1, the last under CALL."""
    hello = {
        "protocolVersion": PROTOCOL,
        "capabilities": {},
        "clientInfo": {"name": "mawep-agent", "version": "1"},
    }
    said: tuple[dict[str, Any], ...] = (
        {"id": 1, "method": "initialize", "params": hello},
        {"method": "notifications/initialized"},
        {"id": CALL, "method": "tools/call", "params": {"name": tool, "arguments": arguments}},
    )
    return [json.dumps({"jsonrpc": "2.0", **frame}).encode() + b"\n" for frame in said]


def _answer(stream: Any, number: int) -> dict[str, Any]:
    for line in stream:
        frame = json.loads(line)
        if frame.get("id") == number:
            if "error" in frame:
                return {"isError": True, "content": [{"text": str(frame["error"].get("message"))}]}
            return dict(frame.get("result") or {})
    raise GoneError("the attempt is over, or MAWEP is gone (it closed the connection)")


def _failed(text: str, code: int, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps({"ok": False, "text": text}))
    else:
        print(f"mawep: {text}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
