"""What the model wants done, in the words of the tools that an agent offers."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.models.scenario import Op
from tests.models.speech import Call, Json

WRITERS = ("Write", "write_file", "write", "create_file")
EDITORS = ("Edit", "replace", "edit", "search_replace")
READERS = ("Read", "read_file", "read")
SHELLS = ("Bash", "run_shell_command", "bash", "exec_command", "shell_command", "shell", "local_shell")
PLANNERS = ("TodoWrite", "todowrite", "update_plan", "write_todos", "TaskCreate")

PATHS = ("file_path", "filePath", "path", "absolute_path")
OLD_TEXTS = ("old_string", "oldString", "old")
NEW_TEXTS = ("new_string", "newString", "new")

WHEREABOUTS = re.compile(
    r"(?:[Ww]orking directory:|<cwd>|Workspace Directories:\**\s*-|working in the directory:)\s*(/[^\s<>\"'`]+)"
)
"""Agents tell the model where they are, each in its own words."""


@dataclass(frozen=True)
class Toolbox:
    """The tools of one request, and the directory that the agent says it works in."""

    tools: Mapping[str, Json | None]
    directory: str

    @classmethod
    def of(cls, tools: Mapping[str, Json | None], prompts: str) -> Toolbox:
        """The tools of a request with these prompts."""
        found = WHEREABOUTS.search(prompts)
        return cls(tools, found[1].rstrip(".,") if found else "")

    def calls(self, operations: Iterable[Op]) -> tuple[Call, ...]:
        """The uses of tools that do these operations; what no tool can do is left out."""
        return tuple(
            self._filled(call)
            for operation in operations
            for kind, wanted in operation.items()
            for call in HOW[kind](self, wanted)
        )

    def write(self, wanted: Json) -> Iterator[Call]:
        """A whole file, by its own tool, as a patch or through the shell."""
        path, text = wanted["path"], wanted["text"]
        if tool := self._one_of(WRITERS):
            yield Call(tool, {self._word(tool, PATHS): self._absolute(path), "content": text})
        elif "apply_patch" in self.tools:
            added = "".join(f"+{line}\n" for line in text.splitlines())
            yield self._patch(f"*** Add File: {path}\n{added}")
        else:
            yield from self.run(f"printf %s {shlex.quote(text)} > {shlex.quote(path)}")

    def edit(self, wanted: Json) -> Iterator[Call]:
        """One piece of text in the place of another."""
        path, old, new = wanted["path"], wanted["old"], wanted["new"]
        if tool := self._one_of(EDITORS):
            texts = {self._word(tool, OLD_TEXTS): old, self._word(tool, NEW_TEXTS): new}
            yield Call(tool, {self._word(tool, PATHS): self._absolute(path), **texts})
        elif "apply_patch" in self.tools:
            lines = [f"-{line}\n" for line in old.splitlines()] + [f"+{line}\n" for line in new.splitlines()]
            yield self._patch(f"*** Update File: {path}\n@@\n{''.join(lines)}")
        else:
            change = (
                "import sys; p, o, n = sys.argv[1:]; t = open(p).read(); open(p, 'w').write(t.replace(o, n))"
            )
            yield from self.run(shlex.join(["python3", "-c", change, path, old, new]))

    def read(self, path: str) -> Iterator[Call]:
        """A file."""
        if tool := self._one_of(READERS):
            yield Call(tool, {self._word(tool, PATHS): self._absolute(path)})
        else:
            yield from self.run(f"cat {shlex.quote(path)}")

    def run(self, command: str) -> Iterator[Call]:
        """A command of the shell."""
        tool = self._one_of(SHELLS)
        if tool is None:
            return
        parameters = self._parameters(tool)
        if "cmd" in parameters:
            yield Call(tool, {"cmd": command})
        elif parameters.get("command", {}).get("type") == "array":
            yield Call(tool, {"command": ["bash", "-c", command]})
        else:
            yield Call(tool, {"command": command})

    def commit(self, message: str) -> Iterator[Call]:
        """Everything in the worktree, as the agent."""
        who = "-c user.name=agent -c user.email=agent@example.org"
        yield from self.run(
            f"git add -A && git {who} commit -q -m {shlex.quote(message)} && git log --oneline -1"
        )

    def plan(self, entries: Mapping[str, str]) -> Iterator[Call]:
        """The whole plan as it stands; where tasks are made one by one, a plan with only pending ones makes them."""
        tool = self._one_of(PLANNERS)
        if tool == "TaskCreate":
            yield from _tasks(entries)
        elif tool == "update_plan":
            yield Call(tool, {"plan": [{"step": text, "status": status} for text, status in entries.items()]})
        elif tool == "write_todos":
            yield Call(
                tool, {"todos": [{"description": text, "status": status} for text, status in entries.items()]}
            )
        elif tool is not None:
            todos = [
                {
                    "content": text,
                    "activeForm": text,
                    "status": status,
                    "priority": "medium",
                    "id": str(number),
                }
                for number, (text, status) in enumerate(entries.items(), 1)
            ]
            yield Call(tool, {"todos": todos})

    def ask(self, wanted: Json) -> Iterator[Call]:
        """A question to a person."""
        yield from self._ours("ask_human", wanted)

    def announce(self, wanted: Json) -> Iterator[Call]:
        """A breaking change."""
        yield from self._ours("announce_breaking_change", wanted)

    def tool(self, wanted: Json) -> Iterator[Call]:
        """Any tool by its name; one of MAWEP's own also by the end of it."""
        name = wanted["name"]
        if name in self.tools:
            yield Call(name, wanted.get("arguments", {}))
        else:
            yield from self._ours(name, wanted.get("arguments", {}))

    def _ours(self, name: str, arguments: Json) -> Iterator[Call]:
        """Agents put the name of the server in front of ours, each in its own way."""
        for offered in self.tools:
            if offered.endswith(name):
                yield Call(offered, arguments)
                return

    def _one_of(self, names: Iterable[str]) -> str | None:
        return next((name for name in names if name in self.tools), None)

    def _parameters(self, tool: str) -> Json:
        return dict((self.tools[tool] or {}).get("properties") or {})

    def _word(self, tool: str, words: tuple[str, ...]) -> str:
        """What the tool calls a parameter."""
        parameters = self._parameters(tool)
        return next((word for word in words if word in parameters), words[0])

    def _absolute(self, path: str) -> str:
        return path if path.startswith("/") or not self.directory else f"{self.directory}/{path}"

    def _patch(self, changes: str) -> Call:
        text = f"*** Begin Patch\n{changes}*** End Patch\n"
        if self.tools["apply_patch"] is None:
            return Call("apply_patch", text)
        return Call("apply_patch", {self._word("apply_patch", ("patchText", "patch", "input")): text})

    def _filled(self, call: Call) -> Call:
        """With something harmless for what the tool requires beside."""
        schema = self.tools.get(call.name) or {}
        if isinstance(call.arguments, str):
            return call
        missing = [name for name in schema.get("required") or [] if name not in call.arguments]
        properties = schema.get("properties") or {}
        return Call(
            call.name, {**{name: _something(properties.get(name, {})) for name in missing}, **call.arguments}
        )


def _tasks(entries: Mapping[str, str]) -> Iterator[Call]:
    if set(entries.values()) == {"pending"}:
        for text in entries:
            yield Call("TaskCreate", {"subject": text, "description": text, "activeForm": text})
    for number, status in enumerate(entries.values(), 1):
        if status != "pending":
            yield Call("TaskUpdate", {"taskId": str(number), "status": status})


def _something(schema: Json) -> Any:
    if schema.get("enum"):
        return schema["enum"][0]
    kinds: dict[str, Any] = {"boolean": False, "integer": 0, "number": 0, "array": [], "object": {}}
    return kinds.get(str(schema.get("type")), "scripted")


HOW: Mapping[str, Callable[[Toolbox, Any], Iterator[Call]]] = {
    "write": Toolbox.write,
    "edit": Toolbox.edit,
    "read": Toolbox.read,
    "run": Toolbox.run,
    "commit": Toolbox.commit,
    "plan": Toolbox.plan,
    "ask": Toolbox.ask,
    "announce": Toolbox.announce,
    "tool": Toolbox.tool,
}
"""Every operation of a scenario."""
