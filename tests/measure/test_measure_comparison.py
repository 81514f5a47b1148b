"""Cards side by side: paired, counted, and silent where nothing is sure."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codelayer.errors import DataError, RunError
from codelayer.measure import card, compare, read_card, save_card, save_comparison
from codelayer.measure.cardpage import card_cells
from codelayer.measure.comparison import holm
from codelayer.measure.comparisonpage import comparison_cells

RNG = np.random.default_rng(0)
Y = np.arange(240) % 3
X = RNG.normal(size=(3, 5))[Y] * 2 + RNG.normal(size=(240, 5))
ONLY = ("linear_area", "silhouette", "hoyer", "trustworthiness", "dead_share")


def test_holm_is_the_hand_computed_adjustment():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    assert list(holm([])) == [] and list(holm([0.7])) == [0.7]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
@settings(deadline=None, derandomize=True)
def test_adjusted_values_are_no_smaller_and_keep_the_order(p):
    adjusted = holm(p)
    assert ((adjusted >= np.array(p) - 1e-12) & (adjusted <= 1)).all()
    assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0).all()


def test_a_code_is_as_good_as_itself():
    both = {name: card(X[:, :2], Y, X, only=ONLY) for name in ("a", "b")}
    found = compare(both)
    assert found["pairs"] and all(pair["difference"] == 0 and pair["p_holm"] == 1 for pair in found["pairs"])
    assert not any(pair["better"] for pair in found["pairs"])
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_a_clearly_better_code_is_named_and_metrics_without_a_direction_or_rows_are_not_judged():
    cards = {"data": card(X, Y, X, only=ONLY), "noise": card(RNG.normal(size=(240, 5)), Y, X, only=ONLY)}
    found = compare(cards)
    better = {pair["metric"]: pair["better"] for pair in found["pairs"]}
    assert better["linear_area"] == better["silhouette"] == better["trustworthiness"] == "data"
    area = next(pair for pair in found["pairs"] if pair["metric"] == "linear_area")
    values = {one["name"]: one["values"] for one in found["metrics"]}["linear_area"]
    assert area["difference"] == pytest.approx(values["data"]["value"] - values["noise"]["value"], abs=1e-5)
    assert area["low"] < area["difference"] < area["high"] and area["low"] > 0.2
    dead = next(pair for pair in found["pairs"] if pair["metric"] == "dead_share")
    assert (dead["difference"], dead["p"], dead["better"]) == (0, 1, "")


def test_scores_whose_range_follows_the_width_are_not_tested_between_widths():
    cards = {"wide": card(X, only=("hoyer",)), "narrow": card(X[:, :2], only=("hoyer",))}
    found = compare(cards)
    assert not found["pairs"] and "number of units" in found["untested"][0]["why"]


def test_labels_saved_that_is_a_bound_stands_with_its_sign_and_without_an_interval(tmp_path):
    told = np.eye(3)[Y] + 0.01 * RNG.normal(size=(240, 3))  # scores that the raw features never reach
    cards = {name: card(z, Y, X, only=("labels_saved",)) for name, z in {"a": told, "b": X}.items()}
    found = compare(cards)
    values = found["metrics"][0]["values"]
    assert values["a"]["bound"] == "at least" and values["b"]["bound"] == ""
    _, (row,) = comparison_cells(found)
    assert row[2][0].startswith("\u2265 ") and "[" not in row[2][0]
    assert row[3][0].startswith("1.00 [")
    _, (alone,) = card_cells(cards["a"])
    assert alone[2] == row[2]


def test_lower_is_better_where_the_best_is_the_lowest():
    some = {"full": X, "half": X * [1, 1, 0, 0, 0]}
    cards = {name: card(X, x=X, rebuilt=one, only=("squared_error",)) for name, one in some.items()}
    (pair,) = compare(cards)["pairs"]
    assert pair["better"] == "full" and pair["difference"] < 0


def test_codes_that_differ_by_luck_alone_are_rarely_told_apart():
    rng, false = np.random.default_rng(1), 0
    for _ in range(100):
        cards = {name: card(rng.normal(size=(60, 4)), only=("hoyer",)) for name in "ab"}
        false += compare(cards)["pairs"][0]["p"] < 0.05
    assert false <= 12  # 5 expected, sd 2.2


def test_neighbourhoods_are_compared_on_the_same_parts_of_the_rows():
    rng, false, only = np.random.default_rng(3), 0, ("trustworthiness", "dimension_mle", "mig")
    for _ in range(30):  # two halves of one noise: neither is better
        x = rng.normal(size=(80, 6))
        pair = {name: card(z, x=x, factors=Y[:80], only=only) for name, z in (("a", x[:, :3]), ("b", x[:, 3:]))}
        false += sum(one["p"] < 0.05 for one in compare(pair)["pairs"])
    assert false <= 12  # 4.5 expected of 90
    better = compare({"a": card(X, x=X, only=("rnx",)), "b": card(RNG.normal(size=(240, 5)), x=X, only=("rnx",))})
    assert better["pairs"][0]["better"] == "a"


def test_a_difference_that_is_the_same_on_all_parts_of_the_rows_is_not_tested():
    cards = {"a": card(X[:, :2], Y, X, only=["trustworthiness"]), "b": card(X[:, :2], Y, X, only=["trustworthiness"])}
    cards["b"]["metrics"][0]["value"] -= 0.125
    cards["b"].replicates["trustworthiness"] = cards["a"].replicates["trustworthiness"] - np.float32(0.125)
    found = compare(cards)
    assert found["pairs"] == [] and "differ by 0.125" in found["untested"][0]["why"]
    cards["c"] = card(X[:, 1:3], Y, X, only=["trustworthiness"])
    assert [(pair["a"], pair["b"]) for pair in compare(cards)["pairs"]] == [("a", "c"), ("b", "c")]


def test_rows_of_a_group_count_as_one_observation():
    groups = np.arange(240) // 20
    gain = 1 + np.random.default_rng(2).random(12)[groups][:, None]
    rebuilt = {"a": X + gain, "b": X + 1}
    cards = {name: card(X, x=X, rebuilt=one, only=("squared_error",)) for name, one in rebuilt.items()}
    (alone,), (grouped,) = compare(cards)["pairs"], compare(cards, groups=groups)["pairs"]
    assert grouped["high"] - grouped["low"] > 1.5 * (alone["high"] - alone["low"])
    assert grouped["difference"] == alone["difference"]


def test_cards_of_other_rows_are_refused():
    one = card(X, Y, only=("silhouette",))
    with pytest.raises(DataError, match="made with other labels"):
        compare({"a": one, "b": card(X, Y[::-1], only=("silhouette",))})
    with pytest.raises(DataError, match="has 240 rows, 'b' has 239"):
        compare({"a": one, "b": card(X[1:], Y[1:], only=("silhouette",))})
    with pytest.raises(DataError, match="1 card cannot be compared"):
        compare({"a": one})
    assert "could not be checked" in compare({"a": card(X, only=("hoyer",)), "b": card(X, only=("hoyer",))})["notes"][0]


def test_a_saved_card_comes_back_with_what_the_tests_need(tmp_path):
    one = card(X, Y, X, only=ONLY)
    page = save_card(one, tmp_path / "one", "mine & <yours>")
    text = page.read_text(encoding="utf-8")
    assert "mine &amp; &lt;yours&gt;" in text and "<script src" not in text
    for path in (tmp_path / "one", tmp_path / "one" / "card.json"):
        back = read_card(path)
        assert dict(back) == dict(one)
        np.testing.assert_array_equal(back.points["silhouette"], one.points["silhouette"])
        np.testing.assert_array_equal(back.replicates["trustworthiness"], one.replicates["trustworthiness"])
    page = save_comparison(compare({"a": one, "b": read_card(tmp_path / "one")}), tmp_path / "both")
    assert page.name == "comparison.html" and (tmp_path / "both" / "comparison.json").exists()
    with pytest.raises(RunError, match="is a file, not a folder"):
        save_comparison({}, page)


@pytest.mark.parametrize(
    "content, told",
    [
        ('{"format": 2, "metrics": [{"name": 1}]}', "is no card"),
        ('{"format": 2, "metrics": [], "n": "many"}', "is no card"),
        ("{", "is no card"),
        ("[]", "is no card"),
        ('{"metrics": [], "format": 99}', "format 99"),
    ],
)
def test_what_is_no_card_is_refused(tmp_path, content, told):
    (tmp_path / "card.json").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=told):
        read_card(tmp_path)
    with pytest.raises(DataError, match="there is no card"):
        read_card(tmp_path / "nowhere")


def test_damaged_values_per_row_are_refused(tmp_path):
    save_card(card(X, only=("hoyer",)), tmp_path)
    (tmp_path / "card.safetensors").write_bytes(b"\x00" * 40)
    with pytest.raises(DataError, match="cannot be read"):
        read_card(tmp_path)


SHARED = (
    "neighborhood_hit", "cluster_agreement", "logme", "h_score", "participation_ratio", "pattern_entropy",
    "mean_correlation", "uniformity", "cka", "lifetime_sparsity", "rankme", "rankme_centred", "alpha_req",
)  # fmt: skip


def test_equal_codes_with_noise_of_their_own_are_rarely_told_apart_and_a_planted_difference_is():
    rng, false = np.random.default_rng(4), 0
    for _ in range(20):
        told = rng.normal(size=(120, 6)) + 1.5 * np.eye(3, 6)[Y[:120]]
        pair = {name: card(told + rng.normal(size=told.shape), Y[:120], told, only=SHARED) for name in "ab"}
        found = compare(pair)
        assert {one["metric"] for one in found["pairs"]} == set(SHARED)
        false += sum(one["p"] < 0.05 for one in found["pairs"])
    assert false <= 33  # 13 expected of 260, of tests that lean on one another
    worse = told @ np.diag([4, 1, 1, 1, 1, 0.1]) + rng.normal(size=told.shape) * [12, 1, 1, 1, 1, 0.1]
    other = {"a": card(told, Y[:120], told, only=SHARED), "b": card(worse, Y[:120], told, only=SHARED)}
    assert sum(one["p_holm"] < 0.05 for one in compare(other)["pairs"]) >= 8


def test_probes_and_episodes_are_compared_over_rows_and_what_was_drawn():
    only = ("labels_saved", "new_concepts", "nuisance_area", "ablation_area")
    same = RNG.normal(size=(240, 5)) + 2 * np.eye(3, 5)[Y]
    noisy = same + RNG.normal(size=same.shape)
    given = {"labels": Y, "x": np.c_[same, RNG.normal(size=(240, 5))], "only": only, "nuisance": Y % 2}
    found = compare({"a": card(same, **given), "b": card(noisy, **given)})
    assert {one["metric"] for one in found["pairs"]} >= {"new_concepts", "nuisance_area", "ablation_area"}
    assert {one["metric"]: one["better"] for one in found["pairs"]}["new_concepts"] == "a"
    assert all(one["low"] < one["difference"] < one["high"] for one in found["pairs"])


def test_dead_units_are_compared_by_the_rows_they_hang_on():
    rng = np.random.default_rng(6)
    rates = np.geomspace(1 / 1000, 1 / 30, 60)
    cards = {
        name: card(np.c_[rng.random((240, 60)) < share * rates, rng.random(240)].astype(float), only=("dead_share",))
        for name, share in (("often", 1.0), ("seldom", 0.15))
    }
    (pair,) = compare(cards)["pairs"]
    assert pair["p"] < 0.05 and pair["better"] == "often"


def test_what_cannot_be_paired_says_why():
    seeds = [X, X[:, ::-1], X[:, [1, 0, 2, 3, 4]]]
    only = ("udr", "latency_ms", "labels_saved")
    told = np.eye(3)[Y] + 0.01 * RNG.normal(size=(240, 3))
    cards = {name: card(told, Y, X, encode=lambda x: np.asarray(x)[:, :3], only=only, seeds=seeds) for name in "ab"}
    why = {one["metric"]: one["why"] for one in compare(cards)["untested"]}
    assert "seeds that each code was fitted with" in why["udr"]
    assert why["labels_saved"].startswith("on a and b it is (in part) a bound")
    timed = {name: card(X, x=X, encode=np.asarray, only=("latency_ms",)) for name in "ab"}
    assert "it is a time" in compare(timed)["untested"][0]["why"]
    moved = {name: card(X, Y, X, encode=np.asarray, only=("robust_area",)) for name in "ab"}
    assert "drawn once for all rows" in compare(moved)["untested"][0]["why"]
