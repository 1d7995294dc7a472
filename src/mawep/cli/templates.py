"""The repository's own templates: read from a commit, and tried before a run begins with them."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from mawep.adapters.git import Repository, Sha
from mawep.adapters.git_objects import list_tree, read_blob
from mawep.agents.prompt import (
    Feedback,
    PromptContext,
    Quote,
    ReviewContext,
    load_template,
    render_feedback,
    render_prompt,
    render_review,
)
from mawep.core.model import Issue, Remark
from mawep.errors import UsageError
from mawep.reports import texts

PROMPT = ".mawep/prompt.md.j2"
FEEDBACK = ".mawep/feedback.md.j2"
REVIEW = ".mawep/review.md.j2"

_PLAIN_FILES = ("100644", "100755")


@dataclass(frozen=True)
class Templates:
    """Texts of the repository's own templates; None where the shipped one is used."""

    prompt: str | None
    feedback: str | None
    review: str | None = None
    update: str | None = None

    def digests(self) -> dict[str, str]:
        """The sha256 of each template that agents and readers of a forge are told by."""
        return {
            "prompt": load_template("prompt", self.prompt).digest,
            "feedback": load_template("feedback", self.feedback).digest,
            "review": load_template("review", self.review).digest,
            "update": texts.digest(self.update),
        }


async def read_templates(repository: Repository, commit: Sha, update: str | None = None) -> Templates:
    """The templates as they are in `commit`; never what lies in a work tree. `update` is the path of that for reports.

    Raises:
        UsageError: one is no plain file of UTF-8, or that for reports is not there or fails; names file and line.
    """
    prompt, feedback, review = [await _read(repository, commit, path) for path in (PROMPT, FEEDBACK, REVIEW)]
    return Templates(
        prompt, feedback, review, await _of_reports(repository, commit, update) if update else None
    )


async def _of_reports(repository: Repository, commit: Sha, path: str) -> str:
    text = await _read(repository, commit, path)
    if text is None:
        raise _unusable(path, None, f"there is no such file in {commit[:12]}")
    try:
        texts.try_template(text)
    except Exception as error:  # a template is a program: it may fail in any way
        found = error.__cause__ or error
        raise _unusable(path, _line_of(found), str(found) or repr(found)) from error
    return text


async def _read(repository: Repository, commit: Sha, path: str) -> str | None:
    entries = await list_tree(repository, commit, path)
    if not entries:
        return None
    if entries[0].mode not in _PLAIN_FILES:
        raise _unusable(path, None, "it is not a plain file")
    content = await read_blob(repository, entries[0].sha)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise _unusable(path, line, "it is not UTF-8") from error


def try_templates(templates: Templates, issues: Sequence[Issue], *, base: Sha, target: str) -> None:
    """Render everything that agents on these issues will be told, with and without what may be absent.

    Raises:
        UsageError: a template cannot be rendered; names file and line.
    """
    quote = Quote("a trial", "some text")
    feedback = Feedback("Your work does not pass yet.", (quote,))
    for issue in issues:
        said = replace(issue, remarks=(Remark("somebody", "some text"),))
        bare = PromptContext("trial", "agent-0", 1, "feature/trial", base, target)
        full = PromptContext(
            *("trial", "agent-0", 1, "feature/trial", base, target),
            gate=("true",),
            protected=("a",),
            own_claims=("b",),
            claims_of_others=("c",),
            messages=(quote,),
        )
        for context in (bare, full):
            try:
                path = PROMPT
                render_prompt(templates.prompt, said if context is full else issue, context)
                path = FEEDBACK
                render_feedback(templates.feedback, issue, feedback, context)
                path = REVIEW
                render_review(templates.review, issue, _reviewed(context, quote))
            except Exception as error:  # a template is a program: it may fail in any way
                found = error.__cause__ or error
                raise _unusable(path, _line_of(found), str(found) or repr(found)) from error


def _reviewed(context: PromptContext, quote: Quote) -> ReviewContext:
    """A review to be tried, as full or as bare as the prompt's context."""
    full = (quote,) if context.messages else ()
    cut = "The diff is cut." if full else ""
    return ReviewContext(
        context.token, context.base, context.base, context.target, 1, 2, "+a", cut, full, full
    )


def _line_of(error: BaseException) -> int | None:
    """The line of the template where it failed; Jinja puts it into the traceback, or names it in the error."""
    frames = traceback.walk_tb(error.__traceback__)
    lines = [line for frame, line in frames if frame.f_code.co_filename == "<template>"]
    found = getattr(error, "lineno", None) or (lines[-1] if lines else None)
    return found if isinstance(found, int) else None


def _unusable(path: str, line: int | None, cause: str) -> UsageError:
    return UsageError(
        f"The template {path}{f', line {line},' if line else ''} cannot be used",
        cause=cause,
        next_step="correct it in a commit on the target branch",
    )
