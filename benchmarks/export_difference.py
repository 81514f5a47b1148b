"""Does an exported graph give what the model gives?  python benchmarks/export_difference.py  (about 5 min)

Coupon and bank tables and MNIST pictures: a model learns from 2,500 rows without those that hold three of the
categories, and its ONNX form is compared with it on 10,000 others, which hold them, and cells that are missing.
Differences are shares of the code's scale, as `codelayer ship export` tells them.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from data_sets import folder
from machine import write
from sklearn.ensemble import RandomForestClassifier

from codelayer import Autoencoder, Head, Headed, KMeansFeatures, Pca, RawFeatures, Table
from codelayer.data.load import load_data
from codelayer.export import TOLERANCE, onnx_bytes
from codelayer.export.checks import compared
from codelayer.learn.forest import Forest
from codelayer.learn.headed_forest import ForestHead, HeadedForest
from codelayer.measure import linear_probe

ROWS, LEARNED = 10_000, 2_500
TABLES = {
    "coupon": ("coupon.csv.gz", "Y", (), {"occupation": ("Student", "Retired"), "coupon": ("Bar",)}),
    "bank": ("bank_marketing.csv.gz", "y", ("duration",), {"job": ("student", "retired"), "month": ("dec",)}),
}


def main() -> None:
    """Compare every model and write the results."""
    warnings.simplefilter("ignore")
    rows = []
    for data, name, model, x, facts in cases():
        done = compared(model, onnx_bytes(model), x, TOLERANCE)
        rows.append({"data": data, "model": name, **facts, **{k: v for k, v in vars(done).items() if k != "path"}})
        print(rows[-1])
    write("export_difference", "Does an exported graph give what the model gives?", rows)


def cases() -> Iterator[tuple[str, str, Any, Any, dict[str, int]]]:
    """(data, what, fitted model, rows to compare it on, how many of their cells are missing and unseen)."""
    for data in TABLES:
        learned, y, x, facts = table(data)
        for name, coder in coders():
            coder.fit(learned)
            probe = linear_probe(coder.transform(learned), "class").fit(coder.transform(learned), y)
            yield data, f"{name}, linear head", Headed(coder, Head.from_probe(probe, "class")), x, facts
        raw = RawFeatures().fit(learned)
        codes = raw.transform(learned)
        grown = Forest.of(RandomForestClassifier(100, random_state=0).fit(codes, y)).centred(codes)
        yield data, "random forest, 100 trees", HeadedForest(raw, ForestHead.of(grown)), x, facts
    pictures = load_data(str(folder() / "mnist.npz")).x
    drawn = np.random.default_rng(0).permutation(len(pictures))
    learned, x = pictures[drawn[:LEARNED]], pictures[drawn[-ROWS:]]
    for net in ("mlp(512, 256)", "conv(16, 32)"):
        coder = Autoencoder(64, "relu() + l1(0.001)", net, epochs=2, random_state=0).fit(learned)
        yield "MNIST", f"relu() + l1(0.001) on {net}", coder, x, {"missing": 0, "unseen": 0}


def coders() -> Iterator[tuple[str, Any]]:
    """Coders of tables, unfitted."""
    yield "PCA", Pca(16)
    yield "k-means features", KMeansFeatures(16, random_state=0)
    for sentence, net in (("mask(0.2)", "table()"), ("relu() + batch_topk(8)", "mlp(64)"), ("psd", "mlp()")):
        yield f"{sentence} on {net}", Autoencoder(16, sentence, net, epochs=5, random_state=0)


def table(name: str) -> tuple[Table, np.ndarray, Table, dict[str, int]]:
    """Rows to learn from, their labels, 10,000 others, and how many of those cells are missing and unseen."""
    file, label, drop, unseen = TABLES[name]
    data = load_data(str(folder() / file), label, drop=drop)
    known = np.ones(len(data), bool)
    for column, texts in unseen.items():
        known &= ~np.isin(data.x.column(column).astype(str), texts)
    drawn = np.random.default_rng(0).permutation(len(data))
    learned = drawn[known[drawn]][:LEARNED]
    others = drawn[~np.isin(drawn, learned)][:ROWS]
    x = data.x.take(others)
    cells = [x.column(one) for one in x.names]
    gone = sum(int(sum(v is None or v != v for v in one.tolist())) for one in cells)
    new = sum(int(np.isin(x.column(column).astype(str), texts).sum()) for column, texts in unseen.items())
    return data.x.take(learned), np.asarray(data.labels)[learned], x, {"missing": gone, "unseen": new}


if __name__ == "__main__":
    main()
