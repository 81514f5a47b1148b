"""Penalties on a gaussian() code: what the distribution of a code is charged for.

Reads  a Trace: `encoded`, the mean and log variance of every unit; `code`, the draw; the context's progress and rows.
Gives  one number per sample, shape (batch,), before weighting, in nats but for dip().
Skips  the draw itself: gaussian() is a bottleneck.
Order  by year of the paper.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import SentenceError
from ..registry import part
from .bottlenecks import moments
from .corruptions import check_positive
from .trace import Trace


def unit_nats(encoded: Tensor) -> Tensor:
    """KL(N(mean, variance) || N(0, 1)) of every unit, (batch, units), in nats. Kingma and Welling 2014, appendix B."""
    mean, log_variance = moments(encoded)
    return (mean.square() + log_variance.exp() - 1 - log_variance) / 2


def _encoded(trace: Trace, term: str) -> Tensor:
    if trace.encoded is None:
        raise SentenceError(f"{term}() needs the encoder's output", "this trace was made without one")
    return trace.encoded


@part("penalty")
@dataclass(frozen=True)
class Prior:
    """sum_j KL(q(code_j | x) || N(0, 1)), in nats: codes stay near a standard normal, from which rows can be drawn.

    weight     of the penalty: 1 is the VAE, above 1 the beta-VAE (Higgins et al. 2017, eq. 4)
    warmup     share of the training over which the weight grows from 0 in a line (Sonderby et al. 2016);
               with a capacity it is the capacity that grows
    capacity   C nats: charge |KL - C| instead, KL the mean over the batch (Burgess et al. 2018)
    free_bits  nats per unit that cost nothing: charge sum_j max(free_bits, KL_j), KL_j the mean over the batch
               (Kingma et al. 2016)
    The last two compare means over the batch, so every sample is then charged the same.
    Source: Kingma and Welling 2014, eq. 10.
    """

    weight: float = 1.0
    warmup: float = 0.0
    capacity: float = 0.0
    free_bits: float = 0.0
    over = "sample"
    needs_gaussian = True

    def __post_init__(self) -> None:
        check_positive("prior", "weight", self.weight)
        if not 0 <= self.warmup <= 1:
            raise SentenceError(
                f"prior(warmup={self.warmup}) is not a share", "warmup lies in [0, 1], a share of the training"
            )
        for option in ("capacity", "free_bits"):
            if not 0 <= getattr(self, option) < math.inf:
                problem = f"prior({option}={getattr(self, option)}) is not possible"
                raise SentenceError(problem, f"{option} is finite, at least 0, in nats")
        if self.capacity and self.free_bits:
            raise SentenceError("prior() was given a capacity and free_bits", "each keeps units in use: give one")

    def __call__(self, trace: Trace) -> Tensor:
        """(batch,) nats."""
        units = unit_nats(_encoded(trace, "prior"))
        grown = self._grown(trace)
        if self.capacity:
            return (units.sum(1).mean() - grown * self.capacity).abs().expand(len(units))
        if self.free_bits:
            return grown * units.mean(0).clamp_min(self.free_bits).sum().expand(len(units))
        return units.sum(1) if grown == 1 else grown * units.sum(1)

    @property
    def when_zero(self) -> str:
        """What makes it work where it charges no more than its free bits."""
        free = f"free_bits={self.free_bits:g} is above the KL of every unit: lower it"
        return free if self.free_bits else "raise its weight, or leave it out"

    def least(self, units: int) -> float:
        """Nats it charges for a code of so many units even where it pulls at none of them, after the warm-up."""
        return units * self.free_bits

    def _grown(self, trace: Trace) -> float:
        if trace.context is None or self.warmup == 0:
            return 1.0
        return min(1.0, trace.context.progress / self.warmup)


@part("penalty")
@dataclass(frozen=True)
class TotalCorrelation:
    """KL(q(code) || prod_j q(code_j)), in nats: units that say independent things. q(code) is over all rows.

    weight  of the penalty, beside prior(1): prior(1) + total_correlation(5) is the paper's beta = 6
    Estimated over the batch by stratified sampling: a draw from row n is scored by its own row with weight 1 / N and
    by the B - 1 others with (N - 1) / (N (B - 1)) each, N rows in all, B in the batch. This is the paper's estimator,
    which gives one of the others another weight than the rest, averaged over which one: as free of bias and with
    less variance. A small batch makes it noisy and may make it negative.
    Source: Chen et al. 2018, eq. 4 and appendix C.2.
    """

    weight: float = 5.0
    over = "batch"
    reads_others = True
    needs_gaussian = True

    def __post_init__(self) -> None:
        check_positive("total_correlation", "weight", self.weight)

    def __call__(self, trace: Trace) -> Tensor:
        """(batch,) the same number of nats for every sample."""
        mean, log_variance = moments(_encoded(trace, "total_correlation"))
        z, batch = trace.code, len(trace.code)
        distance = (z[:, None] - mean).square() * (-log_variance).exp()
        density = -(distance + log_variance + math.log(2 * math.pi)) / 2  # (draw, row, unit)
        rows = trace.context.rows if trace.context is not None else 0
        weights = stratified_weights(batch, max(rows, batch)).to(z).log()
        joint = (weights + density.sum(2)).logsumexp(1)
        alone = (weights[:, :, None] + density).logsumexp(1).sum(1)
        return (joint - alone).mean().expand(batch)


def stratified_weights(batch: int, rows: int) -> Tensor:
    """(batch, batch) float64 weights w with sum_m w[n, m] q(code | row m) an unbiased estimate of q(code).

    batch  rows in the batch, drawn without replacement, row n of which the code was drawn from
    rows   in all, at least `batch`
    """
    if batch == 1:
        return torch.ones(1, 1, dtype=torch.float64)
    weights = torch.full((batch, batch), (rows - 1) / (rows * (batch - 1)), dtype=torch.float64)
    return weights.fill_diagonal_(1 / rows)


@part("penalty")
@dataclass(frozen=True)
class Dip:
    """sum_(i != j) Cov_ij^2 + diagonal * sum_i (Cov_ii - 1)^2: the codes' covariance is brought to the identity.

    weight    of the penalty
    diagonal  weight of the variances beside that of the covariances; the paper's ratio is 10 for kind 1, 1 for kind 2
    kind      1: Cov of the means; 2: Cov of the codes, which is that of the means plus the mean variances
    A batch statistic (1/n). Source: Kumar, Sattigeri and Balakrishnan 2018, section 3 (DIP-VAE-I and DIP-VAE-II).
    """

    weight: float = 10.0
    diagonal: float = 10.0
    kind: int = 1
    over = "batch"
    needs_gaussian = True

    def __post_init__(self) -> None:
        check_positive("dip", "weight", self.weight)
        check_positive("dip", "diagonal", self.diagonal)
        if self.kind not in (1, 2):
            raise SentenceError(f"dip(kind={self.kind}) is not known", "kind is 1 (of the means) or 2 (of the codes)")

    def __call__(self, trace: Trace) -> Tensor:
        """(batch,) the same number for every sample."""
        mean, log_variance = moments(_encoded(trace, "dip"))
        centred = mean - mean.mean(0)
        covariance = centred.t() @ centred / len(mean)
        own = covariance.diagonal()
        apart = covariance.square().sum() - own.square().sum()
        if self.kind == 2:
            own = own + log_variance.exp().mean(0)
        return (apart + self.diagonal * (own - 1).square().sum()).expand(len(mean))
