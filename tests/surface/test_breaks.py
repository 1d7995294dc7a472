"""What a change of a file breaks for others."""

from __future__ import annotations

import pytest

from mawep.surface.texts import breaks

BROKEN = [
    ("a.py", "def f(a): pass\n", "", "f"),
    ("a.py", "def f(a): pass\n", "def f(a, b): pass\n", "f"),
    ("a.py", "def f(a, b): pass\n", "def f(a): pass\n", "f"),
    ("a.py", "def f(a, b): pass\n", "def f(b, a): pass\n", "f"),
    ("a.py", "def f(a, b=1): pass\n", "def f(a, b): pass\n", "f"),
    ("a.py", "def f(a, b=1): pass\n", "def f(a, *, b=1): pass\n", "f"),
    ("a.py", "def f(*, a=1): pass\n", "def f(*, b=1): pass\n", "f"),
    ("a.py", "def f(*a, **b): pass\n", "def f(*a): pass\n", "f"),
    ("a.py", "def f(*a: int): pass\n", "def f(): pass\n", "f"),
    ("a.py", "def f() -> int: pass\n", "def f() -> str: pass\n", "f"),
    ("a.py", "def f(): pass\n", "async def f(): pass\n", "f"),
    ("a.py", "if x:\n    def f(): pass\n", "if x:\n    pass\n", "f"),
    ("a.py", "LIMIT = 3\n", "LIMIT = 4\n", "LIMIT"),
    ("a.py", "LIMIT: int = 3\n", "", "LIMIT"),
    ("a.py", "load = make()\n", "", "load"),
    ("a.py", "TABLE = {'a': 1}\n", "TABLE = {'a': 2}\n", "TABLE"),
    ("a.py", "class A(B): pass\n", "class A(C): pass\n", "A"),
    ("a.py", "class A:\n    def m(self): pass\n", "", "A"),
    ("a.py", "class A:\n    def m(self): pass\n", "class A:\n    def n(self): pass\n", "A.m"),
    ("a.py", "class A:\n    def m(self): pass\n", "class A:\n    @property\n    def m(self): pass\n", "A.m"),
    ("a.py", "class A:\n    def __init__(self): pass\n", "class A:\n    def __init__(self, b): pass\n", "A"),
    ("a.py", "@dataclass\nclass A:\n    a: int\n", "@dataclass\nclass A:\n    a: int\n    b: int\n", "A"),
    ("a.py", "class A:\n    a = 1\n", "class A:\n    b = 1\n", "A.a"),
    ("a.ts", "export function f(a: number) {}\n", "export function f(a: string) {}\n", "f"),
    ("a.ts", "export function f(a: number): X {}\n", "export function f(a: number): Y {}\n", "f"),
    ("a.ts", "export function f(a?: number) {}\n", "export function f(a: number) {}\n", "f"),
    ("a.ts", "export const f = (a: A) => a;\n", "export const f = (a: A, b: B) => a;\n", "f"),
    ("a.ts", "export interface I { a: A }\n", "export interface I { a: A; b: B }\n", "I"),
    ("a.ts", "export type T = A | B;\n", "export type T = A;\n", "T"),
    ("a.ts", "export enum E { A, B }\n", "export enum E { A }\n", "E"),
    ("a.ts", "export class A { m(a: X) {} }\n", "export class A { m(a: Y) {} }\n", "A.m"),
    ("a.ts", "export class A { constructor(a: X) {} }\n", "export class A { constructor() {} }\n", "A"),
    ("a.ts", "export class A extends B {}\n", "export class A extends C {}\n", "A"),
    ("a.tsx", "export default function View(a) { return <p/>; }\n", "export const View = 1;\n", "default"),
    ("a.js", "function f(a) {}\nexport { f as g };\n", "function f(a, b) {}\nexport { f as g };\n", "g"),
    ("a.js", "export const LIMIT = 3;\n", "export const LIMIT = 4;\n", "LIMIT"),
    ("a.js", "function f(a) {}\nmodule.exports = { f };\n", "function f(a, b) {}\nmodule.exports = { f };\n", "f"),
    ("a.js", "exports.f = function (a) {};\n", "exports.f = function () {};\n", "f"),
    ("a.js", "module.exports = { f: (a) => a };\n", "module.exports = {};\n", "f"),
    ("a.js", "class A {}\nexport default A;\n", "export default 1;\n", "default"),
    ("a.js", "export const f = a => a;\n", "export const f = () => 1;\n", "f"),
    ("a.js", "export function f({ a }) {}\n", "export function f({ b }) {}\n", "f"),
    ("a.go", "func Load(a int) error {\n", "func Load(a, b int) error {\n", "Load"),
    ("a.rs", "pub fn load(a: u8) {\n", "", "load"),
    ("a.c", "#define LIMIT 3\n", "#define LIMIT 4\n", "LIMIT"),
    ("a.py", "def f(): pass\n", None, ""),
    ("a.json", "{}", '{"a": 1}', ""),
    ("a.md", "words\n", None, ""),
]  # fmt: skip

FITTING = [
    ("a.py", "def f(a): pass\n", "def f(a, b=1, *c, d=2, **e): return a\n"),
    ("a.py", "def f(a, /, b): pass\n", "def f(x, /, b): pass\n"),
    ("a.py", "def f(\n    a,\n    b,\n): pass\n", "def f(a, b): pass\n"),
    ("a.py", "def f(*, a): pass\n", "def f(a): pass\n"),
    ("a.py", "def f(*, a): pass\n", "def f(**a): pass\n"),
    ("a.py", "def f(a: int, b: int = 1): pass\n", "def f(a: int | str, b: float = 2): pass\n"),
    ("a.py", "def _f(a): pass\n_LIMIT = 1\n", ""),
    ("a.py", "TABLE = {'a': 1}\n", "TABLE = {\n    'b': 2,\n    'a': 1,\n}\n"),
    ("a.py", "NAMES = ['a']\n", "NAMES = ['a', 'b']\n"),
    ("a.py", "state = 1\n", "state = 2\n"),
    ("a.py", "class A:\n    a: int\n", "class A:\n    a: int\n    b: int\n"),
    ("a.py", "class A:\n    @x.setter\n    def x(self, v): pass\n", "class A: pass\n"),
    ("a.py", "a.b = 1\nx, y = 1, 2\n", ""),
    ("a.ts", "export function f(a: A) {}\n", "export function f(b: A, c?: B, ...d: C[]) {}\n"),
    ("a.ts", "export interface I { a: A }\n", "export interface I { a: A; b?: B }\n"),
    ("a.ts", "export enum E { A }\n", "export enum E { A, B }\n"),
    ("a.ts", "export class A { private m(a: X) {} #n() {} }\n", "export class A {}\n"),
    ("a.ts", "export * from './b';\nexport { x } from './c';\n", ""),
    ("a.js", "function f(a) {}\n", ""),
    ("a.js", "f();\nx = 1;\n", ""),
    ("a.js", "export const [a, b] = [1, 2];\n", ""),
    ("a.js", "export const LIST = [1];\n", "export const LIST = [1, 2];\n"),
    ("a.go", "func Load(a int) error {\n", "// more\nfunc  Load(a int) error  {\n\treturn nil\n"),
    ("a.md", "words\n", "other words\n"),
    ("a.py", None, "def f(): pass\n"),
    ("a.json", "{}", "{}"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "before", "after", "name"), BROKEN)
def test_a_break_is_named(path: str, before: str, after: str | None, name: str) -> None:
    found = breaks(before, after, path)
    assert [one.name for one in found] == [name]
    assert found[0].before != found[0].after or not name


@pytest.mark.parametrize(("path", "before", "after"), FITTING)
def test_what_fits_every_use_is_no_break(path: str, before: str | None, after: str) -> None:
    assert breaks(before, after, path) == ()


def test_a_break_shows_both_ways_of_it() -> None:
    (found,) = breaks("def f(a: int) -> int: ...\n", "def f(a: int, *, b: str) -> int: ...\n", "a.py")
    assert (found.before, found.after) == ("f(a: int) -> int", "f(a: int, *, b: str) -> int")


def test_any_text_has_a_surface() -> None:
    for text in (
        "\0",
        "def (",
        "class",
        "export",
        "export default",
        "module.exports =",
        "((((",
        "lambda: (yield)",
    ):
        for path in ("a.py", "a.ts", "a.js", "a.go", "a.tsx"):
            breaks(text, "", path)
            breaks("", text, path)
