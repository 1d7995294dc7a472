"""A key whose feature does not exist yet says so; its default is accepted."""

from __future__ import annotations

import pytest

from mawep.config.fields import NotYet, as_written
from mawep.config.load import every_key
from mawep.errors import ProblemsError
from tests.config.support import load

LATER = [
    "message_bus.url=redis://host:6379/0",
    "message_bus.url=rediss://host",
    "agents.health_check_minutes=1",
    "monitoring.otlp_endpoint=http://localhost:4317",
]


@pytest.mark.parametrize("override", LATER)
def test_it_is_an_error_that_says_so(override: str) -> None:
    with pytest.raises(ProblemsError) as refusal:
        load(override)
    (problem,) = refusal.value.problems
    assert "is not available in this version" in problem
    assert "still to come; write `" in problem
    assert problem.startswith(f"--set {override.partition('=')[0]}: ")


@pytest.mark.parametrize(
    "key",
    [".".join(path) for path, field in every_key() if any(isinstance(m, NotYet) for m in field.metadata)],
)
def test_the_default_may_be_written(key: str) -> None:
    field = next(field for path, field in every_key() if ".".join(path) == key)
    config = load(f"{key}={as_written(field.default)}")
    section, *rest = key.split(".")
    value = getattr(config, section)
    for step in rest:
        value = getattr(value, step)
    assert value == field.default
