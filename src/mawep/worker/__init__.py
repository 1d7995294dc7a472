"""The workshop: takes assignments, runs agents under leases, reports, and decides nothing."""

from mawep.worker.desk import WorkerSettings
from mawep.worker.workshop import Worker

__all__ = ["Worker", "WorkerSettings"]
