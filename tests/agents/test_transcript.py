"""The transcript's bounds."""

from __future__ import annotations

import json
from pathlib import Path

from mawep.agents.transcript import Transcript


def read(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(errors="surrogatepass").splitlines()]


def test_stops_at_its_limit_with_a_line_that_says_so_across_reopening(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "transcript.jsonl"
    for _ in range(2):
        transcript = Transcript(path, limit=1000)
        for _ in range(20):
            transcript.write("in", "x" * 50)
        transcript.close()
        transcript.write("in", "after the end")
    lines = read(path)
    assert path.stat().st_size < 1200
    assert [line["dir"] for line in lines].count("mawep") == 1
    assert lines[-1]["msg"] == "the transcript has reached its limit and ends here"
    assert path.stat().st_mode & 0o777 == 0o600


def test_takes_text_that_no_encoding_takes(tmp_path: Path) -> None:
    transcript = Transcript(tmp_path / "t")
    transcript.write("in", "\ud800 and ü")
    transcript.close()
    assert "ü" in (tmp_path / "t").read_text(errors="surrogatepass")
