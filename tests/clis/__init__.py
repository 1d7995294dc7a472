"""The real coding agents that the end-to-end tests drive: pinned, installed once into a cache, found again."""
