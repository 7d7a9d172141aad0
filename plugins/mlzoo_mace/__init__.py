"""MACE as an mlzoo plugin: higher-order equivariant message passing (Batatia et al. 2022)."""

from typing import Any

from mlzoo.plugin import Architecture, hookimpl
from mlzoo_mace.config import MaceConfig


def build(config: MaceConfig) -> Any:
    from mlzoo_mace.model import Mace  # torch loads only when a model is built

    return Mace(config)


@hookimpl
def mlzoo_architecture() -> Architecture:
    return Architecture(name="mace", config=MaceConfig, build=build)
