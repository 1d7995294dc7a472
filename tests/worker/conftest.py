"""Every test of the worker has a shop of its own."""

from tests.worker.shop import server, shop

__all__ = ["server", "shop"]
