"""The languages whose syntax is read here, by the ending of a file's name."""

from __future__ import annotations

from functools import cache

import tree_sitter_javascript
import tree_sitter_python
import tree_sitter_typescript
from tree_sitter import Language, Parser


@cache
def parser_of(extension: str) -> Parser | None:
    """The parser for files whose name ends so; None: they are not parsed here."""
    match extension:
        case "py" | "pyi":
            return Parser(Language(tree_sitter_python.language()))
        case "js" | "jsx" | "mjs" | "cjs":
            return Parser(Language(tree_sitter_javascript.language()))
        case "ts" | "mts" | "cts":
            return Parser(Language(tree_sitter_typescript.language_typescript()))
        case "tsx":
            return Parser(Language(tree_sitter_typescript.language_tsx()))
        case _:
            return None
