"""The output folder of a run: what it was asked for, and how far it came."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlzoo.errors import InvalidTraining
from mlzoo.json_files import read_json
from mlzoo.sources.store import FULL
from mlzoo.training.settings import TrainSettings, checked
from mlzoo.training.whole_files import replacing

SETTINGS = "settings.json"
LAST = Path("checkpoints", "last.ckpt")

FREE = (
    "num_epochs",
    "early_stop",
    "devices",
    "num_nodes",
    "device",
    "log_interval",
    "checkpoint_interval",
    "tensorboard",
    "license",
    "card",
)
"""Settings that may differ when a run goes on; and data.num_workers."""


def take_up(folder: Path, settings: TrainSettings) -> Path | None:
    """The checkpoint to go on from. Raises :class:`InvalidTraining` where the folder holds another run."""
    page = folder / SETTINGS
    if page.is_file():
        now, before = (_essential(each) for each in (settings, checked(read_json(page), str(page))))
        different = [name for name in now if now[name] != before[name]]
        if different:
            raise InvalidTraining(
                f"{folder} holds a run with other settings ({', '.join(different)}): choose another output, or delete it."
            )
    elif folder.is_dir() and any(each.name != f".{SETTINGS}.part" for each in folder.iterdir()):
        raise InvalidTraining(f"{folder} is there and holds no training run: choose another output.")
    with replacing(page) as file:
        file.write(json.dumps(settings.model_dump(mode="json"), indent=1).encode())
    last = folder / LAST
    return last if last.is_file() else None


@contextmanager
def room(folder: Path) -> Iterator[None]:
    """Say in words that the disk is full. Raises :class:`InvalidTraining`."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise InvalidTraining(
            f"{folder} cannot be written to: {error.strerror}. Make room and give the same command again: it goes on from "
            "the last checkpoint, which is whole."
        ) from error


def _essential(settings: TrainSettings) -> dict[str, Any]:
    """Without what may differ when a run goes on."""
    said = settings.model_dump(mode="json", exclude={*FREE})
    said["data"].pop("num_workers")
    return said
