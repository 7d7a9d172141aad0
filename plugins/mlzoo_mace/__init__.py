"""MACE as an mlzoo plugin: higher-order equivariant message passing (Batatia et al. 2022)."""

from importlib import import_module
from pathlib import Path
from typing import Any

from mlzoo.plugin import Architecture, Reader, ReadWeights, hookimpl
from mlzoo_mace.config import MaceConfig
from mlzoo_mace.readers.sniffs import (
    sniff_mace_torch,
    sniff_mace_torch_neutral,
    sniff_mlip_first,
    sniff_mlip_second,
)
from mlzoo_mace.training import TRAINING


def build(config: MaceConfig) -> Any:
    from mlzoo_mace.model import DielectricMace, Mace  # torch layers load only when a model is built

    return Mace(config) if config.energy else DielectricMace(config)


def _reader(name: str, sniff: Any, module: str) -> Reader:
    def read(path: Path) -> ReadWeights:
        return import_module(f"mlzoo_mace.readers.{module}").read(path)

    return Reader(name, sniff, read)


@hookimpl
def mlzoo_architecture() -> Architecture:
    readers = (
        _reader("mlip-1", sniff_mlip_first, "mlip_first"),
        _reader("mlip-2", sniff_mlip_second, "mlip_second"),
        _reader("mace-torch", sniff_mace_torch, "mace_torch"),
        _reader("mace-torch-neutral", sniff_mace_torch_neutral, "mace_torch_neutral"),
    )
    return Architecture(
        name="mace", config=MaceConfig, build=build, readers=readers, training=TRAINING, element_tables=True
    )
