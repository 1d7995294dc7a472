"""The JSON documents keep their shape: programs read them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.cli.site import Said, Site, make_site

SHA = re.compile(r"[0-9a-f]{40,64}")
RUN = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)")
SHORT = re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{7}\b")
MEASURED = {"elapsed_s", "pid", "rss_mb", "free", "seconds", "agent_utilization", "idle_s", "cpu_percent"}
MEASURED |= {"makespan_s", "critical_path_s", "lower_bound_s", "seq", "events", "log", "eta_s"}


def steady(value: Any, site: Site, key: str = "") -> Any:
    """The document without what differs from run to run."""
    if isinstance(value, dict):
        return {name: steady(inner, site, name) for name, inner in value.items()}
    if isinstance(value, list) and key == "events":
        return ["<event>"] if value else []
    if isinstance(value, list):
        return [steady(inner, site) for inner in value]
    if key in MEASURED and value is not None:
        return f"<{type(value).__name__}>"
    if isinstance(value, str):
        value = value.replace(str(site.repository.parent), "<site>")
        for pattern, name in ((RUN, "<run>"), (SHA, "<sha>"), (TIME, "<time>"), (SHORT, "<short>")):
            value = pattern.sub(name, value)
        return re.sub(r"agent-\d", "agent-N", value)
    return value


def by_number(document: dict[str, Any]) -> dict[str, Any]:
    """102 and 103 race: whoever is first comes first in what is ordered by time."""
    for name in ("landed",):
        if name in document:
            document[name] = sorted(document[name], key=lambda one: one["issue"])
    return document


@pytest.mark.parametrize(
    "arguments",
    [
        ("report", "--json"),
        ("status", "--json"),
        ("status", "--all", "--json"),
        ("explain", "102", "--json"),
        ("audit", "--json"),
    ],
    ids=" ".join,
)
def test_documents_of_a_run(
    arguments: tuple[str, ...], landed: tuple[Site, Said], snapshot: SnapshotAssertion
) -> None:
    site, _ = landed
    said = site.mawep(*arguments, code=0)
    assert said.err == ""
    assert steady(by_number(said.document), site) == snapshot


def test_start_prints_the_document_of_report_and_nothing_else(landed: tuple[Site, Said]) -> None:
    site, said = landed
    assert said.document == site.mawep("report", "--json", code=0).document
    assert said.document["outcome"] == "landed"
    assert "101" in said.err
    (report,) = site.runs.glob("*/report.json")
    assert Said(0, report.read_text(), "").document == said.document


@pytest.mark.parametrize(
    "arguments",
    [("plan", "--json"), ("simulate", "--json", "--agents", "2", "--tries", "5")],
    ids=lambda arguments: arguments[0],
)
def test_documents_before_a_run(
    arguments: tuple[str, ...], tmp_path: Any, snapshot: SnapshotAssertion
) -> None:
    site = make_site(
        tmp_path,
        {101: [], 102: [101], 103: [101], 104: [102, 103]},
        front_matter={
            101: "estimate_hours: 2\n",
            102: "estimate_hours: 1\nfiles: [src/]\n",
            103: "estimate_hours: 3\nfiles: [src/a.py]\n",
            104: "estimate_hours: 1\n",
        },
    )
    assert steady(site.mawep(*arguments, code=0).document, site) == snapshot


def test_the_document_of_doctor(site: Site) -> None:
    document = site.mawep("doctor", "--json", code=0).document
    assert document["ok"] is True
    assert [set(check) for check in document["checks"]] == [{"name", "status", "detail"}] * len(
        document["checks"]
    )
    names = {check["name"] for check in document["checks"]}
    assert names >= {"python", "git", "message bus", "configuration", "repository", "disk", "ports"}


def test_a_failed_run_has_the_same_document(site: Site) -> None:
    """Every key is there, whatever became of the run."""
    landed = site.mawep("start", "--issues", "101", "--json", code=0).document
    failed = site.mawep(
        "start", "--issues", "102", "--json", "--set", "agents.command=exit 3", code=1
    ).document
    assert failed.keys() == landed.keys()
    assert failed["issues"][0].keys() == landed["issues"][0].keys()
    assert failed["outcome"] == "failed"
    assert failed["issues"][0]["reason"] == "agent_error"
