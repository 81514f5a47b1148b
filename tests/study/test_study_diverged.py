"""A rival that diverges costs the study that rival, and nothing else."""

from __future__ import annotations

import pytest

from codelayer.data import load_data
from codelayer.report import Progress
from codelayer.study.parts import make_parts
from codelayer.study.race import Race
from codelayer.study.rivals import Rival

DIVERGES = "views(swap(0.6)) + contrast(1, temperature=1e-44)"


@pytest.mark.parametrize("beside", ["raw", "undercomplete"])
def test_a_rival_that_diverges_is_dropped_with_the_term_and_the_step(tmp_path, beside):
    parts = make_parts(load_data("iris"), None, "class", 0)
    rivals = [Rival("raw", "code", varies=False), Rival("bad", "code", DIVERGES, 3, epochs=2)]
    if beside != "raw":
        rivals.append(Rival(beside, "code", beside, 3, epochs=2))
    race = Race(parts, rivals, tmp_path, 1, 3, 0, 1)
    with Progress("race", total=race.steps, unit="fits") as progress:
        race.fit(parts.rows("train"), progress, None)
    assert [rival.name for rival in race.rivals] == ["raw", beside][: len(rivals) - 1]
    assert race.dropped == [("bad", "contrast() is no longer finite at step 1, in epoch 1")]
    assert set(race.chosen_on["linear"]) == {rival.name for rival in race.rivals}
