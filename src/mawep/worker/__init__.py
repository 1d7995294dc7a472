"""The workshop: takes assignments, runs agents under leases, reports, and decides nothing."""

from mawep.worker.desk import Driving, WorkerSettings
from mawep.worker.reviewer import Reviewer
from mawep.worker.workshop import Worker

__all__ = ["Driving", "Reviewer", "Worker", "WorkerSettings"]
