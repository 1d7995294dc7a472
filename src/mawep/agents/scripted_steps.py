"""Carries out the steps of one turn, and tells the client about each in the protocol's words."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from mawep.agents.extensions import BREAKING_CHANGE, QUESTION
from mawep.agents.script import PlanStatus, Step, plan_at
from mawep.agents.scripted_session import Session
from mawep.agents.scripted_tools import call
from mawep.agents.sdk import acp, schema

Ending = schema.StopReason
T = TypeVar("T")
IDENTITY = {
    "GIT_AUTHOR_NAME": "mawep-agent",
    "GIT_AUTHOR_EMAIL": "mawep-agent@example.invalid",
    "GIT_COMMITTER_NAME": "mawep-agent",
    "GIT_COMMITTER_EMAIL": "mawep-agent@example.invalid",
}
CONTEXT_SIZE = 200_000
OUTPUT_LIMIT = 4000
COMMIT = 'git add -A && { git diff --cached --quiet || git commit -q -m "$0"; }'
LEFT_BEHIND_SECONDS = 600


class Cancelled(Exception):  # noqa: N818 (a course of events, not an error)
    """The client ended the turn."""


class Player:
    """One turn of one session."""

    def __init__(
        self,
        client: acp.Client,
        session: Session,
        save: Callable[[], None],
        cancelled: asyncio.Event,
        attempt: int | None,
        *,
        tools: schema.McpServerStdio | None = None,
    ) -> None:
        self._client = client
        self._session = session
        self._save = save
        self._cancelled = cancelled
        self._attempt = attempt
        self._tools = tools
        self._plan: list[tuple[str, PlanStatus]] = []

    async def play(self, steps: Sequence[Step]) -> Ending:
        """Carry out the steps that are not done yet; returns why the turn ended."""
        ending: Ending | None = None
        try:
            for index in range(self._session.done, len(steps)):
                await self._show_plan(steps, index)
                ending = await self._carry_out(steps[index], index)
                if ending is not None:
                    break
        except Cancelled:
            return "cancelled"
        await self._show_plan(steps, self._session.done)
        self._session.open = False
        self._save()
        return ending or "end_turn"

    async def _carry_out(self, step: Step, index: int) -> Ending | None:
        if self._cancelled.is_set():
            raise Cancelled
        ending = None
        if step.only_attempt in (None, self._attempt):
            if step.action in ("crash", "limit"):  # once: a session that is loaded again is past it
                self._passed(index)
            action: Callable[[Step], Awaitable[Ending | None]] = getattr(self, f"_do_{step.action}")
            ending = await action(step)
        self._passed(index)
        return ending

    def _passed(self, index: int) -> None:
        self._session.done = index + 1
        self._save()

    async def _show_plan(self, steps: Sequence[Step], current: int) -> None:
        entries = plan_at(steps, current)
        if entries != self._plan:
            self._plan = entries
            await self._tell(acp.update_plan([acp.plan_entry(text, status=state) for text, state in entries]))

    async def _tell(self, update: Any) -> None:
        await self._client.session_update(session_id=self._session.id, update=update)

    async def _say(self, text: str) -> None:
        await self._tell(acp.update_agent_message(acp.text_block(text)))

    async def _unless_cancelled(self, work: Coroutine[Any, Any, T]) -> T:
        task, stop = asyncio.create_task(work), asyncio.create_task(self._cancelled.wait())
        try:
            await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise Cancelled
            return task.result()
        finally:
            task.cancel()
            stop.cancel()

    def _fill(self, text: str) -> str:
        return text.replace("${ANSWER}", self._session.answer)

    # -- what an agent says

    async def _do_plan(self, step: Step) -> None:
        """Shown before the next step, like every plan."""

    async def _do_say(self, step: Step) -> None:
        await self._say(self._fill(step.value))

    async def _do_think(self, step: Step) -> None:
        await self._tell(acp.update_agent_thought(acp.text_block(step.value)))

    async def _do_usage(self, step: Step) -> None:
        session, spent = self._session, step.value
        session.input_tokens += spent.get("input", 0)
        session.output_tokens += spent.get("output", 0)
        session.cost_usd += spent.get("cost_usd", 0.0)
        await self._tell(
            schema.UsageUpdate(
                session_update="usage_update",
                used=session.input_tokens + session.output_tokens,
                size=CONTEXT_SIZE,
                cost=schema.Cost(amount=session.cost_usd, currency="USD"),
            )
        )

    async def _do_ask(self, step: Step) -> None:
        question = {"text": step.value["text"], "options": step.value.get("options", [])}
        reply = await self._unless_cancelled(self._client.ext_method(QUESTION, question))
        if "text" not in reply:
            raise Cancelled
        self._session.answer = reply["text"]

    async def _do_tool(self, step: Step) -> None:
        """What the tool says is the answer from now on, and said, too."""
        if self._tools is None:
            await self._say("there are no tools in this session")
            return
        arguments = json.loads(self._fill(json.dumps(step.value.get("arguments", {}))))
        _, said = await self._unless_cancelled(call(self._tools, step.value["name"], arguments))
        self._session.answer = said
        await self._say(said)

    async def _do_review(self, step: Step) -> None:
        """Answer as a reviewer has to."""
        await self._say(f"```json\n{json.dumps(step.value, indent=2)}\n```")

    async def _do_announce(self, step: Step) -> None:
        await self._client.ext_notification(BREAKING_CHANGE, {"affects": [], "migration": "", **step.value})

    # -- what an agent does

    async def _do_write(self, step: Step) -> Ending | None:
        return await self._edit(step, self._fill(step.value["text"]))

    async def _do_append(self, step: Step) -> Ending | None:
        return await self._edit(step, (self._old(step) or "") + self._fill(step.value["text"]))

    async def _do_replace(self, step: Step) -> Ending | None:
        old = self._old(step) or ""
        if step.value["old"] not in old:
            await self._say(f"{step.value['path']} does not contain the text to replace")
            return None
        return await self._edit(step, old.replace(step.value["old"], self._fill(step.value["new"]), 1))

    async def _do_run(self, step: Step) -> None:
        await self._shell(step.value, self._fill(step.value))

    async def _do_commit(self, step: Step) -> None:
        await self._shell(f"git commit: {step.value}", COMMIT, self._fill(step.value))

    def _path(self, step: Step) -> Path:
        return Path(self._session.cwd, step.value["path"])

    def _old(self, step: Step) -> str | None:
        path = self._path(step)
        return path.read_text() if path.exists() else None

    async def _edit(self, step: Step, text: str) -> Ending | None:
        path, title = self._path(step), f"{step.action} {step.value['path']}"
        edit = schema.ToolCallUpdate(
            tool_call_id=self._call_id(),
            title=title,
            kind="edit",
            locations=[schema.ToolCallLocation(path=str(path))],
            content=[acp.tool_diff_content(str(path), text, self._old(step))],
        )
        call, places, diff = edit.tool_call_id, edit.locations, edit.content
        await self._tell(
            acp.start_tool_call(call, title, kind="edit", status="pending", locations=places, content=diff)
        )
        allowed = await self._permitted(edit)
        if allowed:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        await self._tell(acp.update_tool_call(call, status="completed" if allowed else "failed"))
        return "end_turn" if step.stop_on_reject and not allowed else None

    async def _permitted(self, edit: schema.ToolCallUpdate) -> bool:
        answer = await self._unless_cancelled(
            self._client.request_permission(
                session_id=self._session.id,
                tool_call=edit,
                options=[
                    schema.PermissionOption(option_id="yes", name="Allow", kind="allow_once"),
                    schema.PermissionOption(option_id="no", name="Reject", kind="reject_once"),
                ],
            )
        )
        if answer.outcome.outcome == "cancelled":
            raise Cancelled
        return answer.outcome.option_id == "yes"

    async def _shell(self, title: str, command: str, *arguments: str) -> None:
        call = self._call_id()
        await self._tell(
            acp.start_tool_call(
                call, title, kind="execute", status="in_progress", raw_input={"command": command}
            )
        )
        process = await asyncio.create_subprocess_exec(
            *("sh", "-c", command, *arguments),
            cwd=self._session.cwd,
            env={**os.environ, **IDENTITY},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            output, _ = await self._unless_cancelled(process.communicate())
        except Cancelled:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            raise
        text = acp.text_block(output[-OUTPUT_LIMIT:].decode(errors="replace"))
        await self._tell(
            acp.update_tool_call(
                call,
                status="failed" if process.returncode else "completed",
                content=[acp.tool_content(text)],
            )
        )

    def _call_id(self) -> str:
        return f"call-{self._session.turn}-{self._session.done}"

    # -- how an agent misbehaves

    async def _do_sleep(self, step: Step) -> None:
        await self._unless_cancelled(asyncio.sleep(step.value))

    async def _do_refuse(self, step: Step) -> Ending | None:
        return "refusal"

    async def _do_crash(self, step: Step) -> NoReturn:
        print(f"scripted crash: {step.value}", file=sys.stderr, flush=True)
        if step.value == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        os._exit(int(step.value))

    async def _do_limit(self, step: Step) -> NoReturn:
        why = step.value.get("why", "usage limit reached")
        when = f"; try again in {step.value['seconds']} seconds" if "seconds" in step.value else ""
        raise acp.RequestError(-32000, f"{why}{when}")

    async def _do_hang(self, step: Step) -> None:
        if step.stubborn:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            while True:
                time.sleep(LEFT_BEHIND_SECONDS)  # noqa: ASYNC251 (deaf to everything: that is its point)
        await self._unless_cancelled(asyncio.Event().wait())

    async def _do_leave(self, step: Step) -> None:
        await asyncio.create_subprocess_exec(
            *("sleep", str(LEFT_BEHIND_SECONDS)), cwd=self._session.cwd, start_new_session=True
        )

    async def _do_garbage(self, step: Step) -> None:
        os.write(sys.stdout.fileno(), b"this is not a frame\n")
