"""A landing that changes what another agent uses: it is told while it works, and may bring it into its branch."""

from __future__ import annotations

from pathlib import Path

import pytest

from mawep.core import events as ev
from tests.support.world import World

pytestmark = pytest.mark.e2e

FILES = {
    "shop/__init__.py": "",
    "shop/prices.py": "def price(item):\n    return 1\n",
}
CHANGE = "printf 'def price(item, currency):\\n    return 1\\n' > shop/prices.py\n"
USE = "printf 'from shop.prices import price\\nprint(price(1))\\n' > shop/cart.py\n"
WAIT = """\
for i in $(seq 600); do mawep agent messages > told; grep -q 'git merge' told && break; sleep 0.1; done
cp told "$root/told"; rm told
"""
GIT = "git -c user.name=a -c user.email=a@example.invalid"
MEND = f"""\
sed -i 's/price(1)/price(1, "eur")/' shop/cart.py
git add -A; {GIT} commit -q -m 'a cart'
{GIT} merge -q --no-edit $(grep -o 'git merge [0-9a-f]*' "$root/told" | cut -d' ' -f3)
"""


def world_of(root: Path, **more: dict[str, object]) -> World:
    """#101 changes a function and lands; #102 has begun to use it as it was, and goes on when #101 has landed."""
    world = World(
        root, FILES, verify={"commands": ["! test -e shop/cart.py || python3 -m shop.cart"]}, **more
    )
    world.issue(101)
    world.issue(102)
    world.agent(101, World.until_let("used") + CHANGE)
    return world


def test_who_uses_what_a_landing_changes_is_told_and_lands_with_it(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    world.agent(102, USE + WAIT + MEND)
    mawep = world.begin_start()
    mawep.until(
        "what #102 writes is seen", lambda: [e for e in world.events(ev.FilesTouched) if e.issue == 102]
    )
    world.let("used")
    ended = mawep.wait()
    assert set(ended.states.values()) == {"landed"}, ended.said
    (message,) = world.events(ev.MessageSent)
    assert message.issue == 102 and message.foreign
    told = (tmp_path / "told").read_text()
    assert "price(item)\n    is now price(item, currency)" in told and "used in shop/cart.py" in told
    assert "+def price(item, currency):" in told
    assert not world.events(ev.RepairIntended), "its first candidate was good"


def test_nobody_is_told_where_that_is_off(tmp_path: Path) -> None:
    world = world_of(tmp_path, conflict_resolution={"on_breaking_change": "off"})
    world.agent(102, 'touch "$root/used"\n' + USE.replace("price(1)", "1"))
    ended = world.begin_start().wait()
    assert set(ended.states.values()) == {"landed"}, ended.said
    assert not world.events(ev.BreaksSought) and not world.events(ev.MessageSent)
