"""Which files an issue is likely to change, from its text and the repository's own past: no network, no model."""
