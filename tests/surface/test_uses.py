"""Who uses what a change breaks."""

from __future__ import annotations

import pytest

from mawep.surface.offers import Break
from mawep.surface.texts import Reader

PATHS = frozenset(
    {"src/shop/__init__.py", "src/shop/prices.py", "src/shop/views/__init__.py", "web/lib/api.ts"}
)
PRICES = "src/shop/prices.py"

USED = [
    ("src/shop/cart.py", PRICES, "from shop.prices import price\n", "price"),
    ("src/shop/cart.py", PRICES, "from .prices import price as p\n", "price"),
    ("src/shop/cart.py", PRICES, "from . import prices\nprices.price(1)\n", "price"),
    ("src/shop/views/list.py", PRICES, "from ..prices import price\n", "price"),
    ("src/shop/cart.py", PRICES, "from .prices import *\nprice(1)\n", "price"),
    ("tests/test_it.py", PRICES, "import shop.prices\nshop.prices.price(1)\n", "price"),
    ("tests/test_it.py", PRICES, "def f():\n    from shop.prices import Store\n    Store().price(1)\n", "Store.price"),
    ("src/shop/cart.py", PRICES, "from .prices import open_store\nopen_store().price(1)\n", "Store.price"),
    ("src/shop/cart.py", "src/shop/__init__.py", "from shop import price\n", "price"),
    ("src/shop/prices.py", PRICES, "def other(): price(1)\n", "price"),
    ("src/shop/cart.py", PRICES, "from shop.prices import anything\n", ""),
    ("src/shop/cart.py", "data/prices.json", "open(HERE / 'prices.json')\n", ""),
    ("README.md", PRICES, "See `src/shop/prices.py`.\n", ""),
    ("web/app/view.ts", "web/lib/api.ts", "import { load } from '../lib/api';\n", "load"),
    ("web/app/view.ts", "web/lib/api.ts", "import { load as l } from '@/lib/api';\n", "load"),
    ("web/app/view.js", "web/lib/api.ts", "const api = require('../lib/api.js');\napi.load();\n", "load"),
    ("web/app/view.ts", "web/lib/api.ts", "import * as api from '../lib/api';\napi.load();\n", "load"),
    ("web/app/view.ts", "web/lib/index.ts", "import load from '../lib';\n", "default"),
    ("web/app/index.ts", "web/lib/api.ts", "export { load } from '../lib/api';\n", "load"),
    ("cmd/main.go", "cmd/load.go", "err := load(1)\n", "load"),
]  # fmt: skip

UNUSED = [
    ("src/shop/cart.py", PRICES, "from shop.prices import other\nprice = 1\n", "price"),
    ("src/shop/cart.py", PRICES, "price(1)\n", "price"),
    ("src/shop/cart.py", PRICES, "import prices\nprices.price(1)\n", "price"),
    ("src/shop/cart.py", PRICES, "from shop.prices import Store\nStore().other()\n", "Store.price"),
    ("src/shop/cart.py", "src/other/prices.py", "from .prices import price\n", "price"),
    ("src/shop/prices.py", PRICES, "def other(): pass\n", "price"),
    ("src/shop/cart.py", PRICES, "from shop.other import anything\n", ""),
    ("web/app/view.ts", "web/lib/api.ts", "import { other } from '../lib/api';\n", "load"),
    ("web/app/view.ts", "web/lib/api.ts", "import { load } from 'api';\n", "load"),
    ("cmd/main.go", "cmd/load.go", "err := unload(1)\n", "load"),
    ("web/view.ts", "src/load.py", "load(1)\n", "load"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "changed", "text", "name"), USED)
def test_a_use_is_found(path: str, changed: str, text: str, name: str) -> None:
    one, other = Break(name, "before", None), Break("unheard_of", "before", None)
    assert Reader(path, text).uses(changed, [other, one], PATHS) == [one]


@pytest.mark.parametrize(("path", "changed", "text", "name"), UNUSED)
def test_what_is_not_used_is_left_alone(path: str, changed: str, text: str, name: str) -> None:
    assert Reader(path, text).uses(changed, [Break(name, "before", None)], PATHS) == []
