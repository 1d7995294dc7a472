"""The configuration as values: every key with its type, default and meaning, in one place.

`docs/configuration.md` is checked against this file, key by key.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, PrivateAttr, field_validator

from mawep.config.agents import Agents
from mawep.config.environment import always_given, names_in
from mawep.config.fields import (
    Association,
    BranchName,
    Choice,
    Command,
    Days,
    Minutes,
    NotYet,
    RemoteName,
    RepositoryPath,
    Seconds,
    Section,
    SomePath,
    Surroundings,
    Text,
)
from mawep.config.github import GitHub
from mawep.config.plain_forge import PLAIN_FORGES, Forgejo, GitLab
from mawep.config.review import Review
from mawep.config.verify import Verify
from mawep.core.model import Rules
from mawep.gateway.upstreams import KEYS

SHORTEST_SECRET = 6
"""A shorter value (`true`, `1`) hides nothing, and would be found all over a log."""


class Orchestrator(Section):
    """Who decides, and where."""

    max_agents: int = Field(5, ge=1, le=1000, description="Agents at work at once.", examples=["12"])
    repo_path: SomePath = Field(
        Path(), validate_default=True, description="The repository, or a path in it.", examples=["../shop"]
    )
    worktree_base: SomePath | None = Field(
        None,
        description="Where worktrees are made; null: in the user's state directory, outside any checkout.",
        examples=["../worktrees"],
    )
    target_branch: BranchName = Field(
        "main", description="The branch that work lands on.", examples=["develop"]
    )
    on_failure: Annotated[str, Choice(("isolate", "halt"))] = Field(
        "isolate",
        description="After a failure: `isolate` lets independent issues go on, `halt` starts nothing more.",
        examples=["halt"],
    )


class MessageBus(Section):
    """How the parts of a run talk to each other."""

    type: Annotated[str, Choice(("redis",))] = Field("redis", description="The kind of server.")
    url: Annotated[str, NotYet("servers other than the embedded one are")] = Field(
        "embedded", description="The server; `embedded` starts one for this repository."
    )
    grace_seconds: Seconds = Field(
        20, description="How long the server may be gone before the run stops, resumable.", examples=["60"]
    )
    lease_seconds: Seconds = Field(
        30,
        description="How long a worker's right to an attempt lasts without being renewed.",
        examples=["10"],
    )


class Issues(Section):
    """Where issues come from."""

    tracker: Annotated[str, Choice(("folder", "github", "gitlab", "forgejo"))] = Field(
        "folder",
        description="The tracker; `folder` is a folder of Markdown files, the others are forges, "
        "GitLab and Forgejo experimental.",
        examples=["github"],
    )
    path: SomePath = Field(
        Path("issues"),
        validate_default=True,
        description="The folder of the issues.",
        examples=["docs/issues"],
    )
    with_dependencies: bool = Field(
        False, description="Take in the dependencies of the chosen issues too.", examples=["true"]
    )
    trust: tuple[Association, ...] = Field(
        ("OWNER", "MEMBER", "COLLABORATOR"),
        description="Whose issues and comments are taken from a forge without an approval, by what they are to the "
        "repository.",
        examples=["[OWNER, MEMBER]"],
    )


class Workspace(Section):
    """What every attempt finds in its worktree."""

    setup: tuple[Command, ...] = Field(
        (), description="Commands that make a fresh worktree usable.", examples=['["npm ci"]']
    )
    setup_inputs: tuple[RepositoryPath, ...] = Field(
        (), description="Files whose change makes `setup` run again.", examples=["[package-lock.json]"]
    )
    setup_timeout_minutes: Minutes = Field(
        15, description="How long each of these commands may take.", examples=["0.5"]
    )
    setup_network: Annotated[str, Choice(("none", "full"))] = Field(
        "none",
        description="What these commands may reach from behind walls; `npm ci` and its like take `full`.",
        examples=["full"],
    )
    visible: tuple[SomePath, ...] = Field(
        (),
        description="Paths outside the worktree that agents, set-up and gate may read from behind walls, besides the "
        "system's programs and those on PATH.",
        examples=["[../toolchain]"],
    )
    link: tuple[RepositoryPath, ...] = Field(
        (),
        description="Ignored paths of your checkout that every worktree gets a link to.",
        examples=["[node_modules]"],
    )
    copy_: tuple[RepositoryPath, ...] = Field(
        (),
        alias="copy",
        description="Ignored paths of your checkout that every worktree gets a copy of.",
        examples=["[.env.test]"],
    )
    spares: int = Field(
        2,
        ge=0,
        le=1000,
        description="Clean worktrees kept ready, so that an agent need not wait for one.",
        examples=["4"],
    )
    ports_from: int = Field(
        20000,
        ge=1024,
        le=65526,
        description="First port; every agent slot has ten of its own.",
        examples=["30000"],
    )
    disk_floor_gb: float = Field(
        5,
        ge=0,
        allow_inf_nan=False,
        description="Free disk space, in 10⁹ bytes, below which nothing is started.",
        examples=["0.5"],
    )
    branch_prefixes: dict[Text, BranchName] = Field(
        {"default": "feature", "bug": "defect", "hotfix": "hotfix"},
        description="First part of a branch name by label; what you write is added to the default.",
        examples=["{docs: docs}"],
    )

    @field_validator("branch_prefixes", mode="after")
    @classmethod
    def _added(cls, prefixes: dict[str, str]) -> dict[str, str]:
        return {**cls.model_fields["branch_prefixes"].default, **prefixes}


class Landing(Section):
    """How work reaches the target branch."""

    mode: Annotated[str, Choice(("local", "pull_request", "branch_only"))] = Field(
        "local",
        description="`local`: on the branch in this repository; `pull_request`: by pull requests on GitHub, whose "
        "branch the run then follows; `branch_only`: on a branch of the run's own, while the target is left alone.",
        examples=["pull_request"],
    )
    push: bool = Field(
        False,
        description="Move the target branch on the remote first, without force, and then the one here.",
        examples=["true"],
    )
    remote: RemoteName = Field(
        "origin", description="The remote whose branch that is, by its name in git.", examples=["upstream"]
    )
    batch: int = Field(
        8, ge=1, le=1000, description="Candidates composed and gated together.", examples=["1"]
    )
    lanes: bool = Field(
        False,
        description="Candidates that cannot affect one another, as [scopes](mono-repos.md) say, do not wait for one "
        "another's gate: see [Landing](landing.md#lanes).",
        examples=["true"],
    )
    merge_method: Annotated[str, Choice(("merge", "squash", "rebase"))] = Field(
        "merge", description="How pull requests are merged.", examples=["squash"]
    )
    max_review_rounds: int = Field(
        3,
        ge=0,
        le=100,
        description="How often red checks and reviews of a pull request go back to its agent.",
        examples=["1"],
    )

    def at_odds(self, tracker: str, verify: Verify | None) -> Iterator[tuple[str, str]]:
        """What does not go together, as a key of this section and a sentence; `verify` None: it is not known."""
        if self.mode == "pull_request" and tracker in PLAIN_FORGES:
            yield (
                "mode",
                f"pull requests are for GitHub only, and issues come from {tracker}; land with `push: true`",
            )
        if self.mode != "local" and self.push:
            yield "push", f"goes with `landing.mode: local` only, not with `{self.mode}`"
        if self.lanes and self.mode == "pull_request":
            yield "lanes", "goes with landing here only: by pull requests one lands after the other"
        elif self.lanes and verify is not None and not verify.scopes:
            yield "lanes", "needs `verify.scopes`, which say what can affect what"
        elif self.lanes and verify is not None and verify.commands:
            yield (
                "lanes",
                "goes without `verify.commands`, which read the whole tree; name them in the scopes that they read",
            )


class Generated(Section):
    """Files that a command makes of others."""

    files: tuple[RepositoryPath, ...] = Field(min_length=1, description="Paths and patterns of the files.")
    command: Command = Field(description="The shell command that makes them.")


class ConflictResolution(Section):
    """What is tried when work does not merge cleanly. What cannot be resolved is parked, nothing lost."""

    auto_merge: bool = Field(
        True,
        description="Let MAWEP resolve what rules can; false parks all but clean merges.",
        examples=["false"],
    )
    on_breaking_change: Annotated[str, Choice(("tell", "off"))] = Field(
        "tell",
        description="When a landing changes what an agent at work uses: `tell` it, with the difference, or `off`.",
        examples=["off"],
    )
    follow_target: bool = Field(
        False,
        description="Before an agent repairs something, merge the target as it is now into its branch, if that goes "
        "without a conflict.",
        examples=["true"],
    )
    semantic_merge: bool = Field(
        True,
        description="Send work that does not land back to its agent, which merges the target; false parks it.",
        examples=["false"],
    )
    max_merge_rounds: int = Field(
        2,
        ge=1,
        le=100,
        description="How often the agent of one attempt is asked to merge, with `semantic_merge`.",
        examples=["1"],
    )
    on_claim_conflict: Annotated[str, Choice(("refuse", "warn", "off"))] = Field(
        "refuse",
        description="What follows when an agent writes a path that another issue has claimed: it is refused, or both "
        "agents are told; with `off` nothing is claimed.",
        examples=["warn"],
    )
    max_candidates: int = Field(
        6,
        ge=1,
        le=100,
        description="How many ways to merge a candidate by rule are gated, the best first, before it is given up.",
        examples=["1"],
    )
    regenerate: tuple[Generated, ...] = Field(
        (),
        description="Files that are not merged when they conflict, but made anew by a shell command.",
        examples=["[{files: [uv.lock], command: uv lock --offline}]"],
    )

    @property
    def merge_rounds(self) -> int:
        """How often an agent is asked to merge; 0: never."""
        return self.max_merge_rounds if self.semantic_merge else 0


class Monitoring(Section):
    """What can be seen from outside."""

    prometheus_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="Port of `/metrics` on this machine; null is off.",
        examples=["9464"],
    )
    log_level: Annotated[str, Choice(("DEBUG", "INFO", "WARNING", "ERROR"))] = Field(
        "INFO", description="The least important line that is logged.", examples=["DEBUG"]
    )
    log_format: Annotated[str, Choice(("auto", "console", "json"))] = Field(
        "auto", description="`auto`: for people on a terminal, JSON elsewhere.", examples=["json"]
    )
    otlp_endpoint: Annotated[str | None, NotYet("sending traces is")] = Field(
        None, description="Where traces are sent."
    )


class Cleanup(Section):
    """How long things are kept."""

    worktree_retention_days: Days = Field(
        7, description="What a failed attempt left is kept that long.", examples=["1"]
    )
    log_retention_days: Days = Field(30, description="Logs are kept that long.", examples=["90"])


class Config(Section):
    """A whole configuration. Made by `mawep.config.load_config` only."""

    orchestrator: Orchestrator
    message_bus: MessageBus
    issues: Issues
    workspace: Workspace
    agents: Agents
    verify: Verify
    landing: Landing
    github: GitHub
    gitlab: GitLab
    forgejo: Forgejo
    review: Review
    conflict_resolution: ConflictResolution
    monitoring: Monitoring
    cleanup: Cleanup

    _written: dict[tuple[str | int, ...], str] = PrivateAttr(default_factory=dict)
    _forges: tuple[str, ...] = PrivateAttr(default=())

    def model_post_init(self, context: Any) -> None:
        """Remember which values came from the environment."""
        if isinstance(context, Surroundings):
            self._written.update(context.written)
            self._forges = tuple(name for name in (*PLAIN_FORGES, "github") if name in context.uses)

    @property
    def uses_forge(self) -> bool:
        """True when issues or landing need the section of a forge."""
        return bool(self._forges)

    def __repr__(self) -> str:
        return f"Config({self.public()})"

    __str__ = __repr__

    def public(self) -> dict[str, Any]:
        """Every value in use, fit for JSON and the journal; `${VAR}` stays as it was written."""
        values = self.model_dump(mode="json", by_alias=True, exclude={"github", *PLAIN_FORGES})
        values |= {name: getattr(self, name).public() for name in self._forges}
        for path, text in self._written.items():
            if path[0] in values:
                _put(values, path, text)
        return values

    def secrets(self, environ: Mapping[str, str]) -> tuple[str, ...]:
        """The values of every variable that is put in, passed on or used for models, to be kept out of logs."""
        routes = (route.env or () for route in self.agents.routes)
        keys = KEYS if self.agents.gateway == "on" else ()
        named = set(self.agents.env).union(
            self.verify.env, self.review.env or (), keys, *routes, *map(names_in, self._written.values())
        )
        values = {environ[name] for name in named if name in environ and not always_given(name)}
        for name in self._forges:
            values.update(getattr(self, name).secrets())
        return tuple(sorted(value for value in values if len(value) >= SHORTEST_SECRET))

    def worktree_base(self, common_dir: Path, environ: Mapping[str, str]) -> Path:
        """Where worktrees are made: as configured, else in the state directory, by repository.

        `common_dir` is the repository's git directory, the one that all its worktrees share.
        """
        if self.orchestrator.worktree_base is not None:
            return self.orchestrator.worktree_base
        state = environ.get("XDG_STATE_HOME") or str(
            Path(environ.get("HOME") or Path.home()) / ".local/state"
        )
        name = common_dir.parent.name if common_dir.name == ".git" else common_dir.stem
        digest = hashlib.sha256(os.fsencode(common_dir)).hexdigest()[:12]
        return Path(state, "mawep", f"{name}-{digest}", "worktrees")

    def rules(self) -> Rules:
        """The part that decisions depend on."""
        return Rules(
            max_agents=self.orchestrator.max_agents,
            halt_on_failure=self.orchestrator.on_failure == "halt",
            max_retries=self.agents.max_retries,
            repair_rounds=self.agents.repair_rounds,
            gate_slots=self.verify.slots,
            batch=self.landing.batch,
            lanes=self.landing.lanes,
            mode=self.landing.mode,
            max_review_rounds=self.landing.max_review_rounds,
            merge_rounds=self.conflict_resolution.merge_rounds,
            input_timeout=self.agents.input_timeout_minutes * 60,
            lease_seconds=self.message_bus.lease_seconds * 3,
            reassign_lost=self.agents.on_lost == "reassign",
            budget=self.agents.budget.limits(),
            review_rounds=self.review.max_rounds,
            review_slots=self.review.slots,
            scopes=tuple(scope.rule() for scope in self.verify.scopes),
            on_claim_conflict=self.conflict_resolution.on_claim_conflict,
            tell_breaks=self.conflict_resolution.on_breaking_change != "off",
        )


def _put(values: Any, path: tuple[str | int, ...], text: str) -> None:
    *front, last = path
    for step in front:
        values = values[step]
    values[last] = text
