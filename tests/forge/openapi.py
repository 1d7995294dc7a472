"""The part of GitHub's OpenAPI description that MAWEP can meet, cut out so that a checker starts fast."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

Json = dict[str, Any]

REPOSITORY = re.escape("/repos/{owner}/{repo}")
PATHS = re.compile(
    r"/user|/rate_limit|/search/issues|/app|/graphql"
    rf"|/app/installations/.*|{REPOSITORY}/installation"
    rf"|{REPOSITORY}|{REPOSITORY}/(issues|pulls|labels|milestones|statuses|check-runs|check-suites|hooks|branches"
    r"|commits/\{ref\}|compare|git/ref|contents|collaborators|rules|merges)(/.*)?"
    r"|/(orgs/\{org\}|users/\{username\})/projectsV2(/.*)?"
)
"""The paths that are kept."""

GITHUB_JSON = "application/vnd.github+json"


def sliced(whole: Mapping[str, Any]) -> Json:
    """The description with the paths of `PATHS` and every component that they refer to.

    Clients accept `application/vnd.github+json`; the description names only `application/json`, and Prism
    answers 406 to what it does not name, so each reply gets both.
    """
    paths = {path: item for path, item in whole["paths"].items() if PATHS.fullmatch(path)}
    components: Json = {}
    for reference in sorted(_needed(whole, paths)):
        _, _, kind, name = reference.split("/", 3)
        components.setdefault(kind, {})[name] = whole["components"][kind][name]
    for part in (*(o["responses"] for o in _operations(paths)), *components.get("responses", {}).values()):
        for content in _contents(part):
            content.setdefault(GITHUB_JSON, content["application/json"])
    rest = {key: value for key, value in whole.items() if key in {"openapi", "info", "servers", "tags"}}
    return {**rest, "paths": paths, "components": components}


def _operations(paths: Json) -> Iterator[Json]:
    for item in paths.values():
        yield from (operation for operation in item.values() if isinstance(operation, dict))


def _contents(part: Any) -> Iterator[Json]:
    if isinstance(part, dict):
        content = part.get("content")
        if isinstance(content, dict) and "application/json" in content:
            yield content
        for value in part.values():
            yield from _contents(value)


def _needed(whole: Mapping[str, Any], part: Any) -> set[str]:
    """Every reference in `part`, and in what it refers to."""
    found: set[str] = set()
    ahead = [part]
    while ahead:
        here = ahead.pop()
        if isinstance(here, dict):
            reference = here.get("$ref")
            if isinstance(reference, str) and reference not in found:
                found.add(reference)
                target: Any = whole
                for step in reference.removeprefix("#/").split("/"):
                    target = target[step]
                ahead.append(target)
            ahead.extend(here.values())
        elif isinstance(here, list):
            ahead.extend(here)
    return found
