"""The gate, and the parts of a mono-repo that have one of their own."""

from __future__ import annotations

from pydantic import Field, ValidationInfo, field_validator

from mawep.config.fields import (
    Command,
    Minutes,
    ProtectedPath,
    RepositoryPath,
    Section,
    Text,
    VariableName,
    alternatives,
    refused,
    suggestion,
    surroundings,
)
from mawep.core.model import Scope as Rule


class Scope(Section):
    """A part of the tree, and what has to succeed where a change can affect it."""

    name: Text = Field(description="What it is called, once.")
    paths: tuple[RepositoryPath, ...] = Field(description="Paths and patterns of what belongs to it.")
    commands: tuple[Command, ...] = Field(
        (), description="Shell commands that must all succeed where a change can affect it."
    )
    setup: tuple[Command, ...] = Field((), description="Shell commands that run before those.")
    needs: tuple[Text, ...] = Field(
        (), description="Scopes whose change can affect this one, which is gated with them then."
    )
    labels: tuple[Text, ...] = Field(
        (), description="Labels, in any case, of issues that are about it: it is gated for them anyway."
    )
    confine: bool = Field(
        False, description="Refuse what an issue with one of these labels changes outside of its scopes."
    )

    def rule(self) -> Rule:
        """The part that decisions depend on."""
        return Rule(self.name, self.paths, self.labels, self.needs, self.confine)


class Verify(Section):
    """What has to be true of a tree before it lands."""

    scopes: tuple[Scope, ...] = Field(
        (),
        description="Parts of the tree whose gate runs only where a change can affect them: "
        "see [Mono-repos](mono-repos.md).",
        examples=["[{name: web, paths: [web], commands: [npm test]}]"],
    )
    commands: tuple[Command, ...] = Field(
        (),
        validate_default=True,
        description="The gate: shell commands that must all succeed on the exact tree. With scopes: what runs for "
        "every tree.",
        examples=['["python -m pytest -q"]', '["true"]'],
    )
    env: tuple[VariableName, ...] = Field(
        (), description="Environment variables passed on to the gate and to `setup`.", examples=["[CI]"]
    )
    timeout_minutes: Minutes = Field(15, description="How long each command may take.", examples=["0.5"])
    slots: int = Field(1, ge=1, le=1000, description="Gates at work at once.", examples=["2"])
    protected_paths: tuple[ProtectedPath, ...] = Field(
        (".github/**", "mawep.yaml"),
        description="Paths that no agent may change, besides the built-in ones; `!path` allows a built-in one.",
        examples=['["migrations/**"]'],
    )
    flaky_reruns: int = Field(
        0,
        ge=0,
        le=10,
        description="How often a red gate is run again on the same tree; green once counts as green, and is told as "
        "flaky.",
        examples=["1"],
    )

    @field_validator("scopes", mode="after")
    @classmethod
    def _scopes_hold(cls, scopes: tuple[Scope, ...]) -> tuple[Scope, ...]:
        return checked(scopes)

    @field_validator("commands", mode="before")
    @classmethod
    def _gate_is_said(cls, value: object, info: ValidationInfo) -> object:
        said = value or info.data.get("scopes", True)
        if said or "verify" not in surroundings(info).uses:
            return value or ()
        raise refused('is missing: there is no gate command; write `["true"]` to say that you want no check')

    @property
    def scope_commands(self) -> tuple[str, ...]:
        """All that a gate may run besides `commands`."""
        return tuple(command for scope in self.scopes for command in (*scope.setup, *scope.commands))

    def told(self) -> tuple[str, ...]:
        """The gate as agents are told of it: each command, and where it runs."""
        lines = list(self.commands)
        for scope in self.scopes:
            where = ", ".join([*scope.paths, *(f"scope {needed}" for needed in scope.needs)])
            lines += [f"{command}    # where {where} changes" for command in (*scope.setup, *scope.commands)]
        return tuple(lines)


def checked(scopes: tuple[Scope, ...]) -> tuple[Scope, ...]:
    """The scopes, if they can be told apart and need nothing that there is not."""
    names = [scope.name for scope in scopes]
    for place, scope in enumerate(scopes):
        if not scope.name.strip() or scope.name in names[:place]:
            raise refused(f"the name `{scope.name}` is taken or empty; every scope has one of its own")
        if not set(",:").isdisjoint(scope.name):
            raise refused(f"the name `{scope.name}` holds a `,` or a `:`; write another")
        if not scope.paths:
            raise refused(f"scope `{scope.name}` has no `paths`; name what belongs to it")
        for needed in scope.needs:
            if needed not in names:
                known = alternatives(names)
                raise refused(
                    f"scope `{scope.name}` needs `{needed}`, which there is not; known are {known}"
                    f"{suggestion(needed, names)}"
                )
        if scope.confine and not scope.labels:
            raise refused(f"scope `{scope.name}` confines nobody: it has no `labels`")
    return scopes
