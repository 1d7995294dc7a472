"""MAWEP: give issues to coding agents, gate what they make, land it, lose nothing."""

__version__ = "0.1.0"
