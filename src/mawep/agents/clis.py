"""The coding agents that MAWEP knows by name, in the order in which one is proposed to a person."""

from __future__ import annotations

from mawep.agents.claude_code import CLAUDE_CODE
from mawep.agents.codex import CODEX_ACP
from mawep.agents.gemini import GEMINI_CLI
from mawep.agents.opencode import OPENCODE_ACP
from mawep.agents.quirks import Quirks

CLIS: tuple[Quirks, ...] = (CLAUDE_CODE, CODEX_ACP, GEMINI_CLI, OPENCODE_ACP)
