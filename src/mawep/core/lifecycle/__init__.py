"""What each event makes of the state: one small function an event, total and pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mawep.core import events as ev
from mawep.core.lifecycle import asked, attempts, budgets, candidates, landings, limits, people, reviews, run
from mawep.core.state import State

Handler = Callable[[State, ev.Recorded, Any], State]

HANDLERS: dict[type, Handler] = {
    ev.RunStarted: run.run_started,
    ev.RunResumed: run.run_resumed,
    ev.DispatchPaused: run.paused,
    ev.DispatchUnpaused: run.unpaused,
    ev.Interrupted: run.interrupted,
    ev.RunStopped: run.run_stopped,
    ev.RunEnded: run.run_ended,
    ev.TargetAdvanced: run.target_advanced,
    ev.AttemptAssigned: attempts.assigned,
    ev.AttemptReclaimed: attempts.reclaimed,
    ev.AttemptStarted: attempts.started,
    ev.SessionOpened: attempts.session,
    ev.QuestionAsked: attempts.asked,
    ev.QuestionAnswered: attempts.answered,
    ev.MessageSent: attempts.message,
    ev.MessageDelivered: attempts.delivered,
    ev.ClaimsTaken: asked.claims_taken,
    ev.BreakingChangeAnnounced: asked.announced,
    ev.LeasesExtended: attempts.leases,
    ev.TurnEnded: attempts.turn_ended,
    ev.AttemptFailed: attempts.failed,
    ev.AttemptInterrupted: attempts.attempt_interrupted,
    ev.StopIntended: attempts.stop,
    ev.ProviderLimitHit: limits.hit,
    ev.LimitLifted: limits.lifted,
    ev.UsageSeen: budgets.seen,
    ev.BudgetWarned: budgets.warned,
    ev.IssueOverBudget: budgets.issue_is_over,
    ev.AttemptContinued: limits.continued,
    ev.ImportIntended: candidates.import_intended,
    ev.CandidateImported: candidates.imported,
    ev.ImportRefused: candidates.import_refused,
    ev.GateIntended: candidates.gate,
    ev.GateFinished: candidates.gated,
    ev.ReviewIntended: reviews.intended,
    ev.ReviewFinished: reviews.finished,
    ev.RepairIntended: attempts.repair,
    ev.CandidateQueued: candidates.queued,
    ev.LandingOpened: landings.landing_opened,
    ev.LandingComposed: landings.landing_composed,
    ev.ProbeIntended: landings.probe,
    ev.ProbeComposed: landings.probed,
    ev.SealIntended: landings.seal,
    ev.LandingSealed: landings.sealed,
    ev.MoveIntended: landings.move,
    ev.TargetMoved: landings.moved,
    ev.MoveBlocked: landings.move_blocked,
    ev.MoveUnblocked: landings.move_unblocked,
    ev.MoveLost: landings.move_lost,
    ev.IssueParked: landings.parked,
    ev.IssueReopened: people.reopened,
    ev.IssueCancelled: people.cancelled,
    ev.RetireIntended: people.retire,
    ev.WorkspacesRetired: people.retired,
}
