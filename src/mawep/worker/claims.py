"""Who may write what, as it stands now: what an attempt was told at its beginning, and every change since."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Iterable

from mawep.coordination import payloads as wire
from mawep.core.claims import covers, is_protected


class ClaimPolicy:
    """Refuses what others have claimed; what an issue declared or asked for is its own."""

    def __init__(self, claimed: Iterable[str], protected: list[str]) -> None:
        self._claimed = dict.fromkeys(claimed)
        self._protected = protected

    def verdict(self, path: str) -> str | None:
        """None when the path may be written."""
        path = posixpath.normpath(path)
        if path == ".." or path.startswith(("/", "../")):
            return "it is outside the worktree"
        if any(covers(pattern, path) for pattern in self._claimed):
            return "another issue has claimed it"
        if is_protected(path, self._protected):
            return "it is a protected path"
        return None

    def protects(self, path: str) -> bool:
        """True when nobody may write the path."""
        return is_protected(path, self._protected)

    def change(self, taken: Iterable[str], released: Iterable[str]) -> None:
        """Others have claimed more, or given something back."""
        self._claimed.update(dict.fromkeys(taken))
        for pattern in released:
            self._claimed.pop(pattern, None)


class Claims:
    """What has changed since the attempts here were told what others claim; each policy follows."""

    def __init__(self) -> None:
        self._taken: dict[int, dict[str, None]] = defaultdict(dict)
        self._policies: dict[int, ClaimPolicy] = {}

    def policy(self, issue: int, work: wire.Assignment) -> ClaimPolicy:
        """The policy of an attempt that begins now; it takes the place of an earlier one of the same issue."""
        news = [path for holder, paths in self._taken.items() if holder != issue for path in paths]
        made = self._policies[issue] = ClaimPolicy([*work.claims_of_others, *news], work.protected)
        return made

    def of(self, issue: int) -> ClaimPolicy | None:
        """The policy of the attempt at work on an issue."""
        return self._policies.get(issue)

    def change(self, news: wire.ClaimsChanged) -> None:
        """Take it in, and let every other attempt's policy follow."""
        taken = self._taken[news.issue]
        taken.update(dict.fromkeys(news.taken))
        for path in news.released:
            taken.pop(path, None)
        if not taken:
            del self._taken[news.issue]
        for issue, policy in self._policies.items():
            if issue != news.issue:
                policy.change(news.taken, news.released)

    def forget(self, issue: int) -> None:
        """No attempt on the issue is at work here any more."""
        self._policies.pop(issue, None)
