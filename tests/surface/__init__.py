"""Tests of what files offer and use."""
