"""Pairs of features that conflict, each with tests: what becomes of them in the ladder's hands."""
