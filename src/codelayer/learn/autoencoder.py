"""The estimator: one class for every objective.

    codes = Autoencoder(code_size=16, objective="mask(0.3) + relu() + l1(0.001)").fit_transform(X)

Reads  rows of any kind the schema knows.
Gives  a scikit-learn transformer; `fit_epochs` is `fit` as a generator, for one's own plots and stopping.
Skips  labels, but for a sentence with labels(): else y is accepted and not used.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from sklearn.utils._tags import Tags
from sklearn.utils.validation import check_is_fitted

from .. import bundle
from ..data.rows import rows_at_once, rows_of
from ..data.schema import Schema
from ..errors import BundleError, DataError, SentenceError
from ..nets import make_plan, parse_net, plan_from, plan_tensors, target_record
from ..objective import Model, parse_objective, recipe_of
from ..registry import spell
from .checkpoint import Position, array
from .coder import fingerprint
from .dead import dead_units, unit_problems
from .diverged import Diverged, astray, keep_last_good
from .doctor import examine
from .loop import Epoch, train
from .memory import check_memory
from .ridge import Ridge
from .rowlabels import Beside, beside
from .run import RunFolder, noted_run
from .sampling import Sampling
from .settings import check_options, held_out, needs_pictures, resolved, seed_of
from .sources import Rows
from .stages import activations


@bundle.kind("autoencoder")
class Autoencoder(Sampling):
    """An encoder and decoder trained on unlabelled rows by one objective.

    Parameters
    ----------
    code_size : int, default=32
        Units of the code.
    objective : str, default="undercomplete"
        A recipe's name or a sentence of terms, for example "mask(0.3) + relu() + l1(0.001)".
    net : str, default="auto"
        "mlp(512, 256)", "conv(32, 64)", ...; "auto" follows the recipe, else the sample's shape and a cost limit.
    epochs : int or "auto", default="auto"
        Passes over the rows; "auto" makes about 3000 steps, within 20 to 600 epochs (4000 steps, within 5 to 75,
        for objectives that compare views).
    batch_size : int or "auto", default="auto"
        Rows per step; "auto" is a thirty-second of the rows, within 32 to 256; 64 where views are compared.
    learning_rate : float or "auto", default="auto"
        Peak of the schedule; "auto" is 0.003, and 0.001 for layers of more than 512 units.
    validation : float, default=0.1
        Share of the rows held out to choose the best epoch; 0 holds out none and switches patience off.
    patience : int or "auto", default="auto"
        Epochs without improvement after which training stops; "auto" is a fifth of the epochs, at least 10.
    scale : {"auto", "block", "columns", "none"}, default="auto"
        How a 2-D array is scaled (see Schema).
    random_state : int, RandomState or None, default=None
        Of weights, order, held-out rows and draws.
    device : str, default="auto"
        "cpu", "cuda", ...; "auto" takes a GPU when torch sees one.
    run : str, Path or None, default=None
        A folder for checkpoints: a stopped fit continues there, a finished one leaves its bundle.

    Attributes
    ----------
    schema_ : Schema
    model_ : Model, the torch module
    record_ : dict, what was run: objective, net, epochs, seconds, choices, history
    dead_units_ : (dead,) int, units that never vary on training rows
    n_features_in_ : int

    References
    ----------
    Vincent et al. 2010 (denoising), Rifai et al. 2011 (contractive), Makhzani and Frey 2013 (k-sparse),
    Bardes et al. 2022 (VICReg). Each term names its own source.
    """

    kind_name = "autoencoder"

    def __init__(
        self,
        code_size: int = 32,
        objective: str = "undercomplete",
        net: str = "auto",
        epochs: int | str = "auto",
        batch_size: int | str = "auto",
        learning_rate: float | str = "auto",
        validation: float = 0.1,
        patience: int | str = "auto",
        scale: str = "auto",
        random_state: Any = None,
        device: str = "auto",
        run: str | Path | None = None,
    ) -> None:
        self.code_size = code_size
        self.objective = objective
        self.net = net
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation = validation
        self.patience = patience
        self.scale = scale
        self.random_state = random_state
        self.device = device
        self.run = run

    # --- fitting ------------------------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None, groups: Any = None) -> Self:
        """Learn from rows X; y is used by labels() alone, with None, NaN or "" where a row has no label.

        groups  one value per row, used by slowness() alone: rows of two groups are no neighbours in time
        """
        for _ in self.fit_epochs(X, y, groups=groups):
            pass
        return self

    def fit_epochs(
        self, X: Any, y: Any = None, checkpoint_seconds: float = 30.0, groups: Any = None, set_aside: Sequence[str] = ()
    ) -> Iterator[Epoch]:
        """`fit` as a generator: yields after every epoch; stop with `break`, the best weights so far are kept.

        With a `run` folder a stopped fit leaves its checkpoint there, and the next one continues from it. set_aside are
        columns that X was given without, on purpose: its bundle notes them.
        errors  DataError, SentenceError, RunError (a `run` folder of another fit)
        """
        check_options(self.get_params())
        rows = self._rows(X, reset=True, at_least=2)
        self.schema_ = Schema.fit(rows, scale=self.scale)
        told = beside(self.objective, y, groups, rows_of(rows))
        if self.run is None:
            yield from self._fit(rows, told, seed_of(self.random_state), None, checkpoint_seconds)
            return
        data = fingerprint(rows, self.schema_, told.hashed())
        # without a seed of the user's the data gives one, so that the same line continues the same run
        seed = seed_of(int(data[:7], 16) if self.random_state is None else self.random_state)
        path = Path(self.run)
        options = {"command": "learn", **self._options(seed)}
        with RunFolder(path, options, data, finished=lambda: noted_run(path)) as run:
            if run.done:
                self._take_over(bundle.read(path))
                return
            yield from self._fit(rows, told, seed, run.state / "training.zip", checkpoint_seconds)
            self.save(path, {"set_aside": list(set_aside), "run": run.record})
            run.finish(remove_state=True)

    def prepare(self, X: Any, y: Any = None) -> Self:
        """Fix schema, net and first weights from rows X without learning: an untrained twin, and a check of options."""
        check_options(self.get_params())
        rows = self._rows(X, reset=True, at_least=2)
        self.schema_ = Schema.fit(rows, scale=self.scale)
        training = Rows(rows, self.schema_, self._device(), beside(self.objective, y, None, rows_of(rows)))
        seed = seed_of(self.random_state)
        self._build(training, seed)
        self._finish(rows, training, seed)
        return self

    def partial_fit(self, X: Any, y: Any = None, groups: Any = None) -> Self:
        """One pass over rows X with a constant learning rate; the first call fixes schema, net and weights.

        Each pass starts Adam anew. What was fitted or loaded before goes on learning.
        """
        first = not hasattr(self, "model_")
        if first:
            check_options(self.get_params())
        rows = self._rows(X, reset=first, at_least=2 if first else 1)
        if first:
            self.schema_ = Schema.fit(rows, scale=self.scale)
        target = None if first else self.model_.plan.target
        told = beside(self.objective, y, groups, rows_of(rows), target)
        training = Rows(rows, self.schema_, self._device(), told)
        if first:
            self._build(training, seed_of(self.random_state))
        settings: dict[str, Any] = {**self.settings(training.length), "epochs": 1}
        position = Position()
        for _ in train(
            self.model_,
            training,
            **settings,
            seed=self._seed + 1 + len(self.history_),
            steady=True,
            position=position,
        ):
            pass
        self.history_ = [*self.history_, {**position.history[0], "epoch": len(self.history_) + 1}]
        self.train_seconds_ += position.seconds
        self._finish(rows, training, self._seed, ended=False)
        return self

    def _fit(
        self, rows: Any, told: Beside, seed: int, checkpoint: Path | None, checkpoint_seconds: float
    ) -> Iterator[Epoch]:
        in_order = parse_objective(recipe_of(self.objective)[0]).needs("pairs")
        kept, held = held_out(rows_of(rows), self.validation, seed, in_order)
        training = Rows.some(rows, kept, self.schema_, self._device(), told)
        self._build(training, seed)
        position = Position()
        loop = train(
            self.model_,
            training,
            **self.settings(training.length),
            seed=seed,
            held_out=Rows.some(rows, held, self.schema_, self._device(), told) if len(held) else None,
            checkpoint=checkpoint,
            checkpoint_seconds=checkpoint_seconds,
            position=position,
        )
        try:
            for epoch in loop:
                self.history_, self.train_seconds_ = position.history, position.seconds
                yield epoch
        except (GeneratorExit, Diverged) as end:
            loop.close()
            self._finish(rows, training, seed, ended=False)
            keep_last_good(self, end, checkpoint)
            raise
        finally:
            loop.close()
        self.history_, self.train_seconds_ = position.history, position.seconds
        self._finish(rows, training, seed)

    def _build(self, training: Rows, seed: int) -> None:
        plan = make_plan(self.schema_, self.code_size, map(training.block, training.blocks()), training.target)
        text, net_text = recipe_of(self.objective)
        objective = parse_objective(text).resolve(plan)
        chosen = net_text if self.net == "auto" else self.net
        chosen = objective.auto_net if chosen == "auto" else chosen
        net = parse_net(chosen, plan.shape, self.code_size, objective.compares_views)
        check_memory(plan, objective, net, self.settings(training.length)["batch_size"], self._device())
        self.model_ = Model(plan, objective, net.build(plan, objective.outputs(plan), objective.loss is not None))
        self.model_.draw_weights(seed)
        self.model_.to(self._device())
        self.net_ = spell([net])
        self.objective_ = objective.text
        self._n_features_out, self._seed = self.code_size, seed
        self.history_: list[dict[str, float]] = []
        self.train_seconds_ = 0.0
        for sentence in examine(training, self.model_):
            warnings.warn(sentence, stacklevel=4)

    def _finish(self, rows: Any, training: Rows, seed: int, ended: bool = True) -> None:
        self.model_.eval()
        self._keep_golden(rows)
        most = rows_at_once(self.schema_.features, 10_000)
        sample = np.linspace(0, training.length - 1, min(training.length, most)).astype(int)
        x, _ = training.batch(torch.from_numpy(np.unique(sample)))
        encoded = x.cpu().numpy()
        codes = self.encode_samples(encoded)
        if self.model_.objective.leaves_scale_open and len(codes) > 1:
            spread = np.where(codes.std(0) > 1e-6, codes.std(0), 1.0).astype(np.float32)
            device = self._device()
            self.model_.standardise(torch.from_numpy(codes.mean(0)).to(device), torch.from_numpy(spread).to(device))
            codes = self.encode_samples(encoded)
        self.dead_units_, collapsed = dead_units(codes), self._collapsed(x)
        if self.model_.net.decoder is None:
            self.ridge_ = Ridge.fit(codes, encoded.reshape(len(encoded), -1))
        self.record_ = {
            "objective": self.objective_,
            "net": self.net_,
            "code_size": self.code_size,
            "seed": seed,
            **self.settings(training.length),
            "rows": training.length,
            "epochs_run": len(self.history_),
            "seconds": self.train_seconds_,
            "choices": self.model_.objective.record(self.model_),
            "dead_units": len(self.dead_units_),
            "collapsed_units": len(collapsed),
            "history": self.history_,
        }
        objective, idle = self.model_.objective, {*self.dead_units_, *collapsed}
        problems = unit_problems(objective, self.code_size, self.dead_units_, collapsed, self.history_)
        if self.history_ and self.model_.net.decoder is not None:
            few = slice(None, None, -(-len(codes) // 256))
            flat, told = encoded[few].reshape(len(codes[few]), -1), not ended or len(idle) == self.code_size
            problems += astray(flat, self._decode_block(codes[few]), None if told else objective)
        self._keep_reference(rows)
        for problem in problems:
            warnings.warn(problem, stacklevel=4)

    # --- options ------------------------------------------------------------------------------------------------

    def settings(self, rows: int) -> dict[str, Any]:
        """The epochs, batch_size, learning_rate and patience of a fit on `rows` training rows; "auto" is resolved."""
        return resolved(self.get_params(), rows, self.model_.net.widest() if hasattr(self, "model_") else 0)

    def _options(self, seed: int) -> dict[str, Any]:
        text, net_text = recipe_of(self.objective)
        names = ("code_size", "epochs", "batch_size", "learning_rate", "validation", "patience", "scale")
        chosen = {name: getattr(self, name) for name in names}
        net = net_text if self.net == "auto" else self.net
        return {"objective": parse_objective(text).text, "net": net, "random_state": seed, **chosen}

    def _device(self) -> str:
        if self.device == "auto":
            return "cuda" if torch.cuda.is_available() else "cpu"
        return self.device

    @property
    def block_rows(self) -> int:
        """Rows that are coded at once: fewer of pictures, whose stages are large."""
        return 256 if len(self.schema_.shape) == 3 else super().block_rows

    # --- coding -------------------------------------------------------------------------------------------------

    def _encode_block(self, encoded: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return self.model_.codes(torch.from_numpy(encoded).to(self._device())).cpu().numpy()

    def _decode_block(self, codes: np.ndarray) -> np.ndarray:
        if self.model_.net.decoder is None:
            return self.ridge_.predict(codes)
        with torch.no_grad():
            code = torch.from_numpy(np.ascontiguousarray(codes, np.float32)).to(self._device())
            return self.model_.rebuild(code).cpu().numpy()

    def _mean_row(self) -> np.ndarray:
        return self.model_.plan.mean

    def layers(self, X: Any, names: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        """The activations of named stages, each (rows, ...) float32, and "code"; all stages when no names are given.

        errors  SentenceError for an unknown stage
        """
        check_is_fitted(self)
        return activations(self, self._rows(X, reset=False), names)

    # --- scikit-learn -------------------------------------------------------------------------------------------

    def __sklearn_tags__(self) -> Tags:
        """Rows or pictures, dense or CSR, float32 out."""
        tags = super().__sklearn_tags__()
        pictures = needs_pictures(self.objective)
        tags.input_tags.sparse = not pictures
        tags.input_tags.two_d_array = not pictures
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    # --- saving -------------------------------------------------------------------------------------------------

    def _state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        tensors = {f"model.{name}": array(value) for name, value in self.model_.state_dict().items()}
        tensors |= plan_tensors(self.model_.plan)
        tensors["dead_units"] = self.dead_units_
        if self.model_.net.decoder is None:
            tensors |= self.ridge_.tensors()
        kept = {name: value for name, value in self.get_params().items() if name not in ("run", "device")}
        options = {**kept, "random_state": self.record_["seed"]}
        plan = {"objective": self.objective_, "net": self.net_, "code_size": self.code_size}
        return {**plan, **target_record(self.model_.plan), "options": options, "record": self.record_}, tensors

    @classmethod
    def from_bundle(cls, found: bundle.Bundle) -> Autoencoder:
        """The estimator a bundle holds.

        errors  BundleError when plan and weights do not fit together
        """
        options = found.plan.get("options", {})
        known = cls().get_params()
        made = cls(**{name: value for name, value in options.items() if name in known})
        made._take_over(found)
        return made

    def _take_over(self, found: bundle.Bundle) -> None:
        try:
            self._restore(found)
            plan = plan_from(self.schema_, int(found.plan["code_size"]), found.tensors, found.plan.get("target"))
            objective = parse_objective(found.plan["objective"]).resolve(plan)
            net = parse_net(found.plan["net"], plan.shape, plan.code_size)
            self.model_ = Model(plan, objective, net.build(plan, objective.outputs(plan), objective.loss is not None))
            weights = {n.removeprefix("model."): v for n, v in found.tensors.items() if n.startswith("model.")}
            self.model_.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in weights.items()})
        except (KeyError, TypeError, RuntimeError, SentenceError, DataError) as error:
            reason = str(error).splitlines()[0]
            raise BundleError(f"{found.path} does not hold an autoencoder ({reason})", "save it again") from None
        self.model_.to(self._device()).eval()
        if objective.loss is None:
            self.ridge_ = Ridge.restored(found.tensors, plan.code_size, plan.features)
        self.net_, self.objective_ = found.plan["net"], objective.text
        record: dict[str, Any] = dict(found.plan.get("record", {}))
        self.record_, self.history_ = record, list(record.get("history", []))
        self.train_seconds_ = float(record.get("seconds", 0.0))
        self.dead_units_ = np.asarray(found.tensors.get("dead_units", ()), np.int64)
        self._n_features_out, self._seed = plan.code_size, int(record.get("seed", 0))
