"""The client of GitHub."""
