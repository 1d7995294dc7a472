"""What has landed on a branch, by git alone, and what of it was taken back."""

from __future__ import annotations

from mawep.adapters.git import Repository, Sha
from mawep.adapters.git_objects import is_ancestor
from mawep.adapters.git_refs import hold, list_refs
from mawep.core.model import Number

LANDED = "refs/mawep/landed/"
"""Below it, by issue number: what landed as a commit that does not say so."""

_FORMAT = "%H%x09{}%x09{}".format(
    *(f"%(trailers:key={key},valueonly,separator=%x2C)" for key in ("Mawep-Reverts", "Mawep-Issue"))
)


async def landed_issues(repository: Repository, ref: str) -> dict[Number, Sha]:
    """The issues that landed on the ref (fully named) and were not reverted, each with its last landing commit.

    From git alone: the ref's own line of commits that name gate and journal, the newest first, and before those what
    refs of ours say of what landed without.
    """
    listing = ("log", "--first-parent", "--grep=^Mawep-Gate: ", f"--format={_FORMAT}", ref, "--")
    landed: dict[Number, Sha] = {}
    reverted: dict[Number, Sha] = {}
    for line in (await repository.run(*listing)).decode(errors="replace").splitlines():
        commit, taken_back, named = line.split("\t")
        for number in _numbers(taken_back):
            if number not in landed:
                reverted.setdefault(number, commit)
        for number in _numbers(named):
            if number not in reverted:
                landed.setdefault(number, commit)
    found = await _remembered(repository, ref)
    for number, revert in reverted.items():
        if number in found and await is_ancestor(repository, found[number], revert):
            del found[number]
    return found | {number: commit for number, commit in landed.items() if number not in found}


def _numbers(named: str) -> list[Number]:
    return [int(number) for number in named.split(",") if number.isdecimal()]


async def remember_landing(repository: Repository, number: Number, commit: Sha) -> None:
    """Keep by a ref of ours what landed as a commit that does not say so: somebody else made it, or a rebase."""
    said = await repository.run("log", "-1", "--format=%(trailers:key=Mawep-Gate,valueonly)", commit, "--")
    if not said.strip():
        await hold(repository, f"{LANDED}{number}", commit)


async def _remembered(repository: Repository, ref: str) -> dict[Number, Sha]:
    """What is remembered to have landed, if the ref contains it."""
    kept = {name.removeprefix(LANDED): sha for name, sha in (await list_refs(repository, LANDED)).items()}
    return {
        int(number): sha
        for number, sha in kept.items()
        if number.isdecimal() and await is_ancestor(repository, sha, ref)
    }
