"""How a person resolves a parked issue: the worktree that is made for it, what is told, and what is handed in."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mawep.adapters.git import Repository, Sha
from mawep.adapters.git_refs import read_ref
from mawep.cli.config_file import about_several
from mawep.cli.context import Context, choose_run, open_context
from mawep.cli.members import the_member
from mawep.cli.reading import read_run
from mawep.cli.reopen import reopen
from mawep.cli.running import resume_run
from mawep.cli.visit import ask
from mawep.coordination.payloads import Offer
from mawep.core.model import Far, Issue, IssueState, Number
from mawep.core.state import Attempt, State
from mawep.errors import UsageError
from mawep.observe.text import called
from mawep.stages.workspace.handover import (
    Handover,
    changed,
    committed,
    hand_over,
    let_go,
    merge_there,
    take_out_there,
)
from mawep.state.runs import RunSummary, list_runs, summarize


class _Record(msgspec.Struct, frozen=True):
    """What is kept of a resolution; `ready` when its worktree has been made whole and told."""

    name: str
    path: str
    branch: str
    start: Sha
    files: tuple[str, ...] = ()
    ready: bool = False

    @property
    def handover(self) -> Handover:
        return Handover(self.name, Path(self.path), self.branch, self.start)


_THERE = frozenset({IssueState.LANDED, IssueState.REVERTED})


async def find(issue: Far, path: Path | None, overrides: list[str] | None, run: str | None) -> Resolving:
    """The resolution of an issue, in the newest run that has the issue unless another is named.

    Raises:
        UsageError: no run has it.
    """
    uses, name = ("orchestrator",), ""
    if issue.repository or about_several(path):
        member = await the_member(path, issue.repository, overrides or (), uses)
        context, name = Context(member.config, member.repository), member.name
    else:
        context = await open_context(path, overrides, uses)
    common_dir = context.repository.common_dir
    for summary in [choose_run(common_dir, run)] if run else list_runs(common_dir):
        state, _ = read_run(summary)
        if issue.number in state.issues:
            return Resolving(context, summary, state, issue.number, path, overrides, name)
    raise UsageError(
        f"{name}#{issue.number} is in no run here", next_step="`mawep status --all` lists the runs"
    )


@dataclass(frozen=True)
class Resolving:
    """The resolution of one issue of a run; `name` is that of its repository, where there are several."""

    context: Context
    run: RunSummary
    state: State
    number: Number
    config: Path | None
    overrides: list[str] | None
    name: str = ""

    @property
    def _called(self) -> str:
        """The issue in a command."""
        return called(self.number, self.name)

    @property
    def _repository(self) -> Repository:
        return self.context.repository

    @property
    def _directory(self) -> Path:
        return self.run.directory.path / "resolve"

    @property
    def _notes(self) -> Path:
        return self._directory / f"{self.number}.md"

    async def open(self) -> list[str]:
        """Have the worktree, made now or before; what a person is told of it.

        Raises:
            UsageError: the issue is not parked, or cannot be resolved this way.
        """
        with self._alone():
            attempt = self._parked()
            record = self._record()
            if record is None or not record.ready or not Path(record.path).is_dir():
                record = await self._made(attempt)
        where = f"{self.name}#{self.number} is in {record.path}, on branch {record.branch}"
        what = (
            f"  in conflict: {', '.join(record.files)}"
            if record.files
            else "  it merges; see what the gate said"
        )
        return [
            where,
            what,
            f"  both sides, and the hunks: {self._notes}",
            f"  when it is committed there: `mawep resolve {self._called} --continue`; `--abort` lets go of it",
        ]

    async def go_on(self, *, no_run: bool, json: bool) -> int:
        """Hand in what is committed there, to the live run or, without one, to the run that goes on here.

        Raises:
            UsageError: nothing is being resolved, it is not finished, or the run cannot go on.
        """
        with self._alone():
            self._parked()
            record = self._being_resolved()
            head = await committed(self._repository, record.handover, record.files)
            offer, common_dir = Offer(issue=self.number, head=head), self._repository.common_dir
            run = summarize(self.run.directory) or self.run
            if run.alive:
                print(await ask(common_dir, run, offer))
                return 0
            said = await reopen(common_dir, run, offer, alone=not about_several(self.config))
        if no_run:
            print(f"{said}; `mawep resume` goes on with the run")
            return 0
        code = await self._conducted(json=json)
        state, _ = read_run(run)
        if state.issues[self.number].state in _THERE and not await changed(self._repository, record.handover):
            await self._given_back(record)
        return code

    async def _conducted(self, *, json: bool) -> int:
        run = self.run.directory.run
        if about_several(self.config):
            from mawep.cli.group_running import resume_group

            return await resume_group(self.config, self.overrides, run=run, rerun=True, json=json)
        return await resume_run(self.config, self.overrides, run=run, rerun=True, json=json)

    async def abort(self) -> list[str]:
        """Let go of the worktree; what a person is told.

        Raises:
            UsageError: there is none, or it holds what is not committed.
        """
        with self._alone():
            record = self._being_resolved()
            under_way = self.state.issues[self.number].state is IssueState.PARKED
            if not under_way and await changed(self._repository, record.handover):
                raise UsageError(
                    f"{record.path} holds what is not committed", next_step="commit it, or take it elsewhere"
                )
            stays = await self._given_back(record)
        told = f"; what was committed there stays on branch {record.branch}" if stays else ""
        return [f"the worktree {record.path} is given back{told}"]

    async def _given_back(self, record: _Record) -> bool:
        """Let go of the worktree; True when its branch stays."""
        target = f"refs/heads/{self.state.target_branch}"
        stays = await let_go(self._repository, record.handover, landed_on=target)
        self._kept.unlink()
        return stays

    # --- the worktree

    @property
    def _kept(self) -> Path:
        return self._directory / f"{self.number}.json"

    def _record(self) -> _Record | None:
        return msgspec.json.decode(self._kept.read_bytes(), type=_Record) if self._kept.exists() else None

    def _being_resolved(self) -> _Record:
        record = self._record()
        if record is None or not record.ready:
            raise UsageError(
                f"{self.name}#{self.number} is not being resolved",
                next_step=f"`mawep resolve {self._called}` begins it",
            )
        return record

    def _write(self, record: _Record) -> None:
        draft = self._kept.with_suffix(".new")
        draft.write_bytes(msgspec.json.encode(record))
        draft.replace(self._kept)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else resolves an issue of this run meanwhile."""
        self._directory.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise UsageError(
                "another `mawep resolve` is at it", next_step="try again when it has ended"
            ) from None
        finally:
            os.close(descriptor)

    def _parked(self) -> Attempt:
        record = self.state.issues[self.number]
        if record.state is not IssueState.PARKED or record.attempt is None:
            raise UsageError(
                f"{self.name}#{self.number} is {record.state}; only what is parked can be resolved",
                next_step=f"see `mawep explain {self._called}`",
            )
        if self.state.rules.mode == "pull_request":
            raise UsageError(
                f"{self.name}#{self.number} lands by a pull request",
                next_step=f"merge {self.state.target_branch} into {record.attempt.branch} and push it, "
                f"then `mawep retry {self._called}`",
            )
        return record.attempt

    async def _free_name(self) -> str:
        """A name of which no branch is left that holds what was committed in an earlier try."""
        name = wanted = f"resolve-{self.number}-{self.run.directory.run[-8:]}"
        tries = 1
        while await read_ref(self._repository, f"refs/heads/mawep/{name}") is not None:
            tries += 1
            name = f"{wanted}-{tries}"
        return name

    async def _made(self, attempt: Attempt) -> _Record:
        target = await read_ref(self._repository, f"refs/heads/{self.state.target_branch}")
        if target is None:
            raise UsageError(f"the target branch {self.state.target_branch} does not exist")
        base = self.context.config.worktree_base(self._repository.common_dir, os.environ).resolve()
        if before := self._record():
            await let_go(self._repository, before.handover)
        name = await self._free_name()
        record = _Record(name, str(base / name), f"mawep/{name}", attempt.commit or target)
        self._write(record)
        tree = await hand_over(self._repository, record.handover)
        files: tuple[str, ...] = ()
        left: list[Sha] = []
        if attempt.commit is not None:
            files = await merge_there(tree, target)
        for landed in attempt.reverts if attempt.commit is None else ():
            if files:
                left.append(landed.commit)
            else:
                files = await take_out_there(tree, landed.commit)
        self._notes.write_text(
            notes(self.state, self.number, files, left), encoding="utf-8", errors="replace"
        )
        record = msgspec.structs.replace(record, files=files, ready=True)
        self._write(record)
        return record


def notes(state: State, number: Number, files: Sequence[str], left: Sequence[Sha]) -> str:
    """What a person needs to resolve it: why it is parked, the hunks, and what both sides are about."""
    record = state.issues[number]
    parts = [f"# #{number} {state.graph.issues[number].title}", record.detail]
    if left:
        commands = "\n".join(f"    git revert --no-edit --mainline 1 {commit}" for commit in left)
        parts.append(f"When this is committed, the rest of it is still to be taken back there:\n\n{commands}")
    if record.hunks:
        parts.append(f"## In conflict, or what the gate said\n\n{_quoted(record.hunks)}")
    parts += [_about(state.graph.issues[one]) for one in (number, *_others(state, number, files))]
    return "\n\n".join(part for part in parts if part) + "\n"


def _others(state: State, number: Number, files: Sequence[str]) -> list[Number]:
    """Issues of the run that have landed with a change to one of the files."""
    wanted = frozenset(files)
    return [
        other
        for other, record in sorted(state.issues.items())
        if other != number
        and record.state is IssueState.LANDED
        and record.attempt is not None
        and (not wanted or wanted & frozenset(record.attempt.files))
    ]


def _about(issue: Issue) -> str:
    return f"## #{issue.number} {issue.title}\n\n{_quoted(issue.body)}"


def _quoted(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.strip().splitlines())
