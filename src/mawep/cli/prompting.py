"""What an agent would be told about an issue, were a run to begin now."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from mawep.adapters.git import Repository
from mawep.agents.prompt import (
    PromptContext,
    Quote,
    ReviewContext,
    load_template,
    render_prompt,
    render_review,
)
from mawep.cli.branches import branch_of
from mawep.cli.landing import known_target
from mawep.cli.templates import PROMPT, REVIEW, read_templates, try_templates
from mawep.cli.tracking import name_of, tracker_of
from mawep.config import Config
from mawep.core.model import Issue, Number
from mawep.errors import UsageError
from mawep.stages.acceptance import protected_patterns
from mawep.stages.intake import Wanted
from mawep.trackers.issue_file import ALONE, Around

NEEDED = ("orchestrator", "issues", "workspace", "verify")
"""Sections of the configuration that a prompt is made of."""


@dataclass(frozen=True)
class Shown:
    """A prompt, the file its template is (None: the shipped one) and the template's sha256."""

    issue: Number
    prompt: str
    template: str | None
    digest: str


async def prompt_for(config: Config, repository: Repository, number: Number, around: Around = ALONE) -> Shown:
    """The first prompt of the first attempt on that issue, with the templates of the target branch.

    Which paths others will be changing by then nobody knows yet, so none are named.

    Raises:
        UsageError: there is no such issue, or the repository's template cannot be used.
        ProblemsError: issues cannot be read.
    """
    issue = await _issue(config, repository, number, around)
    target = config.orchestrator.target_branch
    base = await known_target(config, repository)
    templates = await read_templates(repository, base)
    try_templates(templates, [issue], base=base, target=target)
    context = PromptContext(
        token=secrets.token_hex(16),
        agent="agent-0",
        attempt=1,
        branch=branch_of(issue, config.workspace.branch_prefixes),
        base=base,
        target=target,
        gate=config.verify.told(),
        protected=protected_patterns(config.verify.protected_paths),
        own_claims=issue.files,
    )
    return Shown(
        issue=number,
        prompt=render_prompt(templates.prompt, issue, context),
        template=None if templates.prompt is None else PROMPT,
        digest=load_template("prompt", templates.prompt).digest,
    )


async def review_prompt_for(
    config: Config, repository: Repository, number: Number, around: Around = ALONE
) -> Shown:
    """What a reviewer of that issue would be told; there is no diff yet, and nothing that a gate printed.

    Raises what `prompt_for` raises.
    """
    issue = await _issue(config, repository, number, around)
    target = config.orchestrator.target_branch
    base = await known_target(config, repository)
    templates = await read_templates(repository, base)
    try_templates(templates, [issue], base=base, target=target)
    context = ReviewContext(
        token=secrets.token_hex(16),
        commit=base,
        base=base,
        target=target,
        round=1,
        rounds=config.review.max_rounds,
        diff="(what the issue's agent has made)",
        gate=tuple(
            Quote(f"the gate, exit code 0: {command}", "(what it printed)")
            for command in config.verify.told()
        ),
    )
    return Shown(
        issue=number,
        prompt=render_review(templates.review, issue, context),
        template=None if templates.review is None else REVIEW,
        digest=load_template("review", templates.review).digest,
    )


async def _issue(config: Config, repository: Repository, number: Number, around: Around) -> Issue:
    """The issue as agents would get it, whatever it waits for."""
    async with tracker_of(config, repository, around) as tracker:
        found = await tracker.find(Wanted((number,)))
        chosen = [issue for issue in found.issues if issue.number == number]
        if number in found.refused:
            raise UsageError(f"Issue {number} {found.refused[number]}")
        if chosen:
            return (await tracker.with_remarks(chosen))[0]
    why = found.absent.get(number)
    raise UsageError(
        f"Issue {number} {why}" if why else f"There is no issue {number} in {name_of(config)}",
        next_step="`mawep plan` lists those there are",
    )
