"""InstaDeep's zips: what holds both generations together.

A zip of ``hyperparams.json`` and ``params.npz``, nothing else, both stored as they are. Nothing in it is executed: the
arrays are read without pickles, and only real numbers of the announced size are taken.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mlzoo.checksums import sha256
from mlzoo.errors import UnreadableFile
from mlzoo_mace.config import (
    Activation,
    Coupling,
    IrrepName,
    Irreps,
    PolynomialEnvelope,
    Radial,
    SoftEnvelope,
    natural,
)
from mlzoo_mace.readers.bases import Basis, in_order
from mlzoo_mace.readers.couplings import polynomial
from mlzoo_mace.readers.mlip_hyperparameters import DatasetInfo

MEMBERS = {"hyperparams.json", "params.npz"}
LARGEST = 2 << 30  # bytes
SECOND_MOMENTS = {  # root of the mean square of each activation over the library's quantiles of a normal distribution
    "silu": 0.596458685423,
    "swish": 0.596458685423,
    "tanh": 0.627928248164,
    "relu": 0.707097894019,
    "elu": 0.803076895588,
    "sigmoid": 0.541644565416,
    "none": 0.999987431647,  # as far as its quantiles go
}
ALSO = {"swish": "silu", "none": "identity"}


@dataclass(frozen=True)
class Archive:
    """What is in a zip: hyperparameters as they stand, arrays in float64 by their names behind the prefix."""

    path: Path
    hyperparameters: bytes
    arrays: dict[str, Tensor]

    def take(self, name: str, *shape: int | None) -> Tensor:
        """An array, once; of another shape or missing it is an :class:`UnreadableFile`."""
        if name not in self.arrays:
            raise UnreadableFile(f"{self.path} lacks the array {name}. Fetch it again.")
        array = self.arrays.pop(name)
        if len(shape) != array.dim() or any(n not in (None, m) for n, m in zip(shape, array.shape, strict=True)):
            raise UnreadableFile(f"{self.path}: {name} has shape {tuple(array.shape)}, not {shape}. Fetch it again.")
        return array

    def finish(self) -> None:
        """What nobody has taken is an option that is not understood: better no answer than half of one."""
        left = [name for name, array in self.arrays.items() if array.numel()]
        if left:
            raise UnreadableFile(
                f"{self.path} has arrays that MACE as we know it does not have: {', '.join(left[:5])}."
            )


def open_archive(path: Path, prefix: str, device_axis: bool) -> Archive:
    """Read a zip. ``device_axis`` takes the first of what several devices had each for itself.

    Raises :class:`UnreadableFile` that says what is wrong.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [member.filename for member in archive.infolist()]
            if sorted(names) != sorted(MEMBERS):
                raise UnreadableFile(f"{path} holds {', '.join(names[:8])}, not {' and '.join(sorted(MEMBERS))}.")
            hyperparameters = _member(path, archive, "hyperparams.json")
            arrays = dict(_arrays(path, _member(path, archive, "params.npz"), prefix, device_axis))
        return Archive(path, hyperparameters, arrays)
    except UnreadableFile:
        raise
    except Exception as error:  # zipfile, zlib, tokenize and NumPy have a dozen kinds for damaged bytes
        raise UnreadableFile(f"{path} is no whole zip of InstaDeep's ({error}). Fetch it again.") from error


def _member(path: Path, archive: zipfile.ZipFile, name: str) -> bytes:
    """A member, never more of it than it announces, and not more than a model can need."""
    size = archive.getinfo(name).file_size
    if size > LARGEST:
        raise UnreadableFile(f"{path}: {name} announces {size} bytes, more than a model can need. Refused.")
    with archive.open(name) as file:
        content = file.read(size + 1)
    if len(content) != size:
        raise UnreadableFile(f"{path}: {name} has {len(content)} bytes and announces {size}. Refused.")
    return content


def _arrays(path: Path, content: bytes, prefix: str, device_axis: bool) -> Iterator[tuple[str, Tensor]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        total = sum(member.file_size for member in archive.infolist())
        if total > LARGEST:
            raise UnreadableFile(f"{path}: params.npz announces {total} bytes, more than a model can need. Refused.")
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        for name in stored.files:
            try:
                array = stored[name]
            except ValueError as error:  # an array of Python objects
                raise UnreadableFile(f"{path}: the array {name!r} is none of numbers ({error}). Refused.") from error
            if not name.startswith(prefix):
                raise UnreadableFile(f"{path}: the array {name!r} belongs to no MACE.")
            if array.dtype.kind != "f" or not np.isfinite(array).all():
                raise UnreadableFile(f"{path}: the array {name!r} ({array.dtype}) is not all finite numbers.")
            if device_axis and not (array.ndim and len(array)):
                raise UnreadableFile(f"{path}: the array {name!r} has no first axis of devices, as others have.")
            chosen = array[0] if device_axis else array
            yield name.removeprefix(prefix), torch.from_numpy(np.array(chosen, dtype=np.float64))


def activation(archive: Archive, name: str | None, *, normalised: bool = True) -> Activation:
    """An activation with its second moment brought to one."""
    if name not in SECOND_MOMENTS:
        raise UnreadableFile(f"{archive.path} uses the activation {name!r}, which is not known.")
    scale = 1 / SECOND_MOMENTS[name] if normalised else 1.0
    return Activation(function=ALSO.get(name, name), scale=scale)  # type: ignore[arg-type]


def radial(archive: Archive, data: DatasetInfo, kind: str, count: int, shortest: float | None) -> Radial:
    """Bessel functions brought to a mean square of one between the shortest neighbour distance and the cutoff."""
    kinds: dict[str, PolynomialEnvelope | SoftEnvelope] = {
        "polynomial_envelope": PolynomialEnvelope(power=5),
        "soft_envelope": SoftEnvelope(),
    }
    if kind not in kinds:
        raise UnreadableFile(f"{archive.path} has radial_envelope={kind!r}, which is not known.")
    amplitude = math.sqrt(2 / data.cutoff)
    if shortest is not None:
        if shortest >= data.cutoff:
            raise UnreadableFile(f"{archive.path} has neighbours at {shortest} Å and a cutoff of {data.cutoff} Å.")
        from mlzoo_mace.radial import envelope

        r = torch.linspace(shortest, data.cutoff, 1000, dtype=torch.float64)
        waves = torch.sin(r[:, None] * frequencies(data, count)) / r[:, None]
        cut = envelope(r / data.cutoff, kinds[kind])
        square = (amplitude * waves * cut[:, None]) ** 2
        amplitude *= float(square.mean()) ** -0.5
    return Radial(count=count, amplitude=amplitude, envelope=kinds[kind])


def frequencies(data: DatasetInfo, count: int) -> Tensor:
    return torch.arange(1, count + 1, dtype=torch.float64) * math.pi / data.cutoff


def irreps(max_l: int, pseudotensors: bool) -> Irreps:
    """Irreps up to a degree: those of harmonics, or both parities."""
    if not pseudotensors:
        return natural(max_l)
    every = [f"{l}{letter}" for l in range(max_l + 1) for letter in "eo"]
    return tuple(sorted(every, key=in_order))


def couplings(basis: Basis, order: int) -> Iterator[tuple[IrrepName, Coupling, dict[str, Tensor]]]:
    """Of each irrep of a basis: what the config says of the term, and its tensors but the weights."""
    for irrep, tensor in basis.items():
        monomials, coupled = polynomial(tensor)
        said = Coupling(irrep=irrep, order=order, monomials=len(monomials), paths=tensor.shape[-1])
        yield irrep, said, {"monomials": monomials, "couplings": coupled}


def references(data: DatasetInfo) -> Tensor:
    """eV, for each head and element; an element that a head has not seen counts as zero."""
    rows = [[energies.get(z, 0.0) for z in data.elements] for energies in data.energies]
    return torch.tensor(rows, dtype=torch.float64)


def provenance(archive: Archive) -> dict[str, Any]:
    return {"sha256": {archive.path.name: sha256(archive.path)}}
