"""What is wrong with a merge however green it is; judged by the interpreter's own grammar, and from words alone."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from benchmarks.pairs.projects import Pair

_WORD = re.compile(r"[^\W\d]\w{2,}")


def wrong(pair: Pair, tree: str) -> list[str]:
    """What neither side has and a merge should not either, and what a side brought that is gone."""
    project = pair.project
    sides = [project.features[name] for name in (pair.one, pair.other)]
    paths = {
        path for side in sides for path in project.git("diff", "--name-only", project.base, side).splitlines()
    }
    found = []
    for path in sorted(paths):
        base, ours, theirs, merged = (project.show(commit, path) for commit in (project.base, *sides, tree))
        problems = [*_lost(base, ours, theirs, merged)]
        if path.endswith(".py"):
            problems += _malformed(ours, theirs, merged)
        found += [f"{path}: {problem}" for problem in problems]
    return found


def _lost(base: str, ours: str, theirs: str, merged: str) -> Iterator[str]:
    """Words that a side added, and that the merge has less often than the sides' changes ask for."""
    was, mine, other, now = (Counter(_WORD.findall(text)) for text in (base, ours, theirs, merged))
    for word in sorted({*mine, *other}):
        one, two = mine[word] - was[word], other[word] - was[word]
        least = was[word] + (max(one, two) if one > 0 and two > 0 else one + two)
        if max(one, two) > 0 and now[word] < least:
            yield f"{word} is lost"


def _malformed(ours: str, theirs: str, merged: str) -> Iterator[str]:
    now = Counter(_findings(ast.parse(merged)))
    known = Counter(_findings(ast.parse(ours))) | Counter(_findings(ast.parse(theirs)))
    yield from sorted(now - known)


def _findings(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        name = getattr(node, "name", type(node).__name__)
        for block in ("body", "orelse", "finalbody"):
            statements = getattr(node, block, None)
            if isinstance(statements, list):
                yield from (f"in {name}: {what}" for what in _in_block(statements))
        if isinstance(node, ast.Dict):
            keys = Counter(ast.dump(key) for key in node.keys if isinstance(key, ast.Constant))
            yield from (f"in {name}: key {key} twice" for key, count in keys.items() if count > 1)
        if isinstance(node, ast.List | ast.Tuple | ast.Set) and len(node.elts) > 1:
            texts = Counter(
                elt.value for elt in node.elts if isinstance(elt, ast.Constant) and isinstance(elt.value, str)
            )
            yield from (f"in {name}: {text!r} twice" for text, count in texts.items() if count > 1)


def _in_block(statements: list[ast.stmt]) -> Iterator[str]:
    defined = Counter(
        statement.name
        for statement in statements
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not statement.decorator_list
    )
    yield from (f"{name} defined {count} times" for name, count in defined.items() if count > 1)
    for before, after in pairwise(statements):
        if isinstance(before, ast.Return | ast.Raise | ast.Continue | ast.Break):
            yield f"unreachable: {ast.unparse(after)[:60]}"
        stored, again = _stored(before), _stored(after)
        if stored and again and stored[0] == again[0] and not _reads(again[1], stored[0]):
            yield f"dead store to {stored[0]}"


def _stored(statement: ast.stmt) -> tuple[str, ast.expr] | None:
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
        if isinstance(target, ast.Name):
            return target.id, statement.value
    return None


def _reads(value: ast.expr, name: str) -> bool:
    return any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(value))
