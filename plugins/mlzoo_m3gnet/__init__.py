"""M3GNet as an mlzoo plugin: a graph network with three-body interactions (Chen and Ong 2022)."""

from pathlib import Path
from typing import Any

from mlzoo.plugin import Architecture, Reader, ReadWeights, hookimpl
from mlzoo_m3gnet.config import CONVENTIONS, EnergyReadout, M3GNetConfig


def build(config: M3GNetConfig) -> Any:
    from mlzoo_m3gnet.model import M3GNetPotential, M3GNetProperty  # torch loads only when a model is built

    return M3GNetPotential(config) if isinstance(config.readout, EnergyReadout) else M3GNetProperty(config)


def read_matgl(path: Path, **options: str) -> ReadWeights:
    from mlzoo_m3gnet.readers.matgl import read

    return read(path, **options)


def sniff_matgl(path: Path) -> bool:
    """A MatGL folder holds these three files, and its ``model.json`` names the class."""
    if not all((path / name).is_file() for name in ("model.json", "model.pt", "state.pt")):
        return False
    return '"M3GNet"' in (path / "model.json").read_text(encoding="utf-8", errors="replace")


@hookimpl
def mlzoo_architecture() -> Architecture:
    matgl = Reader("matgl", sniff_matgl, read_matgl, options={"convention": tuple(CONVENTIONS)})
    return Architecture(name="m3gnet", config=M3GNetConfig, build=build, readers=(matgl,))
