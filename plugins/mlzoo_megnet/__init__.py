"""MEGNet as an mlzoo plugin: properties of crystals from atoms, bonds and a global state (Chen et al. 2019)."""

from importlib import import_module
from pathlib import Path
from typing import Any

from mlzoo.plugin import Architecture, Reader, ReadWeights, hookimpl
from mlzoo.targets import UNITS
from mlzoo_megnet.config import MEGNetConfig
from mlzoo_megnet.conventions import CONVENTIONS
from mlzoo_megnet.readers.sniffs import sniff_keras, sniff_matgl
from mlzoo_megnet.training import TRAINING


def build(config: MEGNetConfig) -> Any:
    from mlzoo_megnet.model import MEGNet  # torch layers load only when a model is built

    return MEGNet(config)


def read_matgl(path: Path, **options: str) -> ReadWeights:
    return import_module("mlzoo_megnet.readers.matgl").read(path, **options)


def read_keras(path: Path, **options: str) -> ReadWeights:
    return import_module("mlzoo_megnet.readers.keras").read(path, **options)


@hookimpl
def mlzoo_architecture() -> Architecture:
    targets = tuple(UNITS)
    readers = (
        Reader("matgl", sniff_matgl, read_matgl, options={"convention": tuple(CONVENTIONS), "target": targets}),
        Reader("megnet-keras", sniff_keras, read_keras, options={"target": targets}),
    )
    return Architecture(
        name="megnet", config=MEGNetConfig, build=build, readers=readers, training=TRAINING, element_tables=True
    )
