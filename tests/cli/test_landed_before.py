"""Asked for what has landed: said with the commit, never done again, and no reason to fail a script."""

from __future__ import annotations

import pytest

from tests.cli.site import Said, Site, make_site, untouched
from tests.support.repos import git, write


def test_start_again_when_all_has_landed_is_done_at_once(landed: tuple[Site, Said]) -> None:
    site, first = landed
    before = untouched(site)
    said = site.mawep("start", "--issues", "all", "--json", code=0)
    assert said.err == "mawep: nothing left to do: all 3 issues have landed on main\n"
    assert said.document.keys() == first.document.keys()
    assert (said.document["run"], said.document["outcome"], said.document["issues"]) == (None, "landed", [])
    now = git(site.repository, "rev-parse", "main")
    assert said.document["target"] == {"branch": "main", "before": now, "after": now}
    assert untouched(site) == before


def test_nothing_left_to_do_needs_no_clean_checkout(landed: tuple[Site, Said]) -> None:
    site, _ = landed
    text = (site.repository / "README.md").read_text()
    write(site.repository / "README.md", "changed\n")
    try:
        said = site.mawep("start", "--issues", "all", code=0)
    finally:
        write(site.repository / "README.md", text)
    assert said.out == ""
    assert "nothing left to do" in said.err


@pytest.mark.parametrize("numbers", ["102", "101,102,103"])
def test_one_that_is_asked_for_by_number_is_refused_with_its_commit(
    numbers: str, landed: tuple[Site, Said]
) -> None:
    site, first = landed
    before = untouched(site)
    said = site.mawep("start", "--issues", numbers, "--json", code=2)
    assert said.out == ""
    for issue in first.document["issues"]:
        named = f"#{issue['number']} has landed already, as {issue['landed_as'][:12]}" in said.err
        assert named is (str(issue["number"]) in numbers)
    assert untouched(site) == before


def test_the_rest_of_what_is_asked_for_goes_on(site: Site) -> None:
    first = site.mawep("start", "--issues", "101", "--json", code=0).document["issues"][0]
    said = site.mawep("start", "--issues", "101,103", "--json", code=0)
    assert f"#101 has landed before, as {first['landed_as'][:7]}, and is left out" in said.err
    assert [issue["number"] for issue in said.document["issues"]] == [103]
    git_says = git(site.repository, "log", "--first-parent", "--format=%s", "main")
    assert git_says.count("Merge #101 ") == 1


@pytest.mark.parametrize("verb", ["plan", "simulate"])
def test_a_plan_of_nothing_is_empty(verb: str, landed: tuple[Site, Said]) -> None:
    site, _ = landed
    said = site.mawep(verb, code=0)
    assert said.out == ""
    assert said.err == "mawep: nothing left to do: all 3 issues have landed on main\n"
    document = site.mawep(verb, "--json", code=0).document
    assert (document["order"] if verb == "plan" else document["agents"]) == []


def test_the_one_issue_there_is(tmp_path_factory: pytest.TempPathFactory) -> None:
    site = make_site(tmp_path_factory.mktemp("one"), {7: []})
    site.mawep("start", "--issues", "all", code=0)
    assert (
        "nothing left to do: the one issue has landed on main"
        in site.mawep("start", "--issues", "all", code=0).err
    )
