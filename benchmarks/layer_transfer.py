"""Which layers to copy: does the kind of shift decide, or the kind of data?

    python benchmarks/layer_transfer.py [FOLDER]

Two by two: spoken digits (as log-mel pictures) and pictures of digits, each under a new input (other speakers; digits
laid over natural patches) and under new classes (0-4 learned first, 5-9 then). Once more on pictures of half the size
and with a third of the steps: back copies have the longest way to go. FOLDER keeps what is finished, so that a second
call goes on. One thread, some 15 CPU minutes.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import machine
import numpy as np
import torch
from data_sets import folder
from PIL import Image
from transfer_targets import key, log_mel

from codelayer.data.load import load_data
from codelayer.nets.backbone import Backbone, calibrate
from codelayer.transfer.blocknet import block_net
from codelayer.transfer.copies import Lesson, learned_from_scratch
from codelayer.transfer.heads import make_head
from codelayer.transfer.layers import layer_transfer
from codelayer.transfer.outcomes import LayerTransfer, merged

LABELS = (5, 25)
SEEDS, FEWER = 4, 3  # of brief runs on small pictures, and of the others
STEPS, BRIEF, SOURCE_STEPS = 300, 100, 300
CHANNELS = (16, 32, 64, 64)
SOURCE, POOL, TEST = 1500, 800, 400  # MNIST rows of one seed
OFFICIAL = 10  # takes below are scored, the others learned from
PROBED = 10  # labels per class of the probes

Six = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def speech_input() -> list[Six]:
    """Two speakers to two others, the same digits: the first of the six splits."""
    x, about = log_mel()
    late = about["take"] >= OFFICIAL
    found = []
    for pair in list(itertools.combinations(range(4), 2))[:SEEDS]:
        mine = np.isin(about["speaker"], pair)
        parts = (mine & late, ~mine & late, ~mine & ~late)
        found.append(tuple(one for rows in parts for one in (x[rows], about["digit"][rows])))
    return found


def speech_task() -> list[Six]:
    """Digits 0-4 to digits 5-9, the same four speakers."""
    x, about = log_mel()
    late, low = about["take"] >= OFFICIAL, about["digit"] < 5
    parts = (low & late, ~low & late, ~low & ~late)
    return [tuple(one for rows in parts for one in (x[rows], about["digit"][rows]))] * SEEDS


def image_input() -> list[Six]:
    """MNIST to MNIST on natural patches: the absolute difference of digit and patch."""
    found = []
    for seed in range(SEEDS):
        x, y = mnist(seed)
        laid = on_patches(x[SOURCE:], key("patches", seed))
        found.append((x[:SOURCE], y[:SOURCE], laid[:POOL], y[SOURCE:-TEST], laid[POOL:], y[-TEST:]))
    return found


def image_task() -> list[Six]:
    """MNIST digits 0-4 to digits 5-9."""
    found = []
    for seed in range(SEEDS):
        x, y = mnist(seed, 2)
        source, target = np.flatnonzero(y < 5)[:SOURCE], np.flatnonzero(y > 4)[: POOL + TEST]
        pool, test = target[:POOL], target[POOL:]
        found.append((x[source], y[source], x[pool], y[pool], x[test], y[test]))
    return found


def mnist(seed: int, share: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Rows of one seed, `share` times as many as are used, in an order of their own."""
    data = load_data("mnist")
    rows = np.random.default_rng(key("mnist", seed)).permutation(len(data.x))[: share * (SOURCE + POOL + TEST) + 200]
    rows = rows if share > 1 else rows[: SOURCE + POOL + TEST]
    return np.asarray(data.x[rows]).reshape(len(rows), 28, 28), np.asarray(data.labels)[rows].astype(int)


def on_patches(x: np.ndarray, seed: int) -> np.ndarray:
    """Digits (n, 28, 28) uint8, each over a patch of a natural picture."""
    stored = np.load(folder() / "natural_ccby19.npz")
    packed, offset = stored["jpeg"], stored["offset"]
    pictures = [
        np.asarray(Image.open(BytesIO(packed[a:b].tobytes())).convert("L"), np.int16)
        for a, b in itertools.pairwise(offset.tolist())
    ]
    rng, made = np.random.default_rng(seed), []
    for digit in x.astype(np.int16):
        one = pictures[rng.integers(len(pictures))]
        top, left = (rng.integers(size - 28 + 1) for size in one.shape)
        made.append(np.abs(digit - one[top : top + 28, left : left + 28]))
    return np.stack(made).astype(np.uint8)


CELLS: dict[tuple[str, str], Callable[[], list[Six]]] = {
    ("speech", "input shift"): speech_input,
    ("speech", "task shift"): speech_task,
    ("images", "input shift"): image_input,
    ("images", "task shift"): image_task,
}


def outcomes(place: Path, cells: dict[tuple[str, str], list[Six]], labels: int) -> list[dict[str, Any]]:
    """Records of cells over their splits or seeds; those take turns, so that a stopped run has some of each."""
    found: dict[tuple[str, str], list[LayerTransfer]] = {what: [] for what in cells}
    for at in range(max(map(len, cells.values()))):
        for what, splits in cells.items():
            if at < len(splits):
                run = place / f"{what[0]}-{what[1].split()[0]}-{at}-whole{labels if labels != LABELS[0] else ''}"
                found[what].append(one(what, list(splits[at]), at, (labels,), STEPS, run))
    return records(found, STEPS, "whole")


def brief(place: Path, cells: dict[tuple[str, str], list[Six]]) -> list[dict[str, Any]]:
    """The same with pictures of half the size and fewer steps."""
    found: dict[tuple[str, str], list[LayerTransfer]] = {what: [] for what in cells}
    for what, splits in cells.items():
        for at, whole in enumerate(splits):
            six = [halved(part) if part.ndim > 1 else part for part in whole]
            found[what].append(one(what, six, at, LABELS, BRIEF, place / f"{what[0]}-{what[1].split()[0]}-{at}"))
    return records(found, BRIEF, "half")


def records(found: dict[tuple[str, str], list[LayerTransfer]], steps: int, size: str) -> list[dict[str, Any]]:
    """One record per cell, of all its splits or seeds."""
    whole = {what: merged(some) for what, some in found.items()}
    for what, result in whole.items():
        if result.shift != what[1]:
            raise ValueError(f"{what} was told apart as {result.shift}")
    return [{"data": what[0], "steps": steps, "size": size, **result.record()} for what, result in whole.items()]


def halved(x: np.ndarray) -> np.ndarray:
    """Pictures (n, 2 h, 2 w) as (n, h, w), the mean of four pixels, uint8."""
    n, tall, wide = x.shape
    return x.reshape(n, tall // 2, 2, wide // 2, 2).mean((2, 4)).round().astype(np.uint8)


def one(
    what: tuple[str, str], six: list[np.ndarray], at: int, labels: tuple[int, ...], steps: int, run: Path
) -> LayerTransfer:
    """One split or seed of a cell."""
    found = layer_transfer(
        *six,
        labels_per_class=labels,
        seeds=[at],
        channels=CHANNELS,
        steps=steps,
        source_steps=SOURCE_STEPS,
        run=run,
    )
    print(f"{what[0]}, {what[1]}, {at}, {steps} steps: {' '.join(found.sentences)}", flush=True)
    return found


def probes() -> list[dict[str, Any]]:
    """What linear probes read off every block of a net that was trained on spoken digits, and of a random one."""
    x, about = log_mel()
    x = halved(x)[..., None]
    late = about["take"] >= OFFICIAL
    rows: list[dict[str, Any]] = []
    for seed in range(3):
        shape = block_net(x[late], CHANNELS)
        lesson = Lesson(x[late], about["digit"][late].astype(str), SOURCE_STEPS, 32, seed)
        random = block_net(x[late], CHANNELS, seed=seed)
        calibrate(random, random.prepare(x[late][:64]))
        for name, net in (("digit net", learned_from_scratch(shape, lesson).net), ("random net", random)):
            for asked in ("digit", "speaker"):
                rows += [{"seed": seed, "net": name, "asked": asked, **one} for one in probed(net, asked, seed)]
    return rows


def probed(net: Backbone, asked: str, seed: int) -> list[dict[str, Any]]:
    """Accuracy per block on takes that were not learned from, with PROBED labels per class."""
    x, about = log_mel()
    x = halved(x)[..., None]
    late = np.flatnonzero(about["take"] >= OFFICIAL)
    order = np.random.default_rng(key("probe", asked, seed)).permutation(late)
    y = about[asked]
    train = np.concatenate([order[y[order] == one][:PROBED] for one in np.unique(y)])
    test = np.flatnonzero(about["take"] < OFFICIAL)
    features = {one: net.vectors(x[train], one, 2)[one] for one in net.stages}
    scored = {one: net.vectors(x[test], one, 2)[one] for one in net.stages}
    found = []
    for at, stage in enumerate(net.stages, 1):
        head = make_head("linear", features[stage].shape[1], len(train), "class", PROBED, seed)
        right = head.fit(features[stage], y[train]).predict(scored[stage]) == y[test]
        found.append({"block": at, "accuracy": float(right.mean())})
    return found


def main() -> None:
    """Run what is missing and write results/layer_transfer.json."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp())
    started = time.process_time()
    cells = {what: make() for what, make in CELLS.items()}
    some = {what: splits[:FEWER] for what, splits in cells.items()}
    rows = [row for labels in LABELS for row in outcomes(place, some, labels)]
    rows += brief(place, cells)
    machine.write(
        "layer_transfer",
        "Which layers are worth copying: does the kind of shift decide, or the kind of data?",
        rows,
        probes=probes(),
        cpu_seconds_of_this_call=time.process_time() - started,
        source_steps=SOURCE_STEPS,
        channels=CHANNELS,
    )


if __name__ == "__main__":
    main()
