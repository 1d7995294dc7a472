"""Read a configuration once and check it whole: every problem at once, each with its place."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from mawep.adapters.yaml_lines import KeyPath, Tree
from mawep.config.environment import Resolved, names_in, resolve
from mawep.config.fields import Section, Surroundings, suggestion
from mawep.config.github import HIDDEN, forge_wanted
from mawep.config.model import Config
from mawep.config.plain_forge import PLAIN_FORGES
from mawep.config.repositories import KEY, split
from mawep.config.written import Place, Problem, Written, dotted, read
from mawep.errors import ProblemsError, UsageError

RUN_SECTIONS = frozenset(Config.model_fields) - {"github", *PLAIN_FORGES}
"""The sections that every run uses; that of a forge is used where issues or landing need it.

In the others nothing is required and no `${VAR}` is looked up.
"""

_SAID_OUTRIGHT = frozenset({"refused", "unavailable"})
_BEFORE_ENVIRONMENT = frozenset({"extra_forbidden", "unavailable"})
_EXPECTED = {
    "bool_parsing": "expected true or false",
    "bool_type": "expected true or false",
    "dict_type": "expected `key: value` pairs",
    "finite_number": "expected a finite number",
    "float_parsing": "expected a number",
    "float_type": "expected a number",
    "greater_than": "expected more than {gt:g}",
    "greater_than_equal": "expected at least {ge:g}",
    "int_from_float": "expected a whole number",
    "int_parsing": "expected a whole number",
    "int_parsing_size": "expected a smaller whole number",
    "int_type": "expected a whole number",
    "less_than": "expected less than {lt:g}",
    "less_than_equal": "expected at most {le:g}",
    "model_type": "expected a section with `key: value` lines",
    "path_type": "expected a path",
    "string_type": "expected text",
    "tuple_type": "expected a list, such as `[a, b]`",
}


def load_config(
    path: Path | None,
    overrides: Sequence[str],
    environ: Mapping[str, str],
    *,
    uses: Collection[str] = RUN_SECTIONS,
) -> Config:
    """Read `path` (None: no file), lay `overrides` (`a.b=value`, the value in YAML) over it, check the whole.

    `uses` names the sections that the caller will use; `github` is added where they make use of it.
    Relative paths start at the folder of `path`, or at the working directory when there is no file.

    Raises:
        ProblemsError: everything that is wrong, as `file:line: key: message`.
        UsageError: the file is missing or cannot be read, or is about several repositories.
    """
    written = _readable(path, overrides)
    if KEY in written.tree:
        raise UsageError(
            f"{written.start.text} is about several repositories, and this takes one",
            next_step="name the issue as `owner/name#5`, or be in the clone that you mean",
        )
    config, problems = _one(written, path, environ, uses)
    if config is None:
        raise _refusal(problems)
    return config


def load_members(
    path: Path | None,
    overrides: Sequence[str],
    environ: Mapping[str, str],
    *,
    uses: Collection[str] = RUN_SECTIONS,
) -> dict[str, Config]:
    """The configuration of each of `repositories`, by its name, read as by `load_config`.

    Without any, the only one there is has no name.
    """
    written = _readable(path, overrides)
    members = split(written) if KEY in written.tree else {"": written}
    checked = {name: _one(one, path, environ, uses) for name, one in members.items()}
    problems = [*written.problems, *(problem for _, found in checked.values() for problem in found)]
    if problems:
        raise _refusal(problems)
    return {name: config for name, (config, _) in checked.items() if config is not None}


def _readable(path: Path | None, overrides: Sequence[str]) -> Written:
    written = read(path, overrides)
    if not written.readable:
        raise _refusal(written.problems)
    return written


def _one(
    written: Written, path: Path | None, environ: Mapping[str, str], uses: Collection[str]
) -> tuple[Config | None, list[Problem]]:
    """The configuration, or what is wrong with it."""
    uses = {*uses, *_forges(written.tree, uses)}
    if forge_wanted(written.tree, uses):
        uses = {*uses, "github"}
    resolved = resolve(written.tree, environ, uses)
    home = environ.get("HOME")
    around = Surroundings(
        base=path.absolute().parent if path else Path.cwd(),
        home=Path(home) if home else None,
        uses=uses,
        written=resolved.written,
    )
    sections, errors = _check(resolved.tree, around)
    problems = [*written.problems, *_problems(errors, resolved, written), *_across(sections, written, uses)]
    return (None, problems) if problems else (Config.model_validate(sections, context=around), [])


def every_key(
    model: type[Section] = Config, above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    """Every key of the configuration with its field, sections before what is in them."""
    for name, info in model.model_fields.items():
        path = (*above, info.alias or name)
        yield path, info
        if isinstance(info.annotation, type) and issubclass(info.annotation, Section):
            yield from every_key(info.annotation, path)


def _forges(tree: Mapping[str, Tree], uses: Collection[str]) -> Iterator[str]:
    """The section of the forge that issues come from, if they are used."""
    issues = tree.get("issues")
    tracker = issues.get("tracker") if isinstance(issues, dict) else None
    if "issues" in uses and isinstance(tracker, str) and tracker in Config.model_fields:
        yield tracker


def _refusal(problems: Iterable[Problem]) -> ProblemsError:
    return ProblemsError("the configuration cannot be used", [str(p) for p in sorted(set(problems))])


def _check(
    tree: Mapping[str, Tree], around: Surroundings
) -> tuple[dict[str, Any], list[tuple[KeyPath, ErrorDetails]]]:
    """Check section by section, so that one bad section does not hide what is wrong across others."""
    sections: dict[str, Any] = {}
    errors: list[tuple[KeyPath, ErrorDetails]] = []
    for name, info in Config.model_fields.items():
        kind: Any = info.annotation
        try:
            sections[name] = kind.model_validate(tree.get(name), context=around)
        except ValidationError as error:
            errors += [((name, *e["loc"]), e) for e in error.errors(include_url=False, include_input=False)]
    unknown: Any = {"type": "extra_forbidden"}
    errors += [((name,), unknown) for name in tree if name not in Config.model_fields]
    return sections, errors


def _problems(
    errors: Sequence[tuple[KeyPath, ErrorDetails]], resolved: Resolved, written: Written
) -> Iterator[Problem]:
    """One problem for each path: a key that is of no use, else its `${VAR}`, else its value."""
    messages = {path: _message(path, error, resolved, written) for path, error in errors}
    of_no_use = {path for path, error in errors if error["type"] in _BEFORE_ENVIRONMENT}
    messages |= {
        path: text
        for path, text in resolved.problems.items()
        if not any(path[:length] in of_no_use for length in range(1, len(path) + 1))
    }
    for path, message in messages.items():
        yield Problem(written.place_of(path), written.name_of(path), message)


def _message(path: KeyPath, error: ErrorDetails, resolved: Resolved, written: Written) -> str:
    kind = error["type"]
    if kind in _SAID_OUTRIGHT and path in resolved.written:
        return f"what `{resolved.written[path]}` stands for is not accepted here"  # its value may be a secret
    if kind in _SAID_OUTRIGHT:
        return error["msg"]
    if kind == "extra_forbidden":
        return f"unknown key{_nearest_key(path)}"
    expected = _EXPECTED.get(kind, error["msg"]).format(**error.get("ctx", {}))
    found = written.value_at(path)
    if found is None:
        return f"{expected}, found nothing"
    return f"{expected}, not `{found[:40]}`" if isinstance(found, str) else expected


def _nearest_key(path: KeyPath) -> str:
    """A hint: a key like this one in the same section, else a key of this name in another."""
    keys = [known for known, _ in every_key()]
    *section, word = path
    beside = {known[-1] for known in keys if known[:-1] == tuple(section)}
    elsewhere = next((dotted(known) for known in keys if known[-1] == word), None)
    return f"; did you mean `{elsewhere}`?" if elsewhere else suggestion(str(word), beside)


def _across(sections: Mapping[str, Any], written: Written, uses: Collection[str]) -> Iterator[Problem]:
    """What must hold between keys and between sections, checked where all of them are good."""
    if "github" in sections and "github" in uses:
        for key, message in sections["github"].at_odds():
            path = ("github", *key)
            yield Problem(written.place_of(path), written.name_of(path), message)
    if uses and {"github", *PLAIN_FORGES}.intersection(uses):
        yield from _lent(sections, written)
    if {"landing", "issues"} <= sections.keys() and "landing" in uses:
        for key, message in sections["landing"].at_odds(sections["issues"].tracker, sections.get("verify")):
            path = ("landing", key)
            yield Problem(written.place_of(path), dotted(path), message)
    if "workspace" in sections and "orchestrator" in sections:
        agents = sections["orchestrator"].max_agents
        highest = 65536 - 10 * agents
        if sections["workspace"].ports_from > highest:
            path = ("workspace", "ports_from")
            message = f"expected at most {highest}, as {agents} agents get ten ports each"
            yield Problem(
                _latest(written, path, ("orchestrator", "max_agents")), written.name_of(path), message
            )


def _lent(sections: Mapping[str, Any], written: Written) -> Iterator[Problem]:
    """The forge's token is MAWEP's alone: it is not passed on to agents or to the gate under its name."""
    keys = [("github", key) for key in HIDDEN] + [(name, "token") for name in PLAIN_FORGES]
    tokens = set().union(*(names_in(str(written.value_at(key) or "")) for key in keys))
    for section in ("agents", "verify", "review"):
        for name in tokens.intersection(getattr(sections.get(section), "env", None) or ()):
            path = (section, "env")
            message = (
                f"`{name}` signs MAWEP in at the forge; agents and gates get another credential, or none"
            )
            yield Problem(written.place_of(path), written.name_of(path), message)


def _latest(written: Written, *paths: KeyPath) -> Place:
    return max(written.place_of(path) for path in paths)
