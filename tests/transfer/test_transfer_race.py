"""The race within a budget, and what is chosen from it."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from transfer_cases import net_file, pictures

from codelayer.errors import CodelayerError
from codelayer.transfer import open_backbone
from codelayer.transfer.candidates import DEFAULT, OWN_CANDIDATE, SCRATCH, Candidate
from codelayer.transfer.features import schema_for
from codelayer.transfer.kept import KeptScores
from codelayer.transfer.race import BudgetSpent, Race, Raced, choice, order_of
from codelayer.transfer.rawrows import small_pictures
from codelayer.transfer.scoring import Scored, always_new, folds_of
from codelayer.transfer.winner import OwnCode

pytestmark = pytest.mark.filterwarnings("ignore:pictures of", "ignore:.*unlabelled")


def raced(name: str, points, ended: str = "") -> Raced:
    return Raced(Candidate(name, "frozen", ""), Scored(np.array(points, float)), ended=ended)


def test_the_default_is_taken_unless_another_is_ahead_by_more_than_luck():
    default = raced(DEFAULT, [1, 0, 1, 0, 1, 0, 1, 0])
    lucky = raced("lucky", [1, 1, 0, 0, 1, 1, 1, 0])
    sure = raced("sure", [1, 1, 1, 1, 1, 0, 1, 1])
    assert order_of([lucky, default])[0] is default
    assert order_of([lucky, sure, default])[0] is sure
    assert order_of([raced("out", np.ones(8), ended="late"), default])[0] is default


def test_raw_rows_are_taken_where_the_net_does_not_help_and_they_are_as_good():
    default = raced(DEFAULT, [1, 1, 1, 1, 0, 1, 1, 1])
    raw = Raced(Candidate("raw", "raw", ""), Scored(np.array([1, 1, 1, 0, 1, 1, 0, 1.0])))
    worse = Raced(Candidate("raw", "raw", ""), Scored(np.array([1, 0, 0, 0, 0, 1, 0, 1.0])))
    assert choice([default, raw], helps=False) is raw
    assert choice([default, raw], helps=True) is default
    assert choice([default, worse], helps=False) is default
    with pytest.raises(CodelayerError, match="no candidate finished"):
        choice([raced("x", [1, 0], ended="late")], helps=True)


def test_candidates_that_train_climb_and_the_worse_half_drops_out_but_for_scratch():
    asked = []

    class Planted(Race):
        def trained(self, one, share):
            asked.append((one.name, round(share, 2)))
            return Scored(np.full(9, float(one.options["worth"])) + np.linspace(-0.01, 0.01, 9))

    y = np.arange(9) % 3
    ways = [Candidate(f"way {i}", "tuned", "", options={"worth": i / 10}) for i in range(4)]
    scratch = Candidate("scratch", SCRATCH, "", options={"worth": 0.0})
    race = Planted({"a": np.zeros((9, 2))}, np.zeros((9, 2)), None, y, folds_of(y), None, 1e9)
    found = {one.candidate.name: one for one in race.run([*ways, scratch])}
    assert [name for name, share in asked if share == 1.0] == ["scratch", "way 3"]
    assert [name for name, share in asked if share < 0.2] == ["scratch", *(f"way {i}" for i in range(4))]
    assert found["way 0"].ended.startswith("behind at 11%")
    assert found["way 3"].finished and found["scratch"].finished


def test_a_spent_budget_ends_training_and_says_so():
    class Slow(Race):
        def trained(self, one, share):
            self.now += 100 * share
            return Scored(np.ones(9))

    y = np.arange(9) % 3
    race = Slow({"a": np.zeros((9, 2))}, np.zeros((9, 2)), None, y, folds_of(y), None, 20.0)
    race.now = 0.0
    race.clock = lambda: race.now
    (found,) = race.run([Candidate("way", "tuned", "")])
    assert not found.finished
    assert "budget of 20 s" in found.ended
    assert found.share == pytest.approx(1 / 9)


class Timed(Race):
    """Training that takes so many seconds an epoch, of 90, by a clock of its own."""

    now, pace = 0.0, 1.0

    def trained(self, one, share):
        for _ in range(round(90 * share)):
            self.go_on()
            self.now += 10.0 if one.name == "slow" else self.pace
        return Scored(np.ones(9))


def timed(budget: float, once=always_new) -> Timed:
    y = np.arange(9) % 3
    race = Timed({"a": np.zeros((9, 2))}, np.zeros((9, 2)), None, y, folds_of(y), None, budget, once=once)
    race.clock = lambda: race.now
    return race


def test_the_next_rung_is_foretold_from_the_last_one_alone():
    way = Candidate("way", "tuned", "")
    assert not timed(129.5).run([way])[0].finished  # 10, 30 and 90 s are needed
    assert timed(130.5).run([way])[0].finished


def test_a_slow_candidate_ends_itself_and_not_those_that_come_after_it():
    ways = [Candidate(name, "tuned", "") for name in ("slow", "way")] + [Candidate("scratch", SCRATCH, "")]
    race = timed(60.0)
    found = {one.candidate.name: one for one in race.run(ways)}
    assert found["slow"].score is None and found["slow"].seconds == 30.0  # half of the 50 s that scratch left
    assert found["slow"].ended == "stopped on the way to 11% of its epochs: the budget of 60 s leaves 25 s for it"
    assert found["way"].score is not None and found["scratch"].score is not None


def test_training_is_stopped_between_epochs_when_its_time_is_over(tmp_path):
    ways = [Candidate("way", "tuned", ""), Candidate("scratch", SCRATCH, "")]
    race = timed(15.0, KeptScores(tmp_path, "rows"))
    found = {one.candidate.name: one for one in race.run(ways)}
    assert race.now == 15.0 and race.until == float("inf")
    assert found["scratch"].score is None and found["way"].score is None
    assert found["way"].ended == "stopped on the way to 11% of its epochs: the budget of 15 s leaves 7 s for it"
    assert (found["scratch"].seconds, found["way"].seconds, race.spent) == (8.0, 7.0, 15.0)
    again = timed(15.0, KeptScores(tmp_path, "rows"))
    again.pace = 0.1  # the same call gives the same answer, whatever the machine does now
    assert [one.ended for one in again.run(ways)] == [one.ended for one in found.values()]
    assert again.now == 0
    more = timed(1000.0, KeptScores(tmp_path, "rows"))
    assert all(one.finished for one in more.run(ways))


def test_nets_and_codes_that_learn_stop_after_the_epoch_in_which_the_time_is_over(tmp_path):
    x, y = pictures(12)
    folds = folds_of(y, repeats=1)
    net = open_backbone(f"file:{net_file(tmp_path)}")
    race = Race({"a": np.zeros((12, 2))}, np.zeros((12, 2)), x, y, folds, net, 1.5)
    race.own = OwnCode(x, np.arange(12), schema_for(net, x), 0)
    times = iter(range(100))
    race.clock = lambda: float(next(times))  # a second between any two looks at it
    with pytest.raises(BudgetSpent):
        race.until = 1.5
        race.tuned(Candidate("way", "tuned", "", options={"tune": "last"}), np.arange(12))
    assert next(times) == 3
    with pytest.raises(BudgetSpent):
        race.own_codes(1.0)
    assert next(times) == 5
    (found,) = race.run([OWN_CANDIDATE])
    assert found.score is None and "the budget of 2 s leaves" in found.ended


def test_a_code_of_ones_own_rows_is_made_when_it_is_raced_and_pictures_are_shrunk_in_blocks(tmp_path):
    net = open_backbone(f"file:{net_file(tmp_path)}")
    x = np.random.default_rng(0).integers(0, 256, (70, 40, 36, 3), dtype=np.uint8)
    own = OwnCode(x, np.arange(4), schema_for(net, x), 0)
    assert "rows" not in vars(own)
    assert own.rows.shape == (70, 32, 29, 3)
    one = np.concatenate([small_pictures(x[at : at + 1]) for at in range(70)])
    np.testing.assert_array_equal(own.rows, one)
    tracemalloc.start()
    small_pictures(np.zeros((400, 64, 64, 3), np.uint8))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 16e6  # 400 such pictures as floats are 20 MB, and 5 MB when they are small
