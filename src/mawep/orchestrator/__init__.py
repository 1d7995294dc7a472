"""The hall: the one writer, what it has done, and what it hears."""

from mawep.orchestrator.effects import WORKER, Effects, Told
from mawep.orchestrator.hall import Orchestrator
from mawep.orchestrator.hub import Hub
from mawep.orchestrator.listener import Listener
from mawep.orchestrator.reviews import Reviews

__all__ = ["WORKER", "Effects", "Hub", "Listener", "Orchestrator", "Reviews", "Told"]
