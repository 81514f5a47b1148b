"""A tuning that is stopped at any step and continued ends in the same bits; its folder refuses other runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tuning_cases import Hungry, pictures, small

from codelayer.errors import RunError, SentenceError
from codelayer.transfer.finetune import FineTunedClassifier

X, Y = pictures()


@pytest.fixture(scope="module")
def stopped(tmp_path_factory) -> dict:
    script = Path(__file__).with_name("stopped_tunings.py")
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path_factory.mktemp("runs"))], env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("case", ["unfreeze", "cached", "gradient"])
def test_interrupted_and_killed_at_any_step_it_ends_in_the_same_bits(stopped, case):
    found = stopped[case]
    assert found["ends"] == [130, -9, 130, -9], "every stop came while it was at work"
    assert found["equal"] and found["again"] and found["moved"]


def model(run: Path, **options) -> FineTunedClassifier:
    return FineTunedClassifier(small(), **({"epochs": 4, "batch_size": 12, "random_state": 0, "run": run} | options))


def test_a_loop_that_is_left_goes_on_where_it_was(tmp_path):
    for epoch in model(tmp_path / "run").fit_epochs(X, Y):
        if epoch.number == 2:
            break
    numbers = [epoch.number for epoch in model(tmp_path / "run").fit_epochs(X, Y)]
    assert numbers == [3, 4]
    whole = FineTunedClassifier(small(), epochs=4, batch_size=12, random_state=0).fit(X, Y)
    assert np.array_equal(model(tmp_path / "run").fit(X, Y).transform(X), whole.transform(X))


def test_a_split_run_with_dropout_that_is_left_ends_in_the_same_bits(tmp_path):
    def split(run: Path | None) -> FineTunedClassifier:
        net = small(norm=False, drop=0.5)
        net.net.b2.add_module("hungry", Hungry(6))
        return FineTunedClassifier(net, epochs=4, batch_size=12, random_state=0, run=run)

    with pytest.warns(UserWarning, match="split into parts of 6"):
        whole = split(None).fit(X, Y)
        for epoch in split(tmp_path / "run").fit_epochs(X, Y):
            if epoch.number == 2:
                break
    with pytest.warns(UserWarning, match="split into parts of 6"):
        resumed = split(tmp_path / "run").fit(X, Y)
    assert np.array_equal(resumed.transform(X), whole.transform(X))
    assert np.array_equal(resumed.head_weight_, whole.head_weight_) and resumed.notes_ == whole.notes_


def test_a_folder_of_another_run_or_of_other_rows_is_refused(tmp_path):
    model(tmp_path / "run").fit(X, Y)
    with pytest.raises(RunError, match="epochs=4, now epochs=5"):
        model(tmp_path / "run", epochs=5).fit(X, Y)
    with pytest.raises(RunError, match="other data"):
        model(tmp_path / "run").fit(X, (Y + 1) % 3)
    with pytest.raises(RunError, match="backbone"):
        FineTunedClassifier(small(seed=1), epochs=4, batch_size=12, random_state=0, run=tmp_path / "run").fit(X, Y)


def test_between_epochs_it_predicts_and_looking_changes_nothing():
    looked, plain = (FineTunedClassifier(small(drop=0.3), epochs=4, batch_size=12, random_state=0) for _ in range(2))
    scores = [looked.score(X, Y) for _ in looked.fit_epochs(X, Y)]
    assert len(scores) == 4
    assert np.array_equal(looked.transform(X), plain.fit(X, Y).transform(X))


def test_a_run_without_a_seed_takes_one_from_its_rows(tmp_path):
    first = model(tmp_path / "run", random_state=None).fit(X, Y)
    again = model(tmp_path / "run", random_state=None).fit(X, Y)
    assert np.array_equal(first.transform(X), again.transform(X))


def test_a_run_that_diverged_may_begin_anew_with_other_options(tmp_path):
    net = small(norm=False)
    options = {"start": "random", "random_state": 0, "run": tmp_path / "run", "schedule": "cosine"}
    with pytest.raises(SentenceError, match="no longer finite"):
        FineTunedClassifier(net, learning_rate=1e30, **options).fit(X, Y)
    FineTunedClassifier(net, learning_rate=0.001, **options).fit(X, Y)
