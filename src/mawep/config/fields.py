"""Kinds of values in a configuration, each with its check and the sentence it refuses with.

Values arrive as the text that was written (see `mawep.adapters.yaml_lines`); null arrives as None.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from mawep.core.paths import confined

OFF_WORDS = frozenset({"off", "no", "false"})
"""What a bare `off` may be spelt as; YAML 1.1 took all three for the same."""


@dataclass(frozen=True)
class Surroundings:
    """What a check may know of the world: where relative paths start, the home, the sections in use."""

    base: Path
    home: Path | None
    uses: Collection[str]
    written: dict[tuple[str | int, ...], str]


@dataclass(frozen=True)
class NotYet:
    """Marks a key whose feature does not exist in this version: only its default is accepted."""

    feature: str


@dataclass(frozen=True)
class Choice:
    """One word of `now`."""

    now: tuple[str, ...]

    def check(self, value: object) -> str:
        """Give back the word; raises PydanticCustomError for any other value."""
        if isinstance(value, str) and "off" in self.now and value.lower() in OFF_WORDS:
            return "off"
        if isinstance(value, str) and value in self.now:
            return value
        hint = suggestion(str(value), self.now)
        raise refused(f"expected {alternatives(self.now)}{hint}")

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)


class Section(BaseModel):
    """A frozen part of the configuration. Its repr shows no value, as a value may be a secret."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=False)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    __str__ = __repr__

    @model_validator(mode="before")
    @classmethod
    def _empty(cls, value: object) -> object:
        return {} if value is None else value

    @field_validator("*", mode="before")
    @classmethod
    def _not_yet(cls, value: object, info: ValidationInfo) -> object:
        field = cls.model_fields[info.field_name or ""]
        feature = next((mark.feature for mark in field.metadata if isinstance(mark, NotYet)), None)
        if feature is None:
            return value
        if _same(value, field.default):
            return field.default
        raise unavailable(feature, [as_written(field.default)])


def refused(sentence: str) -> PydanticCustomError:
    """The value is not accepted, for the reason that `sentence` gives."""
    return PydanticCustomError("refused", "{sentence}", {"sentence": sentence})


def unavailable(feature: str, accepted: Iterable[str]) -> PydanticCustomError:
    """The key belongs to a feature that does not exist yet."""
    sentence = f"is not available in this version: {feature} still to come; write {alternatives(accepted)}"
    return PydanticCustomError("unavailable", "{sentence}", {"sentence": sentence})


def surroundings(info: ValidationInfo) -> Surroundings:
    """What the loader told the checks about the world."""
    if not isinstance(info.context, Surroundings):
        raise TypeError("a configuration is made by load_config")
    return info.context


def alternatives(words: Iterable[str]) -> str:
    """`a`, `b` or `c`."""
    *front, last = [f"`{word}`" for word in words]
    return f"{', '.join(front)} or {last}" if front else last


def suggestion(word: str, known: Iterable[str]) -> str:
    """`; did you mean …?` when a known word is near, else nothing."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return f"; did you mean `{by_lower[near[0]]}`?" if near else ""


def as_written(value: object) -> str:
    """A value the way a configuration file spells it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return f"[{', '.join(as_written(item) for item in value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {as_written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _same(value: object, default: object) -> bool:
    if isinstance(value, list) and isinstance(default, tuple):
        return [as_written(item) for item in value] == [as_written(item) for item in default]
    text = as_written(value)
    if default is False or default == "off":
        return text.lower() in OFF_WORDS
    return text == as_written(default)


def _no_nul(value: object) -> object:
    if isinstance(value, str) and "\0" in value:
        raise refused("holds a NUL character")
    return value


def _path(value: object, info: ValidationInfo) -> object:
    if isinstance(value, Path):
        value = str(value)
    if not isinstance(value, str):
        return value
    if not value.strip():
        raise refused("is empty; write a path")
    around = surroundings(info)
    if value == "~" or value.startswith("~/"):
        if around.home is None:
            raise refused("starts with `~`, but HOME is not set; write the path in full")
        return around.home / value[2:]
    return around.base / value


def _below_home(value: Path, info: ValidationInfo) -> Path:
    home = surroundings(info).home
    path = Path(os.path.normpath(value))
    if home is None or home not in path.parents:
        raise refused("is not below your home; write it as `~/…`")
    return path


def _confined(value: str) -> str:
    try:
        return confined(value)
    except ValueError as reason:
        raise refused(f"`{value}` {reason}") from None


def _protected(value: str) -> str:
    return "!" + _confined(value[1:]) if value.startswith("!") else _confined(value)


_BRANCH = re.compile(
    r"(?!-)(?!.*(?:\.\.|//|@\{|/\.|\.lock(?:/|$)))[^\x00-\x20\x7f~^:?*\[\\/.][^\x00-\x20\x7f~^:?*\[\\]*(?<![/.])"
)
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*(?:/[A-Za-z0-9][\w.-]*)+")
ASSOCIATIONS = (
    "OWNER",
    "MEMBER",
    "COLLABORATOR",
    "CONTRIBUTOR",
    "FIRST_TIME_CONTRIBUTOR",
    "FIRST_TIMER",
    "MANNEQUIN",
    "NONE",
)
"""What GitHub says an author is to a repository."""
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _branch(value: str) -> str:
    if not _BRANCH.fullmatch(value) or value == "@":
        raise refused("is not a name that git accepts for a branch")
    return value


def _remote(value: str) -> str:
    if not _BRANCH.fullmatch(value) or "=" in value:
        raise refused("is not a name that git accepts for a remote")
    return value


def _variable(value: str) -> str:
    if not _VARIABLE.fullmatch(value):
        raise refused("is not the name of an environment variable; write the name alone, without `$` or `=`")
    return value


def _repository_name(value: str) -> str:
    if not _REPOSITORY.fullmatch(value):
        raise refused("is not the name of a repository on a forge; write it as `owner/name`")
    return value


def _association(value: str) -> str:
    if value.upper() not in ASSOCIATIONS:
        raise refused(f"expected {alternatives(ASSOCIATIONS)}{suggestion(value, ASSOCIATIONS)}")
    return value.upper()


def _command(value: str) -> str:
    if not value.strip():
        raise refused("is empty; write a command")
    return value


def shell_command(value: object) -> object:
    """A program with its arguments as it was written, or one text as the command of a shell."""
    return ("sh", "-c", value) if isinstance(value, str) and value else value


Text: TypeAlias = Annotated[str, BeforeValidator(_no_nul)]
Command: TypeAlias = Annotated[Text, AfterValidator(_command)]
"""A command line for `sh -c`."""
SomePath: TypeAlias = Annotated[Path, BeforeValidator(_path)]
"""A path; a relative one starts at the folder of the configuration file."""
LoginFile: TypeAlias = Annotated[SomePath, AfterValidator(_below_home)]
"""A file below the home of whoever runs MAWEP."""
RepositoryPath: TypeAlias = Annotated[Text, AfterValidator(_confined)]
"""A path or pattern inside the repository."""
ProtectedPath: TypeAlias = Annotated[Text, AfterValidator(_protected)]
"""A path or pattern inside the repository; `!` before it takes away a built-in protection."""
BranchName: TypeAlias = Annotated[Text, AfterValidator(_branch)]
RemoteName: TypeAlias = Annotated[Text, AfterValidator(_remote)]
"""What git calls another repository."""
RepositoryName: TypeAlias = Annotated[Text, AfterValidator(_repository_name)]
"""A repository on a forge."""
Association: TypeAlias = Annotated[Text, AfterValidator(_association)]
"""What an author is to a repository, in GitHub's words."""
VariableName: TypeAlias = Annotated[Text, AfterValidator(_variable)]
Minutes: TypeAlias = Annotated[float, Field(gt=0, le=525_600, allow_inf_nan=False)]
Seconds: TypeAlias = Annotated[float, Field(ge=1, le=86_400, allow_inf_nan=False)]
Days: TypeAlias = Annotated[float, Field(ge=0, le=36_500, allow_inf_nan=False)]
Gigabytes: TypeAlias = Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)]
