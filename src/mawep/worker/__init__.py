"""The workshop: takes assignments, runs agents under leases, reports, and decides nothing."""

from mawep.worker.workshop import Worker, WorkerSettings

__all__ = ["Worker", "WorkerSettings"]
