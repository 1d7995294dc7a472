"""The fixtures of this directory."""

from tests.forge.fixtures import emulate, forge_servers, forge_world

__all__ = ["emulate", "forge_servers", "forge_world"]
