"""What a quantity errs by: exact sums over any number of pairs, and a bounded sample of the pairs for plots."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class ErrorsOf:
    """Errors of one quantity over ``count`` pairs, in ``unit``: d = prediction − reference.

    A pair is a structure where there is one number a structure, and a component where there are several, as of forces
    and stress. ``spread`` is the mean of abs(reference − c), where c is the mean of the references for one number a
    structure, and zero for components: what a model errs by that has learned nothing but c. ``r2`` is
    1 − sum(d²) / sum((reference − mean)²), None where that says nothing.
    """

    unit: str
    count: int
    mae: float  # mean of abs(d)
    rmse: float  # root of the mean of d²
    largest: float  # largest abs(d)
    bias: float  # mean of d
    spread: float
    r2: float | None = None

    def times(self, factor: float, unit: str) -> ErrorsOf:
        """The same in another unit."""
        names = ("mae", "rmse", "largest", "bias", "spread")
        return replace(self, unit=unit, **{name: getattr(self, name) * factor for name in names})


class Tally:
    """Sums over pairs, as they come."""

    def __init__(self) -> None:
        self.count = 0
        self._error = self._absolute = self._square = self._largest = 0.0
        self._reference = self._mean = self._deviation = 0.0  # sum of abs; mean; sum of squares about the mean

    def add(self, reference: Float[np.ndarray, "K"], prediction: Float[np.ndarray, "K"]) -> None:
        added = len(reference)
        if not added:
            return
        error = prediction - reference
        size = np.abs(error)
        self._error += float(error.sum())
        self._absolute += float(size.sum())
        self._square += float(error @ error)
        self._largest = max(self._largest, float(size.max()))
        self._reference += float(np.abs(reference).sum())
        mean = float(reference.mean())
        apart = mean - self._mean
        count = self.count + added
        self._deviation += float(((reference - mean) ** 2).sum()) + apart**2 * self.count * added / count
        self._mean += apart * added / count
        self.count = count

    def errors(self, unit: str) -> ErrorsOf:
        """Of at least one pair."""
        n = self.count
        return ErrorsOf(
            unit=unit,
            count=n,
            mae=self._absolute / n,
            rmse=math.sqrt(self._square / n),
            largest=self._largest,
            bias=self._error / n,
            spread=self._reference / n,
            r2=1 - self._square / self._deviation if self._deviation > 1e-20 * n else None,
        )


def errors_of_structures(reference: Float[np.ndarray, "S"], prediction: Float[np.ndarray, "S"], unit: str) -> ErrorsOf:
    """Errors of one number a structure, all of them at hand.

    >>> errors_of_structures(np.array([1.0, 3.0]), np.array([1.0, 4.0]), "eV").mae
    0.5
    """
    tally = Tally()
    tally.add(reference, prediction)
    return replace(tally.errors(unit), spread=float(np.abs(reference - reference.mean()).mean()))


class Reservoir:
    """A sample of at most ``size`` pairs, each pair as likely to be in it as any other; the same in each run."""

    def __init__(self, size: int):
        self.seen = 0
        self._rows = np.empty((size, 2))
        self._random = np.random.default_rng(0)

    def add(self, reference: Float[np.ndarray, "K"], prediction: Float[np.ndarray, "K"]) -> None:
        rows = np.column_stack([reference, prediction])
        free = max(0, min(len(rows), len(self._rows) - self.seen))
        self._rows[self.seen : self.seen + free] = rows[:free]
        late = np.arange(self.seen + free, self.seen + len(rows))  # places in the stream of those that may replace one
        drawn = self._random.integers(0, late + 1)
        taken = drawn < len(self._rows)
        self._rows[drawn[taken]] = rows[free:][taken]
        self.seen += len(rows)

    @property
    def pairs(self) -> Float[np.ndarray, "K 2"]:
        """Reference and prediction."""
        return self._rows[: min(self.seen, len(self._rows))].copy()
