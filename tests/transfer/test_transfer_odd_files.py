"""Files that strangers wrote: names, arrays and records that are refused in a sentence, before much is read."""

from __future__ import annotations

import numpy as np
import pytest
from transfer_cases import net_file, plan

from codelayer.errors import BundleError
from codelayer.transfer import open_backbone
from codelayer.transfer.cache import FeatureCache


@pytest.mark.parametrize("stage", ["/layer1/Relu_output_0", "../../victim/escaped", "a" * 3000, "CON", "", "\ud800"])
def test_the_cache_writes_inside_its_entry_whatever_a_stage_is_called(tmp_path, stage):
    victim = tmp_path / "victim" / "escaped.f32"
    victim.parent.mkdir()
    victim.write_text("precious")
    cache, made = FeatureCache(tmp_path / "cache", {"net": "x"}, 2), np.arange(6, dtype=np.float32).reshape(2, 3)
    with cache.held() as mine:
        assert mine and cache.begun({stage: 3, "A": 3, "a": 3}) == 0
        cache.append({stage: made, "A": made + 1, "a": made + 2})
        cache.finish({stage: 3, "A": 3, "a": 3})
    for name, expected in ((stage, made), ("A", made + 1), ("a", made + 2)):
        np.testing.assert_array_equal(cache.read(name), expected)
    assert victim.read_text() == "precious"
    assert {file.parent for file in (tmp_path / "cache").rglob("*.f32")} == {cache.path}
    assert len(list(tmp_path.rglob("*.f32"))) == 4


@pytest.mark.parametrize(
    "stages",
    [
        {"../../../victim/escaped": "d"},
        {"a/b": "d"},
        {"a\\b": "d"},
        {"..": "d"},
        {"": "d"},
        {"  ": "d"},
        {"a\x1b[2J": "d"},
        {"a\nb": "d"},
        {"a" * 201: "d"},
        {"a": ["d"]},
        {"a": None},
        {"a": "nothing"},
        {},
        ["a"],
        "d",
    ],
)
def test_stages_of_a_plan_that_are_no_names_of_operations_are_refused_in_words(tmp_path, stages):
    with pytest.raises(BundleError, match="stage") as told:
        open_backbone(f"file:{net_file(tmp_path, spec=plan() | {'stages': stages})}")
    assert len(str(told.value).splitlines()) == 2


def test_stages_of_a_plan_stand_in_the_order_in_which_they_run(tmp_path):
    spec = plan() | {"stages": {"late": "d", "early one": "sum"}}
    assert open_backbone(f"file:{net_file(tmp_path, spec=spec)}").stages == ("early one", "late")
