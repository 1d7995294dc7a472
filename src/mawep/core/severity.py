"""How much it hurts when two change the same files, by what kind of files they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal


def severity(files: Iterable[str]) -> Literal["high", "medium", "low"]:
    """How much a conflict in these files hurts: code most, prose least."""
    kinds = {_kind(path) for path in files}
    return "high" if "code" in kinds else "medium" if "other" in kinds or not kinds else "low"


def _kind(path: str) -> str:
    name, _, ending = path.rpartition("/")[2].rpartition(".")
    if ending.lower() in {"md", "rst", "txt", "adoc"} or path.startswith("docs/"):
        return "prose"
    data = {"json", "yaml", "yml", "toml", "lock", "ini", "cfg", "xml", "csv", "svg", "png"}
    return "other" if not name or ending.lower() in data else "code"
