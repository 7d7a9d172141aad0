"""A run from settings to a weight: read, look over, split, prepare, fit."""

from __future__ import annotations

import logging
from typing import Any

from mlzoo.checksums import sha256
from mlzoo.training.data.looking_over import look_over, overlap
from mlzoo.training.data.reading import Dataset, files, read_dataset
from mlzoo.training.data.splitting import split
from mlzoo.training.fit import Outcome, fit
from mlzoo.training.prepare import prepare
from mlzoo.training.settings import TrainSettings

log = logging.getLogger("mlzoo")


def run(settings: TrainSettings) -> Outcome:
    """Train as ``settings`` say, or go on where a run with the same output folder was stopped.

    Raises :class:`InvalidTraining`, and :class:`UnreadableFile` for data that cannot be read.
    """
    said = settings.data
    data = read_dataset(list(said.train), said.keys)
    if said.validation_files:
        train, validation = data.examples, read_dataset(list(said.validation_files), said.keys).examples
    else:
        train, validation = split(data.examples, said.validation)
    for finding in (*look_over(data.examples), *overlap(train, validation)):
        log.warning("%s", finding.sentence)
    log.info("%d structures to learn from, %d to validate with", len(train), len(validation))
    ready = prepare(settings, train, validation, data.references)
    return fit(ready, settings, provenance=_provenance(settings, data, len(train)))


def _provenance(settings: TrainSettings, data: Dataset, learned: int) -> dict[str, Any]:
    """What a trained weight says of its making (JSON-safe)."""
    return {
        "settings": settings.model_dump(mode="json"),
        "data": {str(path): sha256(path) for path in files(list(settings.data.train))},
        "structures": learned,
    }
