"""Memory: the journal."""
