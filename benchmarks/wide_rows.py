"""Does reconstruction sampling pay on wide sparse rows?  python benchmarks/wide_rows.py  (about 4 min)

Rows of 50,000 counts from a topic model, made here: 20 topics, each a word distribution that is Zipf's law over a
permutation of its own for a fifth of its mass and one common Zipf's law for the rest; a row draws 100 words, six in
ten from one topic. 20,000 rows train, 1,000 are held out; word counts become "is there" (bernoulli needs [0, 1]).
One thread (set OMP_NUM_THREADS=1).

Every sentence trains mlp(128) to a code of 32 units in batches of 256 for the same number of processor seconds of
steps, in a process of its own; noted are those per step, the peak memory above what the data and the library take, and
along the way the full held-out loss and the accuracy of a linear probe (10 labels per topic) on held-out codes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import spread, write
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from codelayer.learn.adam import Adam
from codelayer.learn.autoencoder import Autoencoder
from codelayer.learn.loop import schedule
from codelayer.learn.sources import Rows
from codelayer.objective import Context
from codelayer.objective.losses import Bernoulli
from codelayer.objective.sampled import Sampled, reads_sparse

ROWS, HELD, FEATURES, WORDS, TOPICS, BATCH = 20_000, 1_000, 50_000, 100, 20, 256
SECONDS, SEEDS, CHECKS = 20.0, 2, 2
SENTENCES = {
    "dense per batch": "bernoulli()",
    "sampled, 5 % of the zeros": "sampled(0.05, bernoulli())",
    "sampled, 1 % of the zeros": "sampled(0.01, bernoulli())",
}


def documents(rows: int, seed: int) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Which words are in which row, and each row's topic."""
    fixed, rng = np.random.default_rng(0), np.random.default_rng(seed)
    zipf = 1 / np.arange(1, FEATURES + 1)
    zipf /= zipf.sum()
    topics = [0.8 * zipf + 0.2 * zipf[fixed.permutation(FEATURES)] for _ in range(TOPICS)]
    cumulated = np.cumsum(topics, axis=1)
    main = rng.integers(0, TOPICS, rows)
    chosen = np.where(rng.random((rows, WORDS)) < 0.6, main[:, None], rng.integers(0, TOPICS, (rows, WORDS)))
    words = np.empty((rows, WORDS), np.int64)
    for topic in range(TOPICS):
        here = chosen == topic
        words[here] = np.searchsorted(cumulated[topic], rng.random(here.sum()) * cumulated[topic][-1])
    where = np.repeat(np.arange(rows), WORDS)
    made = sparse.csr_matrix((np.ones(words.size, np.float32), (where, words.ravel())), shape=(rows, FEATURES))
    made.data[:] = 1
    return made, main


def held_out(coder: Autoencoder, rows: Rows, topics: np.ndarray) -> dict[str, float]:
    """The full loss in nats per row, and a probe's accuracy from ten labels per topic."""
    model, total, codes = coder.model_.eval(), 0.0, []
    with torch.no_grad():
        for some in torch.arange(len(topics)).split(250):
            x, _ = rows.batch(some)
            code = model.codes(x)
            output = model.net.decode(code)
            total += float(torch.nn.functional.binary_cross_entropy_with_logits(output, x, reduction="sum"))
            codes.append(code.numpy())
    model.train()
    z = np.concatenate(codes)
    train = np.concatenate([np.flatnonzero(topics == topic)[:10] for topic in range(TOPICS)])
    rest = np.setdiff1d(np.arange(len(topics)), train)
    scaler = StandardScaler().fit(z[train])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        probe = LogisticRegression(max_iter=300).fit(scaler.transform(z[train]), topics[train])
    accuracy = probe.score(scaler.transform(z[rest]), topics[rest])
    return {"loss": total / len(topics), "probe": float(accuracy)}


def memory_mb(what: str) -> float:
    """VmRSS (now) or VmHWM (the most since the start, or since `forget_peak`)."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) / 1024


def forget_peak() -> None:
    """Let VmHWM begin anew."""
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


def one(sentence: str, seed: int) -> dict[str, Any]:
    """A run of SECONDS of training steps; the memory is that of the first ten, before anything is scored."""
    (x, _), (new, topics) = documents(ROWS, 1), documents(HELD, 2)
    coder = Autoencoder(32, sentence, "mlp(128)", batch_size=BATCH, random_state=seed, validation=0).prepare(x)
    model, schema = coder.model_.train(), coder.schema_
    start = Sampled(0.05, Bernoulli()).link(torch.from_numpy(model.plan.mean), model.plan)
    model.net.set_output_bias(start)  # bernoulli() by itself starts at 0.01 or more, far above most words
    rows, held = Rows(x, schema), Rows.some(new, np.arange(HELD), schema, "cpu", None)
    optimizer, thin = Adam(model.parameters()), reads_sparse(model)
    weights_mb = sum(weight.numel() for weight in model.parameters()) * 4 / 2**20
    stream, used, pace, columns = torch.Generator().manual_seed(seed), 0.0, [], []
    course: list[dict[str, float]] = [{"seconds": 0.0, "steps": 0, **held_out(coder, held, topics)}]
    forget_peak()
    before, peak = memory_mb("VmRSS"), 0.0
    while used < SECONDS:
        started = time.process_time()
        batch, _ = rows.batch(torch.randint(ROWS, (BATCH,), generator=stream), thin)
        terms = model.objective.charge(model, batch, None, Context(seed, len(pace), 0.0, rows=ROWS))
        optimizer.clear()
        sum(terms.values(), torch.zeros(())).backward()
        optimizer.step(0.003 * schedule(int(1000 * used / SECONDS), 1000))
        pace.append(time.process_time() - started)
        used += pace[-1]
        columns.append(len(batch.used[0]) if thin else FEATURES)
        del batch, terms
        if len(pace) == 10:
            peak = memory_mb("VmHWM")
        if used >= SECONDS * len(course) / CHECKS:
            course.append({"seconds": used, "steps": len(pace), **held_out(coder, held, topics)})
    return {
        "seed": seed,
        "steps": len(pace),
        "step_ms": 1000 * spread(pace[1:])["median"],
        "columns_in_use": spread([float(count) for count in columns])["median"],
        "steps_mb": peak - before,
        "weights_mb": weights_mb,
        "course": course,
    }


def main() -> None:
    """Every sentence and seed in a process of its own, in turns."""
    rows = []
    for seed in range(SEEDS):
        for name, sentence in SENTENCES.items():
            command = [sys.executable, __file__, sentence, str(seed)]
            out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            rows.append({"name": name, "sentence": sentence, **json.loads(out.splitlines()[-1])})
            last = rows[-1]["course"][-1]
            print(f"{name}: {rows[-1]['step_ms']:.0f} ms, {rows[-1]['steps_mb']:.0f} MB, {last}", flush=True)
    settings = {"rows": ROWS, "features": FEATURES, "words": WORDS, "topics": TOPICS, "batch_size": BATCH}
    path = write("wide_rows", __doc__.splitlines()[0].split("?")[0] + "?", rows, seconds=SECONDS, settings=settings)
    print(path)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        print(json.dumps(one(sys.argv[1], int(sys.argv[2]))))
    else:
        main()
