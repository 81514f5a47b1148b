"""A card that was stopped goes on: readings are kept by what they were made of, and come back bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from codelayer.errors import RunError
from codelayer.measure import METRICS, Reading, card
from codelayer.measure.given import given
from codelayer.measure.unfinished import Unfinished, clear, content_of

RNG = np.random.default_rng(0)
X = RNG.standard_normal((90, 6))
Y = np.arange(90) % 3
ONLY = ("linear_area", "trustworthiness", "hoyer", "nuisance_area", "local_smoothness", "silhouette")
JOB = ("code", "hoyer", "")


def encode(x: np.ndarray) -> np.ndarray:
    return np.asarray(x).reshape(len(x), -1)[:, :3]


def settled(found: dict) -> list[dict]:
    return [{**row, "seconds": 0} for row in found["metrics"]]


def measured(keep: Path | None, **other: object) -> dict:
    told = {"labels": Y, "x": X, "encode": encode, "nuisance": {"site": Y % 2}, "only": ONLY} | other
    return card(encode(X), keep=keep, **told)


def test_a_card_asked_for_again_takes_every_reading_over(tmp_path):
    whole, first = measured(None), measured(tmp_path / "kept")
    assert len(list((tmp_path / "kept").iterdir())) > 2 * len(first["metrics"])  # rivals and shuffled codes as well
    again = measured(tmp_path / "kept")
    assert settled(first) == settled(whole) == settled(again)
    assert [row["seconds"] for row in again["metrics"]] == [row["seconds"] for row in first["metrics"]]
    for store in ("points", "replicates"):
        mine, theirs = getattr(again, store), getattr(whole, store)
        assert list(mine) == list(theirs) and all(np.array_equal(mine[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize(
    "other",
    [
        {"x": X + 1e-9},
        {"labels": Y[::-1]},
        {"labels": list("abc" * 30)},
        {"nuisance": {"place": Y % 2}},
        {"encode": lambda x: encode(x) * (1 + 1e-6)},
        {"encode": lambda x: encode(np.where(np.abs(x) > 2, 9.0, x))},
        {"seed": 1},
    ],
    ids=["x", "labels", "named labels", "a nuisance's name", "encode", "encode of some rows", "seed"],
)
def test_what_was_measured_on_anything_else_is_not_taken_over(other):
    plain = {"labels": Y, "x": X, "encode": encode, "nuisance": {"site": Y % 2}}
    seed = other.get("seed", 0)
    changed = plain | {name: one for name, one in other.items() if name != "seed"}
    assert content_of(given(encode(X), None, plain), 0) == content_of(given(encode(X), None, dict(plain)), 0)
    assert content_of(given(encode(X), None, plain), 0) != content_of(given(encode(X), None, changed), seed)


def test_readings_come_back_whole_and_damaged_files_are_not_known(tmp_path):
    kept = Unfinished(tmp_path / "kept", "abc")
    points = RNG.standard_normal((5, 2)).astype(np.float32)
    reading = Reading(0.1 + 0.2, -0.0, None, 5, 1 / 3, "a note", {"b": [1, 2.5], "\u00e9": {"c": "d"}}, points)
    assert kept.known(JOB, {}) is None
    kept.keep(JOB, {"k": 5}, reading, 0.25)
    found, seconds = kept.known(JOB, {"k": 5})
    assert found == reading and seconds == 0.25 and np.array_equal(found.points, points) and found.replicates is None
    assert kept.known(JOB, {"k": 6}) is None and kept.known(("raw", "hoyer", ""), {"k": 5}) is None
    assert Unfinished(tmp_path / "kept", "abd").known(JOB, {"k": 5}) is None
    (path,) = (tmp_path / "kept").iterdir()
    for content in (path.read_bytes()[:-3], b"", b"nothing"):
        path.write_bytes(content)
        assert kept.known(JOB, {"k": 5}) is None


def test_a_decoder_that_nobody_can_ask_is_no_reason_to_lose_the_card(tmp_path):
    found = card(X, decode=lambda z: 1 / 0, keep=tmp_path, only=("hoyer",))
    assert [row["name"] for row in found["metrics"]] == ["hoyer"]


def test_a_reading_that_failed_is_tried_again(tmp_path):
    card(np.ones((20, 2)), keep=tmp_path, only=("participation_ratio",))
    assert not any(tmp_path.iterdir())


def test_what_a_killed_writer_left_half_written_is_cleared_too(tmp_path):
    kept = Unfinished(tmp_path / "kept", "abc")
    kept.keep(JOB, {}, METRICS["hoyer"].read({"codes": X}), 1.0)
    reading = next((tmp_path / "kept").iterdir())
    reading.with_name(f".{reading.name}.0a1b2c3d.tmp").write_bytes(b"half")
    clear(tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_only_readings_are_cleared(tmp_path):
    kept = Unfinished(tmp_path / "kept", "abc")
    kept.keep(JOB, {}, METRICS["hoyer"].read({"codes": X}), 1.0)
    clear(tmp_path / "kept")
    assert not (tmp_path / "kept").exists()
    kept.keep(JOB, {}, METRICS["hoyer"].read({"codes": X}), 1.0)
    (tmp_path / "kept" / "mine.txt").write_text("mine", encoding="utf-8")
    clear(tmp_path / "kept")
    assert [one.name for one in (tmp_path / "kept").iterdir()] == ["mine.txt"]
    clear(tmp_path / "nothing")


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_folder_that_cannot_be_written_is_said_before_anything_is_measured(tmp_path, place):
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    asked = []
    with pytest.raises(RunError, match="cannot be written"):
        card(X, only=("hoyer",), keep=tmp_path / place, progress=lambda *told: asked.append(told))
    assert not asked and (tmp_path / "file").read_text(encoding="utf-8") == "mine"


def test_looking_whether_a_folder_can_be_written_leaves_nothing(tmp_path):
    Unfinished(tmp_path / "new" / "kept", "abc").opened()
    assert not any(tmp_path.iterdir())
