"""The fixtures of this directory."""

from tests.forge.fixtures import checked_world, emulate, forge_servers, forge_world

__all__ = ["checked_world", "emulate", "forge_servers", "forge_world"]
