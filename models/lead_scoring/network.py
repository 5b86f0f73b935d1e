"""The lead scoring network: an ensemble of small sparse networks, trained together as one matrix.

Each member adds a linear part and a hidden layer over the same indicators. An L1 penalty on the linear weights and
a group penalty on each indicator's hidden weights keep only the few indicators that matter: with 280 buyers to
learn from, anything denser loses to logistic regression. Each member leaves out one inner fold; its logits there
calibrate the whole (`models.calibration`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.adam import adam

from models.calibration import Calibration, fit_calibration
from models.distributed import Team, summed
from models.lead_scoring.features import Encoding, learn_encoding
from models.resampling import Folds, Groups, stratified_folds

Numbers = NDArray[np.float64]
Labels = NDArray[np.bool_]

_WARM_UP_STEPS: Final = 10


@dataclass(frozen=True)
class Settings:
    """Hyperparameters; the values were chosen on three quarters of the data (docs/models.md)."""

    members: int = 5
    hidden: int = 8
    epochs: int = 40
    batch: int = 512
    learning_rate: float = 0.01
    dropout: float = 0.2
    linear_penalty: float = 0.006
    """Of the sum of a member's absolute linear weights, per row."""
    hidden_penalty: float = 0.007
    """Of the sum over indicators of the norm of their hidden weights, per row."""
    initial_scale: float = 0.3


class Ensemble(nn.Module):
    """All members over one batch: their first layers lie side by side in one matrix."""

    def __init__(self, indicators: int, base_rate: float, settings: Settings, random: torch.Generator) -> None:
        super().__init__()
        members, hidden, scale = settings.members, settings.hidden, settings.initial_scale

        def normal(*shape: int, deviation: float) -> nn.Parameter:
            return nn.Parameter(torch.randn(*shape, generator=random) * deviation)

        self.linear = nn.Parameter(torch.zeros(indicators, members))
        self.offset = nn.Parameter(torch.full((members,), math.log(base_rate / (1 - base_rate))))
        self.into = normal(indicators, members, hidden, deviation=scale / math.sqrt(indicators))
        self.hidden_offset = nn.Parameter(torch.zeros(members, hidden))
        self.out = normal(members, hidden, deviation=scale)
        self.dropout = settings.dropout
        self.random = random

    def kept(self, rows: int) -> Tensor:
        """Which units of a batch dropout keeps, of shape (rows, members, hidden)."""
        return torch.rand(rows, *self.out.shape, generator=self.random) >= self.dropout

    def forward(self, batch: Tensor, kept: Tensor | None = None) -> Tensor:
        """Logits of shape (rows, members) for standardised indicators of shape (rows, indicators)."""
        members, hidden = self.out.shape
        first = batch @ torch.cat([self.linear, self.into.flatten(1)], dim=1)
        units = first[:, members:].reshape(-1, members, hidden) + self.hidden_offset
        units = nn.functional.gelu(units)
        if kept is not None:
            units = units * kept / (1 - self.dropout)
        return first[:, :members] + self.offset + (units * self.out).sum(dim=2)

    def penalty(self, settings: Settings) -> Tensor:
        """Sum over members."""
        norms = (self.into.square().sum(dim=2) + 1e-8).sqrt()  # the square root has no slope at 0
        return settings.linear_penalty * self.linear.abs().sum() + settings.hidden_penalty * norms.sum()


@dataclass(frozen=True)
class FittedNetwork:
    """A trained ensemble with the encoding before and the calibration behind it."""

    encoding: Encoding
    ensemble: Ensemble
    calibration: Calibration

    def probability(self, rows: Numbers) -> Numbers:
        """Calibrated probabilities of shape (rows,)."""
        return self.calibration.apply(_member_logits(self.ensemble, self.encoding.standardised(rows)).mean(axis=1))


def fit_network(
    rows: Numbers, label: Labels, group: Groups, *, settings: Settings, seed: int, team: Team | None = None
) -> FittedNetwork:
    """Train on these rows alone; the same arguments give the same network on the same machine.

    In a team every process has all rows, and gets the same network.
    """
    with _repeatable():
        encoding = learn_encoding(rows)
        design = encoding.standardised(rows)
        inner = stratified_folds(label, group, folds=settings.members, seed=seed)
        random = torch.Generator().manual_seed(seed)
        ensemble = Ensemble(design.shape[1], float(label.mean()), settings, random)
        _train(ensemble, design, label, inner, settings, random, team)
        ensemble.eval()
        held_out = _member_logits(ensemble, design)[np.arange(len(rows)), inner]
        return FittedNetwork(encoding, ensemble, fit_calibration(held_out, label))


def _train(
    ensemble: Ensemble,
    design: Numbers,
    label: Labels,
    inner: Folds,
    settings: Settings,
    random: torch.Generator,
    team: Team | None,
) -> None:
    inputs = torch.tensor(design, dtype=torch.float32)
    targets = torch.tensor(label, dtype=torch.float32)[:, None]
    seen = torch.tensor(inner[:, None] != np.arange(settings.members), dtype=torch.float32)
    batches = max(len(inputs) // settings.batch, 1)
    model = team.wrapped(ensemble) if team is not None else ensemble
    optimiser = _Adam(list(ensemble.parameters()))
    step, last = 0, batches * settings.epochs
    for _ in range(settings.epochs):
        order = torch.randperm(len(inputs), generator=random)
        for part in order.tensor_split(batches):
            kept, mine = ensemble.kept(len(part)), team.share(len(part)) if team is not None else slice(None)
            losses = _losses(model(inputs[part[mine]], kept[mine]), targets[part[mine]])
            loss = (losses * seen[part[mine]]).sum(dim=0) / seen[part].sum(dim=0)
            ensemble.zero_grad()
            summed(team, loss.sum(), ensemble.penalty(settings)).backward()  # type: ignore[no-untyped-call]
            optimiser.step(settings.learning_rate * _rate(step, last))
            step += 1


class _Adam:
    """The state around PyTorch's own update; `torch.optim.Adam` first imports the compiler, for seconds."""

    def __init__(self, parameters: list[nn.Parameter]) -> None:
        self._parameters: list[Tensor] = list(parameters)
        self._mean = [torch.zeros_like(parameter) for parameter in parameters]
        self._square = [torch.zeros_like(parameter) for parameter in parameters]
        self._steps = [torch.tensor(0.0) for _ in parameters]

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        adam(
            self._parameters, gradients, self._mean, self._square, [], self._steps, foreach=False, amsgrad=False,
            beta1=0.9, beta2=0.99, lr=learning_rate, weight_decay=0.0, eps=1e-8, maximize=False,
        )  # fmt: skip


def _losses(logits: Tensor, targets: Tensor) -> Tensor:
    return nn.functional.binary_cross_entropy_with_logits(logits, targets.expand_as(logits), reduction="none")


def _rate(step: int, last: int) -> float:
    """Linear warm-up, then half a cosine down to zero."""
    return min(1.0, (step + 1) / _WARM_UP_STEPS) * 0.5 * (1 + math.cos(math.pi * step / last))


def _member_logits(ensemble: Ensemble, design: Numbers) -> Numbers:
    """Shape (rows, members)."""
    with torch.no_grad():
        logits: Tensor = ensemble(torch.tensor(design, dtype=torch.float32))
    return np.asarray(logits.numpy(), dtype=np.float64)


@contextmanager
def _repeatable() -> Iterator[None]:
    """One thread, deterministic kernels and no denormals; sums in another order would change the last bits."""
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        torch.use_deterministic_algorithms(deterministic)
        torch.set_num_threads(threads)
