"""Whole texts, ready to be posted: sentences put together, bounded, with the mark by which they are known again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib import resources
from typing import Any

from jinja2 import StrictUndefined, TemplateError
from jinja2 import Template as CompiledTemplate
from jinja2.sandbox import ImmutableSandboxedEnvironment

from mawep.core.model import IssueState
from mawep.errors import UsageError
from mawep.reports import sentences
from mawep.reports.markdown import MOST, bounded, code, inline
from mawep.reports.markers import MARK
from mawep.reports.views import Neighbour, Outcome, Proposal, Standing


class ReportTemplateError(UsageError):
    """The template of reports cannot be rendered."""


def shipped() -> str:
    """The template that is used where the repository has none of its own."""
    return (resources.files("mawep.reports") / "templates" / "update.md.j2").read_text(encoding="utf-8")


def digest(template: str | None) -> str:
    """The sha256 of the template that is used."""
    return hashlib.sha256((shipped() if template is None else template).encode()).hexdigest()


def update(template: str | None, of: Standing, mark: str) -> str:
    """The comment that is kept up to date. `template` None: the shipped one.

    Raises:
        ReportTemplateError: the template fails.
    """
    return marked(
        mark, [_rendered(shipped() if template is None else template, fields(of)), sentences.foot(of.run)]
    )


def fields(of: Standing) -> Mapping[str, Any]:
    """What a template may use. Every text of others in it is fit to be posted, as it stands."""
    return {
        "number": of.number,
        "title": inline(of.title),
        "state": of.state.value,
        "stage": inline(of.stage),
        "landed": of.state is IssueState.LANDED,
        "ended": of.state.terminal,
        "headline": sentences.headline(of),
        "progress": sentences.progress(of),
        "percent": None if of.percent is None else round(of.percent),
        "eta": None if of.eta is None else sentences.span(of.eta),
        "activity": inline(of.activity),
        "plan": [
            {
                "text": inline(entry.content),
                "done": entry.status == "completed",
                "now": entry.status == "in_progress",
            }
            for entry in of.plan[: sentences.NAMED_ENTRIES]
        ],
        "blockers": list(sentences.blockers(of)),
        "next_steps": list(sentences.next_steps(of)),
        "depends_on": [sentences.dependency(one) for one in of.depends_on[: sentences.NAMED_ENTRIES]],
        "facts": list(sentences.facts(of)),
        "agent": inline(of.agent or ""),
        "runtime": inline(of.runtime or ""),
        "attempts": of.attempts,
        "repairs": of.repairs,
        "tokens": of.tokens,
        "cost_usd": of.cost_usd,
        "branch": code(of.branch or ""),
        "pull": of.pull.number if of.pull else None,
        "commit": code(of.landed_as or of.commit or ""),
        "target": inline(of.target),
        "reason": inline(of.reason or ""),
        "transcript": code(of.transcript or ""),
        "run": inline(of.run),
    }


def try_template(template: str) -> None:
    """Render a template with everything there and with nothing there. Raises ReportTemplateError."""
    bare = Standing(1, "A title", IssueState.WAITING, "waiting", "main", "run")
    full = Standing(
        *(1, "A title", IssueState.FAILED, "failed", "main", "run", "timeout", "detail", 50.0, True, 60.0),
        blockers=("one",),
        depends_on=(Neighbour(2, "Another", IssueState.LANDED),),
    )
    for standing in (bare, full):
        update(template, standing, "")


def pull_body(of: Proposal, mark: str) -> str:
    """The text of a pull request."""
    return marked(mark, sentences.pull_text(of))


def summary(of: Outcome, mark: str) -> str:
    """What became of a run."""
    return marked(mark, sentences.summary(of))


def marked(mark: str, parts: Iterable[str]) -> str:
    """A text of parts that empty lines set off, behind its mark, no longer than a forge takes."""
    text = "\n\n".join(parts)
    return f"{mark}\n\n{bounded(text, MOST - len(mark) - 2)}".lstrip("\n")


def _rendered(template: str, values: Mapping[str, Any]) -> str:
    try:
        text = _compiled(template).render(**values)
    except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        line = getattr(error, "lineno", None)
        where = f" at line {line}" if line else ""
        raise ReportTemplateError(f"The template of reports fails{where}", cause=str(error)) from error
    return MARK.sub("", text).strip()


@lru_cache(maxsize=2)
def _compiled(template: str) -> CompiledTemplate:
    # What is rendered is Markdown, in which every text of others is escaped already.
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )
    return environment.from_string(template)
