"""One issue from one Markdown file: every key checked, every problem with its line."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import get_close_matches

from mawep.adapters.yaml_lines import KeyPath, Parsed, Tree
from mawep.core.model import Dependency, Far, FarDependency, Issue, Priority
from mawep.core.paths import confined
from mawep.trackers.affected_files import affected_files
from mawep.trackers.dependencies import Unreadable, references
from mawep.trackers.front_matter import FIRST_LINE, Parts, read, split
from mawep.trackers.markdown import Markdown, heading

KEYS = (
    "number",
    "title",
    "labels",
    "depends_on",
    "files",
    "priority",
    "estimate_hours",
    "created_at",
    "author",
    "runtime",
)
PRIORITIES = {
    "critical": Priority.CRITICAL,
    "high": Priority.HIGH,
    "normal": Priority.NORMAL,
    "medium": Priority.NORMAL,
    "low": Priority.LOW,
} | {f"{letter}{priority.value}": priority for letter in ("", "p") for priority in Priority}

_NUMBER = re.compile(r"[1-9][0-9]{0,17}")
_LOCAL_REF = re.compile(r"#?([1-9][0-9]{0,17})")
_FOREIGN_REF = re.compile(r"(?P<repository>[\w.-]+(?:/[\w.-]+)+)#(?P<number>[1-9][0-9]{0,17})|https?://.*")
_LOST_TO_COMMENT = re.compile(r"(?::|-)[ \t]+#[0-9]")
_BARE = re.compile(r"[\[,][ \t]*#[0-9]")
_COMMENT_BEGINS = 'a bare `#` begins a comment in YAML; write 101 or "#101"'


@dataclass(frozen=True)
class IssueFile:
    """What a file says. `issue` is None when nothing could be read; with problems it is not to be used."""

    issue: Issue | None
    problems: tuple[str, ...]
    number_line: int = FIRST_LINE


@dataclass(frozen=True)
class Around:
    """The repository of a folder by its name in lower case, and those that take part in a run with it."""

    here: str = ""
    near: Collection[str] = ()


ALONE = Around()


def read_issue(text: str, name: str, around: Around = ALONE) -> IssueFile:
    """Read one file; `name` is what people know it by, used in problems and as the issue's origin."""
    try:
        parts = split(text.removeprefix("\ufeff").replace("\r\n", "\n"))
    except ValueError as reason:
        return IssueFile(None, (f"{name}:1: {reason}",))
    parsed = read(parts.front_matter)
    reader = _IssueReader(name, parts, parsed, around)
    issue = reader.issue()
    problems = tuple(text for _, text in sorted(reader.problems))
    return IssueFile(issue, problems, parsed.line_of(("number",)) or FIRST_LINE)


@dataclass
class _IssueReader:
    """Reads key by key, collecting problems."""

    name: str
    parts: Parts
    parsed: Parsed
    around: Around
    problems: list[tuple[int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.body = Markdown(self.parts.body)

    def issue(self) -> Issue | None:
        tree = self.parsed.tree
        lost = not self.parsed.readable and _BARE.search(self.parts.front_matter)
        hint = f"; {_COMMENT_BEGINS}" if lost else ""
        for line, message in self.parsed.problems:
            self._problem(line, "", message + hint)
        if not self.parsed.readable:
            return None
        if not isinstance(tree, dict):
            self._problem(
                FIRST_LINE, "", "its front matter holds no keys; write at least `number` and `title`"
            )
            return None
        self._known_keys(tree)
        number = self._number(tree)
        depends_on, far = self._dependencies(tree, number)
        return Issue(
            number=number,
            title=self._title(tree),
            body=self.parts.body.lstrip("\n"),
            labels=tuple(dict.fromkeys(text for _, text in self._texts(tree, "labels"))),
            priority=self._priority(tree),
            estimate_hours=self._hours(tree),
            depends_on=depends_on,
            files=self._files(tree),
            author=self._text(tree, "author"),
            created_at=self._created_at(tree),
            origin=self.name,
            runtime=self._text(tree, "runtime"),
            far=far,
        )

    def _known_keys(self, tree: dict[str, Tree]) -> None:
        for key in tree.keys() - set(KEYS):
            near = get_close_matches(key.lower(), KEYS, n=1)
            hint = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(KEYS)}"
            self._problem_at((key,), f"unknown key; {hint}")

    def _number(self, tree: dict[str, Tree]) -> int:
        value = tree.get("number")
        if isinstance(value, str) and _NUMBER.fullmatch(value):
            return int(value)
        if "number" not in tree:
            self._problem(FIRST_LINE, "number", "is missing; write `number: 101`")
        elif value is not None or not self._lost_to_comment(("number",)):
            self._problem_at(("number",), "expected a whole number above 0")
        return 0

    def _title(self, tree: dict[str, Tree]) -> str:
        """The `title`, else the first heading of the text."""
        title = self._text(tree, "title")
        if "title" not in tree:
            title = next(filter(None, map(heading, self.body.visible)), None)
        if title is None and not isinstance(tree.get("title"), dict | list):
            self._problem_at(("title",), "is missing; write `title: …`, or begin the text with a heading")
        if title is None or title.isprintable():
            return " ".join((title or "").split())
        return " ".join("".join(c if c.isprintable() else " " for c in title).split())

    def _priority(self, tree: dict[str, Tree]) -> Priority:
        text = self._text(tree, "priority")
        if text is None or text.lower() in PRIORITIES:
            return PRIORITIES[text.lower()] if text else Priority.NORMAL
        self._problem_at(("priority",), "expected critical, high, normal, low, 0 to 3 or p0 to p3")
        return Priority.NORMAL

    def _hours(self, tree: dict[str, Tree]) -> float | None:
        text = self._text(tree, "estimate_hours")
        try:
            hours = None if text is None else float(text)
        except ValueError:
            hours = math.nan
        if hours is not None and not 0 < hours < math.inf:
            self._problem_at(("estimate_hours",), "expected a number of hours above 0, such as 2.5")
            return None
        return hours

    def _created_at(self, tree: dict[str, Tree]) -> str | None:
        """The moment in UTC, so that moments sort as text."""
        text = self._text(tree, "created_at")
        if text is None:
            return None
        try:
            moment = datetime.fromisoformat(text)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
        except (ValueError, OverflowError):
            self._problem_at(
                ("created_at",), "expected a date or a time, such as 2026-01-31 or 2026-01-31T09:30:00Z"
            )
            return None

    def _dependencies(
        self, tree: dict[str, Tree], number: int
    ) -> tuple[tuple[Dependency, ...], tuple[FarDependency, ...]]:
        """Front matter first, then the text; of one said twice the first, and never the issue itself."""
        found: dict[int, Dependency] = {}
        far: dict[Far, FarDependency] = {}
        for path, text in self._texts(tree, "depends_on"):
            if ref := _LOCAL_REF.fullmatch(text):
                found.setdefault(int(ref[1]), Dependency(int(ref[1])))
            elif ref := _FOREIGN_REF.fullmatch(text):
                if not self._take(ref["repository"], int(ref["number"] or 0), "front_matter", found, far):
                    self._problem_at(path, f"`{text}` is in another repository, {self._where()}")
            else:
                self._problem_at(path, f"expected the number of an issue, such as 101, not `{text}`")
        unreadable: list[Unreadable] = []
        for one in references(self.body):
            if isinstance(one, Unreadable):
                unreadable.append(one)
            elif one.repository is None:
                found.setdefault(one.number, Dependency(one.number, "body"))
            elif not self._take(one.repository, one.number, "body", found, far):
                waits = f"waits for {one.repository}#{one.number} in another repository, {self._where()}"
                self._problem(self._body_line(one.line), "", waits)
        for unclear in unreadable:
            self._unreadable(unclear, known=unclear.number in found)
        found.pop(number, None)
        return tuple(found.values()), tuple(far.values())

    def _take(
        self,
        repository: str | None,
        number: int,
        source: str,
        found: dict[int, Dependency],
        far: dict[Far, FarDependency],
    ) -> bool:
        """Note what is waited for, if it is in this repository or in one that takes part; False: it is not."""
        name = (repository or "").lower()
        if not name or name not in {self.around.here, *self.around.near}:
            return False
        if name == self.around.here:
            found.setdefault(number, Dependency(number, source))
        else:
            far.setdefault(Far(name, number), FarDependency(Far(name, number), source))
        return True

    def _where(self) -> str:
        return (
            "which is not among the configured `repositories`"
            if self.around.near
            else "where this tracker cannot look"
        )

    def _unreadable(self, one: Unreadable, *, known: bool) -> None:
        if one.number is None:
            message = f"`{one.text}` cannot be read as a reference to an issue; write it as `#101`"
        elif known:
            return
        else:
            message = f"is `{one.text}` a dependency? Begin the item with it, or write it in backticks"
        self._problem(self._body_line(one.line), "", message)

    def _files(self, tree: dict[str, Tree]) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for path, text in self._texts(tree, "files"):
            try:
                found[confined(text)] = None
            except ValueError as reason:
                self._problem_at(path, f"`{text}` {reason}")
        for file in affected_files(self.body):
            if file.problem:
                self._problem(self._body_line(file.line), "affected files", f"`{file.path}` {file.problem}")
            else:
                found[file.path] = None
        return tuple(found)

    def _texts(self, tree: dict[str, Tree], key: str) -> Iterator[tuple[KeyPath, str]]:
        """The items of a list of texts; one text alone is a list of one."""
        value = tree.get(key)
        if value is None:
            self._lost_to_comment((key,))
        elif isinstance(value, str):
            yield (key,), value
        elif isinstance(value, dict):
            self._problem_at((key,), "expected a list, such as `[a, b]`")
        else:
            for index, item in enumerate(value):
                if isinstance(item, str) and item.strip():
                    yield (key, index), item.strip()
                elif item is not None or not self._lost_to_comment((key, index)):
                    self._problem_at((key, index), "expected a word; this item is empty or is a list itself")

    def _text(self, tree: dict[str, Tree], key: str) -> str | None:
        value = tree.get(key)
        if isinstance(value, dict | list):
            self._problem_at((key,), "expected one text")
            return None
        return value.strip() or None if value else None

    def _lost_to_comment(self, path: KeyPath) -> bool:
        """Say so when a value is missing because `#101` reads as a comment."""
        line = self.parsed.lines.get(path)
        if line is None or not _LOST_TO_COMMENT.search(
            self.parts.front_matter.split("\n")[line - FIRST_LINE]
        ):
            return False
        self._problem_at(path, _COMMENT_BEGINS)
        return True

    def _problem_at(self, path: KeyPath, message: str) -> None:
        key = str(path[0]) + "".join(f"[{index}]" for index in path[1:])
        self._problem(self.parsed.line_of(path) or FIRST_LINE, key, message)

    def _problem(self, line: int, key: str, message: str) -> None:
        text = ": ".join(part for part in (f"{self.name}:{line}", key, message) if part)
        self.problems.append((line, text))

    def _body_line(self, line: int) -> int:
        return self.parts.body_line + line - 1
