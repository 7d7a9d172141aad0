"""`mlzoo.load`: from a name or a path to a predictor.

name ──► files (`obtain`) ──► config and tensors (`reading`) ──► network ──► faster form, checked ──► predictor
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex

import torch

from mlzoo import cards, licenses, locks, registry
from mlzoo.cards import Card
from mlzoo.catalogue import catalogue
from mlzoo.committees import Committee
from mlzoo.cutting import cut
from mlzoo.elements import named
from mlzoo.errors import UnreadableFile, UnsupportedDevice
from mlzoo.nn import segments
from mlzoo.obtain import Weight, obtain
from mlzoo.parity import inference_form
from mlzoo.predictor import Predictor
from mlzoo.reading import Read, read

if TYPE_CHECKING:
    from mlzoo.ase_calculator import MlzooCalculator

DTYPES = {"float32": torch.float32, "float64": torch.float64}


def load(
    name: str | os.PathLike[str],
    *,
    revision: str | None = None,
    dtype: str | torch.dtype | None = None,
    device: str | torch.device = "auto",
    elements: Iterable[str | SupportsIndex] | None = None,
    trainable: bool = False,
    exact: bool = False,
    verify: bool = False,
    license_policy: str | None = None,
    lock: str | os.PathLike[str] | Literal[False] | None = None,
    **reader_options: Any,
) -> Predictor:
    """Load a model by name, from the Hub, or from a file or folder in any format that an installed plugin reads.

    ``name`` is that of a card (`mlzoo list`), ``hf:owner/repository[/file][@revision]`` for any repository of the Hub,
    or a path. What a card or a repository names is fetched once; from then on nothing is asked of the network.
    ``revision`` chooses a branch, tag or commit of the Hub repository instead of the card's.

    ``dtype`` is ``"float32"`` or ``"float64"``, by default what the weight was stored in; ``device`` ``"auto"`` takes a
    GPU where there is one; ``trainable`` leaves gradients of the parameters on; ``exact`` keeps the plain form of a
    network that has a faster one. ``elements`` (symbols or atomic numbers) cuts the model down to these: the same numbers
    for structures of them, less memory, and all others refused. ``verify`` compares with the weight's reference values,
    here and now.
    ``license_policy="permissive"`` refuses a restricted licence before anything is downloaded, ``lock`` holds to a file
    that `mlzoo lock` wrote (False: to none); the variables ``MLZOO_LICENSE_POLICY`` and ``MLZOO_LOCK`` mean the same.
    Everything else goes to the reader of the format (``convention="legacy"``).

    Raises what :mod:`mlzoo.errors` holds, each time with the value, the reason and the next step.
    """
    target, wanted = _device(device), _dtype(dtype) if dtype else None
    kept = None if elements is None else named(elements)
    held = locks.in_force(lock)
    weight = obtain(name, revision=revision, license_policy=license_policy, lock=held, covering=kept or ())
    options = {**(weight.card.options if weight.card else {}), **reader_options}
    whole = read(weight.path, weight.name, options, weight.provenance)
    weight = weight if weight.fetched else _local(weight, whole, license_policy)
    if held:
        held.compare(weight.key, locks.Held.of(whole.manifest.architecture, whole.manifest.provenance))
    found = cut(whole, kept, weight.name) if kept else whole

    wanted = wanted or _dtype(found.manifest.dtype)
    model = registry.architecture(found.manifest.architecture).build(found.config)
    try:
        model.load_state_dict(found.state, assign=True)  # in the precision that they were stored in
    except RuntimeError as error:
        raise UnreadableFile(
            f"{weight.path}: the tensors do not fit the config ({error}). Fetch or convert it again."
        ) from error
    model = model.to(target, wanted).eval().requires_grad_(trainable)
    form = model if exact or trainable else inference_form(model)
    card = weight.card or cards.bare(weight.name, found.manifest.architecture, model, weight.terms or licenses.UNKNOWN)
    card = card if found is whole else cards.cut(card, model.elements)
    predictor = Predictor(model, found.manifest, weight.name, card, form, _here(target, wanted), weight.checks)
    if verify:
        predictor.verify(strict=True)
    return predictor


def calculator(name: str | os.PathLike[str], *, skin: float = 0.0, **options: Any) -> MlzooCalculator:
    """``load(name, **options).calculator(skin=skin)`` in one line."""
    return load(name, **options).calculator(skin=skin)


def committee(names: Iterable[str | os.PathLike[str]], **options: Any) -> Committee:
    """Several models as one: the mean of what they predict, and its standard deviation as ``NAME_std``.

    Raises :class:`DifferentMembers` for members of different reference energies or levels of theory.
    """
    return Committee([load(name, **options) for name in names])


def _local(weight: Weight, found: Read, policy: str | None) -> Weight:
    """A path whose card is the page beside it, or the one in the catalogue that knows its checksums; licence and all."""
    page = weight.path / "README.md"
    card: Card | None = None
    terms = licenses.UNKNOWN
    if page.is_file():
        card, terms = cards.read_page(page.read_text(encoding="utf-8", errors="replace"), str(page))
    if card is None:
        card = catalogue().recognise(found.manifest.provenance["sha256"])
    terms = card.terms if card else terms
    licenses.check(terms, weight.name, policy)
    return replace(weight, card=card, terms=terms)


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
