"""A run from settings to a weight: read, look over, split, prepare, fit."""

from __future__ import annotations

import logging
from typing import Any

from mlzoo.checksums import sha256
from mlzoo.training.fit import Outcome, fit
from mlzoo.training.gathering import Gathered, gather
from mlzoo.training.memory import keep_freed_memory
from mlzoo.training.planning import plan
from mlzoo.training.prepare import Ready, prepare
from mlzoo.training.progress import Show
from mlzoo.training.settings import TrainSettings

log = logging.getLogger("mlzoo")


def run(settings: TrainSettings, show: Show | None = None) -> Outcome:
    """Train as ``settings`` say, or go on where a run with the same output folder was stopped; ``show`` is told how far.

    Raises :class:`InvalidTraining`, and :class:`UnreadableFile` for data that cannot be read.
    """
    keep_freed_memory()
    data, ready = _ready(settings)
    return fit(ready, settings, provenance=_provenance(settings, data), show=show)


def planned(settings: TrainSettings) -> dict[str, str]:
    """What a run would do, in words; nothing is written. Raises as :func:`run` does."""
    return plan(_ready(settings)[1], settings)


def _ready(settings: TrainSettings) -> tuple[Gathered, Ready]:
    data = gather(settings.data, list(settings.targets))
    log.info("%d structures to learn from, %d to validate with", len(data.train), len(data.validation))
    return data, prepare(settings, data)


def _provenance(settings: TrainSettings, data: Gathered) -> dict[str, Any]:
    """What a trained weight says of its making (JSON-safe)."""
    return {
        "settings": settings.model_dump(mode="json"),
        "data": {str(path): sha256(path) for path in data.files},
        "structures": len(data.train),
    }
