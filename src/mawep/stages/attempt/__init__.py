"""One turn of an agent: watched, measured, bounded."""

from mawep.stages.attempt.changed import Changed
from mawep.stages.attempt.turn import Ears, Limits, Progress, Turn, TurnOutcome

__all__ = ["Changed", "Ears", "Limits", "Progress", "Turn", "TurnOutcome"]
