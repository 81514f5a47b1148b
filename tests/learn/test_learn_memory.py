"""Nets that cannot fit into memory are refused before anything is allocated, with bytes and a remedy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from codelayer.errors import SentenceError
from codelayer.learn import memory
from codelayer.learn.autoencoder import Autoencoder
from codelayer.nets import Plan, parse_net
from codelayer.objective import parse_objective


def plan(shape: tuple[int, ...] = (100,), units: int = 1000) -> Plan:
    zeros = np.zeros(int(np.prod(shape)), np.float32)
    return Plan(shape, units, (), False, zeros, zeros, zeros + 1)


@pytest.mark.parametrize(
    "net, weights",
    [
        ("mlp()", 100 * 1000 + 1000 + 1000 * 100 + 100),
        ("mlp(tied=True)", 100 * 1000 + 1000 + 100),
        ("mlp(50)", 100 * 50 + 50 + 50 * 1000 + 1000 + 1000 * 50 + 50 + 50 * 100 + 100),
    ],
)
def test_the_least_bytes_are_four_numbers_per_weight_and_one_batch(net, weights):
    one = plan()
    objective = parse_objective("squared()").resolve(one)
    found = memory.least_bytes(one, objective, parse_net(net, one.shape, 1000), batch=32)
    assert found == (16 * weights, 4 * 32 * (100 + 1000 + 1000))


def test_the_shapes_are_those_of_the_net_that_is_built():
    one = plan((12, 12, 3), 40)
    for text, net in (("gaussian() + prior(1)", "conv(8, 16)"), ("squared()", "mlp(30, 20)")):
        objective = parse_objective(text).resolve(one)
        read = parse_net(net, one.shape, 40)
        built = read.build(one, objective.outputs(one), True)
        assert all(weight.device.type == "cpu" for weight in built.parameters())
        expected = 16 * sum(weight.numel() for weight in built.parameters())
        assert memory.least_bytes(one, objective, read, 1)[0] == expected


def test_a_terabyte_is_counted_without_being_taken():
    one = plan((10**7,), 65536)
    objective = parse_objective("squared()").resolve(one)
    assert memory.least_bytes(one, objective, parse_net("mlp()", one.shape, 65536), 1)[0] > 2e13


@pytest.mark.parametrize(
    "options, said",
    [
        (
            {"code_size": 60_000},
            r"code_size=60000 with 50 encoded features takes at least 0.\d+ GB .*smaller code_size",
        ),
        ({"net": "mlp(65536)"}, r"weights with gradients and Adam's moments 0.\d+ GB"),
        ({"code_size": 500, "batch_size": 400}, r"a batch of 400 rows 0.00\d+ GB\), but 0.001 GB .*smaller batch_size"),
    ],
)
def test_what_cannot_fit_is_refused_before_the_net_is_made(options, said, monkeypatch):
    small = 10**6 if "batch_size" in options else 10**8
    monkeypatch.setattr(memory, "available_bytes", lambda device: small)
    x = np.random.default_rng(0).normal(size=(450, 50 if "batch_size" not in options else 4)).astype(np.float32)
    net = {"net": "mlp()", **options}
    coder = Autoencoder(objective="squared()", validation=0, **net)
    with pytest.raises(SentenceError, match=f"(?s){said}") as error:
        coder.fit(x)
    assert len(str(error.value).splitlines()) == 2 and not hasattr(coder, "model_")


def test_a_million_units_are_refused_with_the_bytes_of_their_codes():
    with pytest.raises(SentenceError, match=r"code_size=1000000 is too wide: codes of 4096 rows alone take 16.4 GB"):
        Autoencoder(10**6).fit(np.zeros((10, 3), np.float32))


def test_what_is_available_is_the_least_that_machine_and_container_leave(tmp_path):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 9000 kB\nMemAvailable:    5000 kB\n", encoding="ascii")
    assert memory._host_bytes(meminfo, tmp_path) == 5000 * 1024
    for name, text in {"memory.max": "4000000", "memory.current": "3000000", "memory.stat": "file 500"}.items():
        (tmp_path / name).write_text(text, encoding="ascii")
    assert memory._host_bytes(meminfo, tmp_path) == 1_000_500
    (tmp_path / "memory.max").write_text("max\n", encoding="ascii")
    assert memory._host_bytes(meminfo, tmp_path) == 5000 * 1024
    assert memory._host_bytes(tmp_path / "nothing", tmp_path / "nothing") > 2**20  # what the system has, where it says
    assert memory.available_bytes("cpu") > 2**20 and memory.available_bytes("meta") is None


def test_making_nets_looks_at_no_default_device_but_meta():
    assert torch.get_default_device().type == "cpu"
    with torch.device("meta"):
        made = parse_net("conv(4)", (8, 8, 1), 3).build(plan((8, 8, 1), 3), 3, True)
    assert {weight.device.type for weight in made.parameters()} == {"meta"}
