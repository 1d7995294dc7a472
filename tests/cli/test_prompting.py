"""`mawep plan --prompt`: what an agent would be told."""

from __future__ import annotations

import hashlib

from tests.cli.site import Site
from tests.support.repos import commit


def test_the_prompt_of_an_issue_as_an_agent_would_get_it(site: Site) -> None:
    shown = site.mawep("plan", "--prompt", "#101", "--json", code=0).document
    assert shown["issue"] == 101
    assert shown["template"] is None
    (title,) = [
        line for line in (site.repository / "issues" / "101.md").read_text().splitlines() if "title" in line
    ]
    assert title.partition(": ")[2] in shown["prompt"]
    assert "feature/101-" in shown["prompt"]
    plain = site.mawep("plan", "--prompt", "101", code=0).out
    assert "solve issue 101" in plain
    protected = [line for line in plain.splitlines() if line.startswith("- `")]
    assert len(protected) == len(set(protected)), "no path is named twice"


def test_the_template_of_the_target_branch_is_used(site: Site) -> None:
    template = "Do {{ number }}.\n{{ issue }}\n"
    commit(site.repository, {".mawep/prompt.md.j2": template})
    shown = site.mawep("plan", "--prompt", "101", "--json", code=0).document
    assert shown["prompt"].startswith("Do 101.\n<<<")
    assert shown["template"] == ".mawep/prompt.md.j2"
    assert shown["digest"] == hashlib.sha256(template.encode()).hexdigest()


def test_a_template_that_cannot_be_used_and_an_issue_that_does_not_exist(site: Site) -> None:
    assert "There is no issue 999" in site.mawep("plan", "--prompt", "999", code=2).err
    assert "no number of an issue" in site.mawep("plan", "--prompt", "one", code=2).err
    commit(site.repository, {".mawep/prompt.md.j2": "{{ nobody }}"})
    said = site.mawep("plan", "--prompt", "101", code=2).err
    assert ".mawep/prompt.md.j2, line 1" in said
