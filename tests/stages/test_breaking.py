"""What a move of the target breaks of live work, on a real repository."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from mawep.adapters.git import find_repository
from mawep.stages.breaking import MOST_SHOWN, Work, broken_by
from tests.support.repos import branch, commit, git, head, make_repository, write

FILES: dict[str, str | bytes] = {
    "shop/__init__.py": "",
    "shop/prices.py": "LIMIT = 3\n\n\ndef price(item):\n    return 1\n\n\ndef other():\n    return 2\n",
    "shop/cart.py": "from shop.prices import price\n\n\ndef total():\n    return price('a')\n",
    "shop/apart.py": "from shop.prices import other\n",
    "web/api.ts": "export function load(a: number) {}\n",
    "web/view.ts": "import { load } from './api';\n",
    "data/rates.json": "{}\n",
    "shop/rates.py": "open('data/rates.json')\n",
    "logo.png": b"\0\1",
}
PRICES = "LIMIT = 4\n\n\ndef price(item, currency):\n    return 1\n\n\ndef other():\n    return 2\n"


class Target:
    """A repository whose target has moved by one landing, and one attempt that began before."""

    def __init__(self, place: Path, changes: Mapping[str, str | bytes | None]) -> None:
        self.path = make_repository(place, FILES)
        self.base = head(self.path)
        self.new = commit(self.path, changes, "prices in currencies (#7)")
        git(self.path, "switch", "-q", "--detach", self.base)
        git(self.path, "branch", "here", self.base)
        git(self.path, "switch", "-q", "here")

    async def told(self, *files: str, at: str | None = None, worktree: Path | None = None) -> str:
        """What is told of it."""
        work = Work(2, 1, self.base, at, files, worktree)
        found = await broken_by(await find_repository(self.path), self.base, self.new, [work])
        assert all((broken.issue, broken.attempt) == (2, 1) for broken in found)
        return found[0].text if found else ""


async def test_who_uses_what_has_changed_is_told_what_and_where_and_shown_the_difference(
    tmp_path: Path,
) -> None:
    target = Target(tmp_path, {"shop/prices.py": PRICES})
    told = await target.told("shop/cart.py")
    assert told.startswith("What landed changes shop/prices.py:\nprices in currencies (#7)\n")
    assert "shop/prices.py, used in shop/cart.py:" in told
    assert "price(item)\n    is now price(item, currency)" in told
    assert "-def price(item):\n+def price(item, currency):" in told
    assert "LIMIT =" not in told.partition("---")[0], "which it does not use"
    assert await target.told("shop/apart.py") == ""
    assert "used in shop/cart.py" in await target.told("shop/**"), "a pattern stands for its files"
    assert await target.told("**/*.md") == ""


async def test_a_constant_a_file_and_another_language_count(tmp_path: Path) -> None:
    changes: dict[str, str | bytes | None] = {
        "web/api.ts": "export function load(a: string) {}\n",
        "data/rates.json": '{"eur": 1}\n',
        "shop/prices.py": None,
        "logo.png": b"\0\2",
    }
    target = Target(tmp_path, changes)
    assert "load(a: number)\n    is now load(a: string)" in await target.told("web/view.ts")
    assert "data/rates.json, used in shop/rates.py:\n  the file is another" in await target.told(
        "shop/rates.py"
    )
    assert "the file is gone" in await target.told("shop/apart.py")


async def test_what_a_package_passes_on_is_used_by_who_imports_the_package(tmp_path: Path) -> None:
    path = make_repository(
        tmp_path,
        {
            "shop/__init__.py": "from .money import price\n",
            "shop/money/__init__.py": "from .prices import *\n",
            "shop/money/prices.py": PRICES.replace("4", "3"),
            "shop/cart.py": "from shop import price\n\nprice(1, 2)\n",
            "shop/deep.py": "from shop.money import LIMIT\n\nprint(LIMIT)\n",
            "shop/apart.py": "from shop import other\n\nother()\n",
            "web/index.ts": "export * from './parts';\n",
            "web/parts/index.ts": "export { load } from './api';\nimport './style';\n",
            "web/parts/api.ts": "export function load(a: number) {}\n",
            "web/view.ts": "import { load } from '.';\nload(1);\n",
            "page.ts": "import { load } from './web';\nload(1);\n",
        },
    )
    old = head(path)
    prices = PRICES.replace("price(item, currency)", "price(item, country)")
    new = commit(
        path, {"shop/money/prices.py": prices, "web/parts/api.ts": "export function load(a: string) {}\n"}
    )

    async def told(file: str) -> str:
        works = [Work(2, 1, old, None, (file,), None)]
        return "".join(
            broken.text for broken in await broken_by(await find_repository(path), old, new, works)
        )

    assert "shop/money/prices.py, used in shop/cart.py:\n  price(item, currency)" in await told(
        "shop/cart.py"
    )
    assert "LIMIT = 3\n    is now LIMIT = 4" in await told("shop/deep.py")
    assert await told("shop/apart.py") == ""
    assert "web/parts/api.ts, used in web/view.ts:" in await told("web/view.ts")
    assert "web/parts/api.ts, used in page.ts:" in await told("page.ts")


async def test_what_an_attempt_has_committed_and_what_it_only_edited_count(tmp_path: Path) -> None:
    target = Target(tmp_path, {"shop/prices.py": PRICES})
    user = "from .prices import price\n"
    assert "used in shop/new.py" in await target.told(at=branch(target.path, "work", {"shop/new.py": user}))
    write(target.path / "shop/edited.py", user)
    assert "used in shop/edited.py" in await target.told("shop/edited.py", worktree=target.path)
    write(target.path / "shop/cart.py", "")
    assert await target.told("shop/cart.py", worktree=target.path) != "", "an empty file is being written"
    write(target.path / "shop/cart.py", "pass\n")
    assert await target.told("shop/cart.py", worktree=target.path) == "", "it does not use it any more"


async def test_nothing_strange_in_a_worktree_is_read(tmp_path: Path) -> None:
    target = Target(tmp_path / "repo", {"shop/prices.py": PRICES})
    (tmp_path / "outside.py").write_text("from shop.prices import price\n")
    (target.path / "link.py").symlink_to(tmp_path / "outside.py")
    (target.path / "way").symlink_to(tmp_path)
    os.mkfifo(target.path / "shop" / "pipe.py")
    write(target.path / "shop/large.py", "from shop.prices import price\n" * 20_000)
    strange = (
        "link.py",
        "way/outside.py",
        "shop/pipe.py",
        "shop/large.py",
        "../outside.py",
        "gone.py",
    )
    assert await target.told(*strange, worktree=target.path) == ""


async def test_who_has_merged_it_already_is_not_told(tmp_path: Path) -> None:
    target = Target(tmp_path, {"shop/prices.py": PRICES})
    git(target.path, "merge", "-q", target.new)
    assert await target.told("shop/cart.py", at=head(target.path)) == ""


async def test_what_is_told_is_bounded(tmp_path: Path) -> None:
    many = "".join(f"def price_{n}(item): pass\n" for n in range(2000))
    FILES_ = {"shop/many.py": many, "shop/user.py": "from shop.many import *\n" + "price_1\n"}
    path = make_repository(tmp_path, FILES_)
    old = head(path)
    new = commit(path, {"shop/many.py": many.replace("item", "item, currency")}, "x" * 3000)
    (found,) = await broken_by(
        await find_repository(path), old, new, [Work(2, 1, old, None, ("shop/user.py",), None)]
    )
    assert len(found.text) <= MOST_SHOWN and "more lines)" in found.text
