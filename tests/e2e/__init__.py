"""Whole runs from the command line."""
