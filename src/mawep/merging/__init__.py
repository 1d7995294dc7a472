"""Merging texts by rules: pure, text in and text out. Nothing here reads a file or starts a process."""
