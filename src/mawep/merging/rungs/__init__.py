"""The rungs of the ladder, in the order in which they are tried."""

from mawep.merging.offers import Rung, Trust
from mawep.merging.rungs import added, entries, frame, imports, news, same, trees, versions, weave

ADJACENT = Rung("adjacent lines", weave.adjacent, Trust.LIKELY)
TREES = Rung("trees", trees.offers, Trust.LIKELY)

RUNGS = (
    Rung("same change", same.offers, Trust.CERTAIN),
    Rung("formatting", same.beside_new_text, Trust.LIKELY),
    Rung("disjoint tokens", weave.disjoint, Trust.LIKELY),
    Rung("versions", versions.offers, Trust.LIKELY),
    Rung("imports", imports.offers, Trust.LIKELY),
    Rung("news", news.offers, Trust.LIKELY),
    Rung("entries", entries.offers, Trust.LIKELY),
    ADJACENT,
    TREES,
    Rung("both added", added.independent, Trust.LIKELY),
    Rung("block tokens", weave.block, Trust.GUESS),
    Rung("close tokens", weave.close, Trust.GUESS),
    Rung("union", added.union, Trust.GUESS),
    Rung("common lines", frame.offers, Trust.GUESS),
)


def trusted(trust: Trust) -> tuple[Rung, ...]:
    """The rungs whose offers are worth at least that much."""
    return tuple(rung for rung in RUNGS if rung.trust <= trust)
