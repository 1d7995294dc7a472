"""From an issue to the files that it is likely to change."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mawep.core.features import Surroundings
from mawep.core.model import Issue
from mawep.core.predict.likely import MOST_LIKELY, Contents, Predictor, asked_words
from mawep.core.predict.past import Landing
from mawep.core.predict.search import holders_of
from mawep.core.predict.words import counted

FILES = {
    "src/pay.py": "def round_payment(amount): ...",
    "src/tax.py": "def tax_of(country): ...",
    "tests/test_pay.py": "from pay import round_payment",
    "docs/api.md": "endpoints",
    "CHANGELOG.md": "payments payments",
}
LANDINGS = (
    Landing("Round payments to cents", ("src/pay.py", "tests/test_pay.py")),
    Landing("Payments in euros", ("src/pay.py", "tests/test_pay.py")),
    Landing("Tax of Norway", ("src/tax.py",)),
)


def predictor(landings: tuple[Landing, ...] = LANDINGS) -> Predictor:
    words = {path: counted(text) for path, text in FILES.items() if path != "CHANGELOG.md"}
    contents = Contents(holders_of(words), {path: many.total() for path, many in words.items()})
    return Predictor(Surroundings(FILES), landings, contents)


def test_what_speaks_most_for_a_file_comes_first_and_is_named() -> None:
    found = predictor().likely(Issue(1, "Payments are rounded twice"))
    assert [one.path for one in found[:2]] == ["src/pay.py", "tests/test_pay.py"]
    assert found[0].share > 0.1
    assert found[0].why in {"text", "alike", "said"}
    assert "CHANGELOG.md" not in [one.path for one in found]


def test_declared_is_certain_and_named_nearly_so() -> None:
    issue = Issue(1, "Something", body="see src/tax.py", files=("./docs/new.md", "src/**"))
    first, second = predictor().likely(issue)[:2]
    assert (first.path, first.share, first.why) == ("docs/new.md", 1.0, "declared")
    assert (second.path, second.share, second.why) == ("src/tax.py", 0.9, "named")


def test_the_name_of_a_file_in_a_title_means_it() -> None:
    (short,) = predictor(()).likely(Issue(1, "api: explain errors"))
    assert short.why == "path"  # a name of three letters is a word like others
    files = {"src/gateway.py": "", "src/door.py": ""}
    (only,) = Predictor(Surroundings(files), (), Contents()).likely(Issue(1, "Gateway: explain errors"))
    assert (only.path, only.why) == ("src/gateway.py", "name")


def test_words_of_the_body_count_less_than_those_of_the_title() -> None:
    in_title = predictor(()).likely(Issue(1, "country"))
    in_body = predictor(()).likely(Issue(1, "payment", body="country"))
    assert in_title[0].path == "src/tax.py"
    assert in_body[0].path != "src/tax.py"


def test_what_changes_with_any_issue_is_little_likely_but_known() -> None:
    (first, *_) = predictor().likely(Issue(1, "Xyzzy"))
    assert (first.path, first.why) == ("src/pay.py", "often")
    assert first.share < 0.05


def test_where_nothing_is_known_nothing_is_predicted() -> None:
    assert Predictor(Surroundings(), (), Contents()).likely(Issue(1, "Anything")) == ()


def test_the_words_that_are_looked_for_are_known_beforehand() -> None:
    assert asked_words([Issue(1, "Round payments", body="to cents")]) == {"round", "payment", "cents"}


@given(st.text(max_size=80), st.text(max_size=200))
def test_any_text_gives_shares_in_order_and_the_same_again(title: str, body: str) -> None:
    issue = Issue(1, title, body=body)
    found = predictor().likely(issue)
    assert found == predictor().likely(issue)
    assert len(found) <= MOST_LIKELY
    shares = [one.share for one in found]
    assert shares == sorted(shares, reverse=True)
    assert all(0 < share <= 1 for share in shares)
