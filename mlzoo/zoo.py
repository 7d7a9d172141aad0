"""`mlzoo.load`: from a name or a path to a predictor."""

from __future__ import annotations

import difflib
import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from pydantic import BaseModel, ValidationError
from torch import Tensor

from mlzoo import registry, weights
from mlzoo.errors import PluginError, UnknownModel, UnreadableFile, UnsupportedDevice
from mlzoo.nn import segments
from mlzoo.parity import inference_form
from mlzoo.plugin import Reader
from mlzoo.predictor import Predictor
from mlzoo.registry import Plugin

if TYPE_CHECKING:
    from mlzoo.ase_calculator import MlzooCalculator

log = logging.getLogger("mlzoo")

DTYPES = {"float32": torch.float32, "float64": torch.float64}


def load(
    name: str | os.PathLike[str],
    *,
    dtype: str | torch.dtype | None = None,
    device: str | torch.device = "auto",
    trainable: bool = False,
    exact: bool = False,
    **reader_options: Any,
) -> Predictor:
    """Load a model by name, or from a file or folder in any format that an installed plugin reads.

    ``dtype`` is ``"float32"`` or ``"float64"``, by default what the weight was stored in; ``device`` ``"auto"`` takes a
    GPU where there is one; ``trainable`` leaves gradients of the parameters on; ``exact`` keeps the plain form of a
    network that has a faster one. Everything else goes to the reader of the format (``convention="legacy"``).

    Raises :class:`UnknownModel`, :class:`UnreadableFile`, :class:`PluginError` or :class:`UnsupportedDevice`.
    """
    target = _device(device)
    path = _locate(name)
    manifest, config, state, card = (
        _read_ours(path, reader_options) if weights.is_ours(path) else _read_foreign(path, reader_options)
    )
    wanted = _dtype(dtype or manifest.dtype)
    model = registry.architecture(manifest.architecture).build(config)
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise UnreadableFile(
            f"{path}: the tensors do not fit the config ({error}). Fetch or convert it again."
        ) from error
    model = model.to(target, wanted).eval().requires_grad_(trainable)
    form = model if exact or trainable else inference_form(model)
    provenance = {**manifest.provenance, **_here(target, wanted)}
    return Predictor(model, replace(manifest, dtype=_dtype_name(wanted), provenance=provenance), path.name, card, form)


def calculator(name: str | os.PathLike[str], *, skin: float = 0.0, **options: Any) -> MlzooCalculator:
    """``load(name, **options).calculator(skin=skin)`` in one line."""
    return load(name, **options).calculator(skin=skin)


def embedded() -> dict[str, Path]:
    """Models that come with mlzoo itself: name and folder."""
    root = Path(str(files("mlzoo"))) / "embedded"
    return {folder.name: folder for folder in sorted(root.glob("*")) if weights.is_ours(folder)}


def _locate(name: str | os.PathLike[str]) -> Path:
    path = Path(name).expanduser()
    if path.exists():
        return path
    known = embedded()
    if str(name) in known:
        return known[str(name)]
    if len(path.parts) > 1 or path.suffix:
        raise UnknownModel(f"there is no file or folder {path}. Check the path; models by name: {', '.join(known)}.")
    near = difflib.get_close_matches(str(name), known, n=3, cutoff=0.4) or list(known)
    raise UnknownModel(
        f"no model is called {str(name)!r}. Did you mean {' or '.join(near)}? A path to a weight works too."
    )


Read = tuple[weights.Manifest, BaseModel, Mapping[str, Tensor], str]
"""Of a weight: what it is, its network's config, its tensors, its card."""


def _read_ours(path: Path, options: Mapping[str, Any]) -> Read:
    if options:
        raise UnreadableFile(
            f"{path} is in mlzoo's own layout, which takes no options: leave out {', '.join(options)}."
        )
    manifest, state = weights.read(path)
    try:
        config = registry.architecture(manifest.architecture).config.model_validate(manifest.config)
    except ValidationError as error:
        raise UnreadableFile(f"{path / 'config.json'} is no {manifest.architecture} config: {error}") from error
    card = path / "README.md"
    return manifest, config, state, card.read_text(encoding="utf-8") if card.is_file() else ""


def _read_foreign(path: Path, options: Mapping[str, Any]) -> Read:
    plugin, reader = _reader(path)
    read = reader.read(path, **_checked_options(reader, options))
    for notice in read.notices:
        log.warning("%s", notice)
    manifest = weights.Manifest(
        architecture=plugin.name,
        package=plugin.package,
        version=plugin.version,
        dtype="float32",
        config=read.config.model_dump(mode="json"),
        provenance={"source": path.name, "format": reader.name, **read.provenance},
    )
    return manifest, read.config, read.state, ""


def _reader(path: Path) -> tuple[Plugin, Reader]:
    """The plugin and reader that recognise a foreign file. A broken plugin never stops the others."""
    broken, formats = [], []
    for plugin in registry.plugins():
        try:
            for reader in plugin.load().readers:
                if reader.sniff(path):
                    return plugin, reader
                formats.append(f"{plugin.name}:{reader.name}")
        except PluginError as error:
            broken.append(str(error))
        except Exception as error:  # a reader is others' code too
            broken.append(f"plugin {plugin.name!r} could not look at it: {type(error).__name__}: {error}.")
    raise UnreadableFile(
        f"{path} is in no format that an installed plugin reads (mlzoo's own, {', '.join(formats) or 'no others'}). "
        + " ".join(["Check the path, or install the plugin for it.", *broken])
    )


def _checked_options(reader: Reader, options: Mapping[str, Any]) -> Mapping[str, Any]:
    for name, value in options.items():
        if name not in reader.options:
            raise UnreadableFile(
                f"the {reader.name} reader has no option {name!r}. It has {', '.join(reader.options) or 'none'}."
            )
        if reader.options[name] and value not in reader.options[name]:
            raise UnreadableFile(f"{name}={value!r} is not known. It is one of {', '.join(reader.options[name])}.")
    return options


def _here(device: torch.device, dtype: torch.dtype) -> dict[str, str]:
    """What of this machine goes into the numbers."""
    return {
        "mlzoo": version("mlzoo"),
        "torch": torch.__version__,
        "device": str(device),
        "dtype": _dtype_name(dtype),
        "segments": segments.backend(),
    }


def _dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _dtype(dtype: str | torch.dtype) -> torch.dtype:
    name = dtype if isinstance(dtype, str) else _dtype_name(dtype)
    if name not in DTYPES:
        raise UnreadableFile(f"dtype={name!r} is not served. Use one of {', '.join(DTYPES)}.")
    return DTYPES[name]


def _device(device: str | torch.device) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        target = torch.device(device)
    except RuntimeError:
        raise UnsupportedDevice(f"device={device!r} is unknown to PyTorch. Use 'auto', 'cpu' or 'cuda'.") from None
    if target.type == "cuda" and not torch.cuda.is_available():
        raise UnsupportedDevice(
            f"device={str(device)!r} was asked for, but PyTorch sees no GPU here. Use device='cpu'."
        )
    if target.type not in ("cpu", "cuda"):
        raise UnsupportedDevice(
            f"device={str(device)!r} has no float64, which geometry and energies need. Use 'cpu' or 'cuda'."
        )
    return target
