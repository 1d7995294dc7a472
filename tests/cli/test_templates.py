"""Prompt templates of the repository: one that cannot be used is told with file and line before a run begins."""

from __future__ import annotations

import pytest

from tests.cli.site import Site, make_site, untouched
from tests.support.repos import commit, git

PROMPT, FEEDBACK = ".mawep/prompt.md.j2", ".mawep/feedback.md.j2"


@pytest.mark.parametrize(
    ("path", "content", "line", "cause"),
    [
        (PROMPT, b"{{ issue }}\n\xff\xfe\n", 2, "not UTF-8"),
        (FEEDBACK, b"\n\nB\xfcro\n", 3, "not UTF-8"),
        (PROMPT, b"{{ issue }}\n\n{% if %}\n", 3, "Expected an expression"),
        (PROMPT, b"{{ issue }}\n{{ isue }}\n", 2, "'isue' is undefined"),
        (PROMPT, b"{{ issue }}\n{% if own_claims %}\n{{ owner }}\n{% endif %}\n", 3, "'owner' is undefined"),
        (
            PROMPT,
            b"{{ issue }}\n{% if number == 103 %}\n{{ owner }}\n{% endif %}\n",
            3,
            "'owner' is undefined",
        ),
        (FEEDBACK, b"{{ what }}\n{{ issue }}\n", 2, "'issue' is undefined"),
        (FEEDBACK, b"{{ what }}\n{{ what.__class__.mro() }}\n", 2, "unsafe"),
        (FEEDBACK, b"{% macro again() %}{{ again() }}{% endmacro %}\n{{ again() }}\n", 1, "recursion"),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else None,
)
def test_a_template_that_cannot_be_used_is_one_clear_error_and_nothing_is_touched(
    path: str, content: bytes, line: int, cause: str, site: Site
) -> None:
    commit(site.repository, {path: content})
    before = untouched(site)
    said = site.mawep("start", "--issues", "all", code=2)
    assert f"{path}, line {line}, cannot be used" in said.err
    assert cause in said.err
    assert said.out == ""
    assert untouched(site) == before


def test_a_template_that_is_a_link_is_refused(site: Site) -> None:
    (site.repository / ".mawep").mkdir()
    (site.repository / PROMPT).symlink_to("../README.md")
    git(site.repository, "add", PROMPT)
    commit(site.repository, {})
    before = untouched(site)
    assert f"{PROMPT} cannot be used" in site.mawep("start", "--issues", "all", code=2).err
    assert untouched(site) == before


def test_what_the_template_of_the_repository_says_is_what_the_agent_is_told(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    agent = 'cp "$MAWEP_PROMPT_FILE" told.txt'
    site = make_site(tmp_path_factory.mktemp("told"), {7: []}, agent=agent)
    commit(site.repository, {PROMPT: "Number {{ number }}, für {{ target }}.\n"})
    site.mawep("start", "--issues", "all", code=0)
    assert (site.repository / "told.txt").read_text().strip() == "Number 7, für main."
