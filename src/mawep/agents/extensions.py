"""MAWEP's own words in the Agent Client Protocol, without the underscore that marks them on the wire."""

QUESTION = "mawep/question"
"""Request `{text, options}`; answered with `{text}`, or `{cancelled: true}` when the turn is being ended."""

BREAKING_CHANGE = "mawep/breaking_change"
"""Notification `{file, change, affects, migration}`."""
