"""Runs that are killed at bad moments, and what is made of them."""
