"""Property tests run on machines that are busy: no example is failed for being slow."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("busy", deadline=None)
settings.load_profile("busy")
