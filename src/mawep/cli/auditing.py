"""Does git say what the journal says? Every landed commit, its trailers, its gate, and the journal's own chain.

The journal could be an old copy, or changed; the target could be rewritten. The trailers of landing commits name the
journal's head at that time, so that neither goes unnoticed.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from mawep.adapters.git import Repository, Sha
from mawep.adapters.git_history import Commit, commits_between
from mawep.adapters.git_objects import exists, is_ancestor, rev_parse
from mawep.adapters.git_refs import read_ref
from mawep.core import events as ev
from mawep.core.model import GateRecord, GateResult, Number, Scope
from mawep.core.verdict import Verdict, review_digest
from mawep.errors import JournalError
from mawep.observe.text import short
from mawep.stages.land.reading import read_digest
from mawep.state import journal
from mawep.state.runs import RunSummary


@dataclass(frozen=True)
class Landed:
    """A landing as the journal tells it: `tip_tree` is the gated tree that the target pointed at with it.

    One by a pull request (`pull` is its number) was made by the forge; `exact`: with the tree that was gated.
    """

    issue: Number
    commit: Sha
    tree: Sha
    tip_tree: Sha
    pull: int | None = None
    exact: bool = True


@dataclass(frozen=True)
class Problem:
    """Something that does not fit. `kind` is for programs."""

    kind: str
    detail: str
    issue: Number | None = None
    commit: Sha | None = None


@dataclass
class Findings:
    """What an audit of one run found."""

    run: str
    events: int = 0
    head: str = ""
    landed: list[Landed] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """The JSON document of `mawep audit`."""
        found = asdict(self)
        return {"run": self.run, "ok": not self.problems, **{k: v for k, v in found.items() if k != "run"}}


async def audit(repository: Repository, run: RunSummary) -> Findings:
    """Compare the journal of a run with the repository; finds everything that does not fit."""
    findings = Findings(run.directory.run)
    path = run.directory.journal
    try:
        findings.events, findings.head = journal.verify(path)
    except JournalError as error:
        findings.problems.append(Problem("chain", error.what))
    try:
        records = journal.read(path)
    except JournalError as error:
        findings.problems.append(Problem("journal", str(error)))
        return findings
    findings.landed = list(_landed(records))
    where = _target_ref(records)
    target = await read_ref(repository, where)
    if target is None:
        findings.problems.append(
            Problem("target", f"the target branch {where.split('/', 2)[2]} does not exist")
        )
        return findings
    known = _Known(run, records, (digest for _, digest in journal.heads(path)))
    made = await _made_by(repository, known, target)
    findings.problems += [problem async for problem in _unreachable(repository, findings.landed, target)]
    for landed in findings.landed:
        commit = made.get(landed.commit)
        if landed.pull is not None and await exists(repository, landed.commit):
            tree = await rev_parse(repository, landed.commit, "tree")
            findings.problems += known.check_pull(landed, tree, commit)
        elif commit is not None:
            reads = await known.reads(repository, landed, commit)
            findings.problems += known.check(landed, commit, reads)
    recorded = {landed.commit for landed in findings.landed}
    for commit in made.values():
        if commit.sha not in recorded:
            detail = f"{short(commit.sha)} says it landed in this run, and the journal does not know it"
            findings.problems.append(Problem("unknown_landing", detail, commit=commit.sha))
            findings.problems += known.journal_problem(commit, None)
    return findings


def _landed(records: Sequence[ev.Recorded]) -> Iterator[Landed]:
    trees, proposed = dict[Sha, Sha](), dict[Number, ev.MergeIntended]()
    for recorded in records:
        match recorded.event:
            case ev.CandidateImported(commit=commit, tree=tree) | ev.BranchUpdated(commit=commit, tree=tree):
                trees[commit] = tree
            case ev.MergeIntended(issue=issue) as intent:
                proposed[issue] = intent
            case ev.PullRequestMerged(issue=issue, commit=commit, exact=exact) if issue in proposed:
                tree = trees.get(proposed[issue].head, "")
                yield Landed(issue, commit, tree, tree, proposed[issue].number, exact)
            case ev.TargetMoved(steps=steps):
                yield from (Landed(step.issue, step.commit, step.tree, steps[-1].tree) for step in steps)
            case _:
                pass


def _target_ref(records: Sequence[ev.Recorded]) -> str:
    """Where the target of a run is: the branch here or, of one that lands by pull requests, on the remote."""
    for recorded in records:
        if isinstance(recorded.event, ev.RunStarted):
            landing = json.loads(recorded.event.settings).get("landing", {})
            remote = landing.get("remote") if landing.get("mode") == "pull_request" else None
            return f"refs/{f'remotes/{remote}' if remote else 'heads'}/{recorded.event.target_branch}"
    return "refs/heads/"


async def _made_by(repository: Repository, known: _Known, target: Sha) -> dict[Sha, Commit]:
    """The commits on the target's own line, since the run began, that say that they landed in it."""
    base = known.first_target
    if not await exists(repository, base):
        return {}
    commits = {commit.sha: commit for commit in await commits_between(repository, base, target)}
    found: dict[Sha, Commit] = {}
    at: Sha | None = target
    while at in commits:
        commit = commits[at]
        if dict(commit.trailers).get("Mawep-Run") == known.run and "Mawep-Gate" in dict(commit.trailers):
            found[commit.sha] = commit
        at = commit.parents[0] if commit.parents else None
    return found


async def _unreachable(
    repository: Repository, landed: Sequence[Landed], target: Sha
) -> AsyncIterator[Problem]:
    for one in landed:
        if not await exists(repository, one.commit):
            detail = (
                f"the landing commit {short(one.commit)} of #{one.issue} does not exist in the repository"
            )
        elif not await is_ancestor(repository, one.commit, target):
            detail = f"the landing commit {short(one.commit)} of #{one.issue} is not on the target any more"
        else:
            continue
        yield Problem("unreachable", detail, one.issue, one.commit)


def _wrong(landed: Landed, kind: str, detail: str) -> Problem:
    about = f"{short(landed.commit)} (#{landed.issue}): {detail}"
    return Problem(kind, about, landed.issue, landed.commit)


class _Known:
    """What the journal knows, in the form that commits are compared with."""

    def __init__(self, run: RunSummary, records: Sequence[ev.Recorded], heads: Iterable[str]) -> None:
        self.run = run.directory.run
        self._heads = frozenset(heads)
        self._gates: dict[str, GateRecord] = {}
        self._scopes: tuple[Scope, ...] = ()
        self._candidates: dict[Number, dict[Sha, int]] = {}
        self._reviews: dict[Number, set[str]] = {}
        self._reviewed = False
        self._by_people: set[Number] = set()
        self.first_target = ""
        for recorded in records:
            match recorded.event:
                case ev.RunStarted(target=target, rules=rules):
                    self.first_target, self._reviewed = target, bool(rules.reviewers)
                    self._scopes = rules.scopes
                case ev.GateFinished(record=record) if record.result is GateResult.GREEN:
                    self._gates[ev.gate_digest(record)] = record
                case ev.ReviewFinished(issue=issue, record=said) if said.verdict is Verdict.APPROVE:
                    self._reviews.setdefault(issue, set()).add(review_digest(said))
                case ev.CandidateOffered(issue=issue) | ev.RevertIntended(issue=issue):
                    self._by_people.add(issue)
                case ev.CandidateImported(issue=issue, attempt=attempt, commit=commit):
                    self._candidates.setdefault(issue, {})[commit] = attempt
                case _:
                    pass

    def check_pull(self, landed: Landed, tree: Sha, commit: Commit | None) -> Iterator[Problem]:
        """Everything that does not fit of what a forge merged; `commit` if it is worded as we word it."""
        wrong = partial(_wrong, landed)
        trailers = dict(commit.trailers) if commit else {}
        if landed.exact and tree != landed.tree:
            yield wrong(
                "tree", f"its tree is {short(tree)}, the journal says {short(landed.tree) or 'another'}"
            )
        gates = [self._gates.get(trailers["Mawep-Gate"])] if commit else self._gates.values()
        if landed.exact and landed.tree not in {record.tree for record in gates if record}:
            yield wrong(
                "gate", f"no green gate run in the journal is the one on its tree {short(landed.tree)}"
            )
        approved = self._reviews.get(landed.issue, set())
        if self._reviewed and not (trailers.get("Mawep-Review") in approved if commit else approved):
            yield wrong("review", "no review in the journal that approved it is the one that it names")
        if commit and trailers.get("Mawep-Issue") != str(landed.issue):
            yield wrong("trailer", f"its trailer names issue {trailers.get('Mawep-Issue')}")
        yield from self.journal_problem(commit, landed.issue) if commit else ()

    async def reads(self, repository: Repository, landed: Landed, commit: Commit) -> str | None:
        """The digest of what the gate that a landing names reads of its tree, where the verdict is one for that."""
        record = self._gates.get(dict(commit.trailers).get("Mawep-Gate", ""))
        if record is None or record.reads is None or not await exists(repository, landed.tip_tree):
            return None
        return await read_digest(repository, landed.tip_tree, self._scopes, record.scopes or ())

    def check(self, landed: Landed, commit: Commit, reads: str | None) -> Iterator[Problem]:
        """Everything that does not fit between a landing commit and the journal; `reads` as said by `reads`."""
        wrong, trailers = partial(_wrong, landed), dict(commit.trailers)
        if commit.tree != landed.tree:
            yield wrong("tree", f"its tree is {short(commit.tree)}, the journal says {short(landed.tree)}")
        if trailers.get("Mawep-Issue") != str(landed.issue):
            yield wrong("trailer", f"its trailer names issue {trailers.get('Mawep-Issue')}")
        candidate = commit.parents[1] if len(commit.parents) == 2 else ""
        attempt = self._candidates.get(landed.issue, {}).get(candidate)
        if attempt is None:
            yield wrong("candidate", "what it merges is no candidate that the journal knows")
        elif trailers.get("Mawep-Attempt") != str(attempt):
            yield wrong(
                "trailer", f"its trailer names attempt {trailers.get('Mawep-Attempt')}, not {attempt}"
            )
        record = self._gates.get(trailers.get("Mawep-Gate", ""))
        if record is None:
            yield wrong("gate", "no green gate run in the journal is the one that it names")
        elif record.reads is not None and record.reads != reads:
            yield wrong("gate", f"its gate read something else than {short(landed.tip_tree)} has for it")
        elif record.reads is None and record.tree != landed.tip_tree:
            yield wrong("gate", f"its gate ran on tree {short(record.tree)}, not on {short(landed.tip_tree)}")
        approved = self._reviews.get(landed.issue, set())
        answered_for = landed.issue in self._by_people
        due = (self._reviewed and not answered_for) or "Mawep-Review" in trailers
        if due and trailers.get("Mawep-Review") not in approved:
            yield wrong("review", "no review in the journal that approved it is the one that it names")
        yield from self.journal_problem(commit, landed.issue)

    def journal_problem(self, commit: Commit, issue: Number | None) -> Iterator[Problem]:
        """A commit that names a head of the journal that this journal never had."""
        head = dict(commit.trailers).get("Mawep-Journal", "")
        if head not in self._heads:
            detail = f"{short(commit.sha)} names the journal's head {head[:12] or '(none)'}, which this one never had"
            yield Problem("journal", f"{detail}: it is an old copy, or was changed", issue, commit.sha)
