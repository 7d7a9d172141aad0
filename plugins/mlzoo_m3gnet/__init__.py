"""M3GNet as an mlzoo plugin: a graph network with three-body interactions (Chen and Ong 2022)."""

from importlib import import_module
from pathlib import Path
from typing import Any

from mlzoo import matgl_folders
from mlzoo.plugin import Architecture, Reader, ReadWeights, hookimpl
from mlzoo.targets import UNITS
from mlzoo_m3gnet.config import CONVENTIONS, EnergyReadout, M3GNetConfig
from mlzoo_m3gnet.training import TRAINING


def build(config: M3GNetConfig) -> Any:
    from mlzoo_m3gnet.model import M3GNetPotential, M3GNetProperty  # torch loads only when a model is built

    return M3GNetPotential(config) if isinstance(config.readout, EnergyReadout) else M3GNetProperty(config)


def read_matgl(path: Path, **options: str) -> ReadWeights:
    return import_module("mlzoo_m3gnet.readers.matgl").read(path, **options)


def read_tensorflow(path: Path, **options: str) -> ReadWeights:
    return import_module("mlzoo_m3gnet.readers.tensorflow").read(path, **options)


def sniff_matgl(path: Path) -> bool:
    return matgl_folders.holds(path, "M3GNet")


def sniff_tensorflow(path: Path) -> bool:
    """The original code writes the arguments of its class into ``m3gnet.json``."""
    page = path / "m3gnet.json"
    if not page.is_file():
        return False
    with page.open("rb") as file:
        return b"M3GNet" in file.read(256)


@hookimpl
def mlzoo_architecture() -> Architecture:
    targets = tuple(UNITS)
    readers = (
        Reader("matgl", sniff_matgl, read_matgl, options={"convention": tuple(CONVENTIONS), "target": targets}),
        Reader("m3gnet-tf", sniff_tensorflow, read_tensorflow, options={"target": targets}),
    )
    return Architecture(
        name="m3gnet", config=M3GNetConfig, build=build, readers=readers, training=TRAINING, element_tables=True
    )
