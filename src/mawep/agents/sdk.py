"""The Agent Client Protocol SDK, imported in a third of its usual time.

The SDK declares some 280 pydantic models. Building a validator for each, and reading the docstring of each
field from its source, is two thirds of the 0.7 s that `import acp` takes, and a session uses twenty of them.
While it is imported here its models are told to build on first use and to leave docstrings alone.
"""

from __future__ import annotations

import pydantic

_complete = pydantic.ConfigDict


def _frugal(**settings: object) -> pydantic.ConfigDict:
    return _complete(**{**settings, "use_attribute_docstrings": False, "defer_build": True})  # type: ignore[typeddict-item]


# Only modules imported between these two lines see the substitute, and of those only the SDK's schema asks.
pydantic.ConfigDict = _frugal  # type: ignore[assignment,misc]
try:
    import acp
    from acp import schema
finally:
    pydantic.ConfigDict = _complete  # type: ignore[misc]

__all__ = ["acp", "schema"]
