"""Advice that is stopped and asked for again goes on where it was, to the same answer."""

from __future__ import annotations

import numpy as np
import pytest
from transfer_cases import net_file, pictures

from codelayer.errors import CodelayerError
from codelayer.transfer import advise
from codelayer.transfer.kept import KeptScores, clear
from codelayer.transfer.scoring import Scored


def scored(seed: int = 0) -> Scored:
    return Scored(np.random.default_rng(seed).random(7), 1.5, True)


def never() -> Scored:
    raise AssertionError("what is known was scored again")


def test_a_known_score_comes_back_with_its_bits_its_seconds_and_its_kind(tmp_path):
    kept = KeptScores(tmp_path / "kept", "these rows")
    made = kept("linear head", scored)
    again = kept("linear head", never)
    np.testing.assert_array_equal(again.points, made.points)
    assert (again.seconds, again.share) == (1.5, True)
    clear(tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_other_rows_or_another_name_have_a_score_of_their_own(tmp_path):
    KeptScores(tmp_path, "these rows")("linear head", scored)
    for about, name in (("other rows", "linear head"), ("these rows", "forest")):
        assert KeptScores(tmp_path, about)(name, lambda: scored(1)).points[0] == scored(1).points[0]


@pytest.mark.parametrize("content", [b"", b"half", b"\xff" * 80])
def test_a_broken_file_is_scored_again_and_what_failed_is_not_kept(tmp_path, content):
    kept = KeptScores(tmp_path, "these rows")
    with pytest.raises(CodelayerError):
        kept("svm", lambda: (_ for _ in ()).throw(CodelayerError("no", "so")))
    assert not list(tmp_path.iterdir())
    kept("svm", scored)
    next(tmp_path.iterdir()).write_bytes(content)
    assert kept("svm", lambda: scored(2)).points[0] == scored(2).points[0]


def test_the_same_call_takes_every_score_from_where_it_was_kept_and_other_labels_none(tmp_path):
    x, y = pictures(18)
    net, keep = f"file:{net_file(tmp_path)}", tmp_path / "keep"
    one, two = (advise(net, x, y, 1, cache=None, keep=keep).record() for _ in range(2))
    assert one["candidates"] == two["candidates"]  # seconds and all
    known = {path.name for path in keep.iterdir()}
    advise(net, x, np.roll(y, 1), 0, cache=None, keep=keep)
    assert len({path.name for path in keep.iterdir()} - known) >= 7
