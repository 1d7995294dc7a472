"""How each provider's protocol looks: what may be asked, what it costs at worst, what an answer consumed.

One file for each; none of them reads or writes anything.
"""

from __future__ import annotations

from mawep.gateway.shapes.anthropic import Anthropic
from mawep.gateway.shapes.base import Shape
from mawep.gateway.shapes.gemini import Gemini
from mawep.gateway.shapes.openai import OpenAI

SHAPES: dict[str, Shape] = {"anthropic": Anthropic(), "openai": OpenAI(), "gemini": Gemini()}
"""By the name that a runtime's needs give (`Needs.api`)."""
