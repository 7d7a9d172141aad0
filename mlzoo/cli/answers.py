"""From files to rows, the one path of all runs, in this process or in several.

chunk of files ──► frames ──► batches of the model ──► rows, with a value or an error each
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.io import write
from ase.units import GPa

from mlzoo.cli import options
from mlzoo.cli.files import frame_of, one_line, read_frames
from mlzoo.cli.inputs import Input
from mlzoo.errors import InvalidCondition, InvalidStructure, MlzooError, PredictionError, UnsupportedProperty
from mlzoo.predictor import Predictor
from mlzoo.properties import Property

OF_THE_MACHINE = {"model", "source", "commit", "license", "mlzoo", "torch", "device", "dtype", "segments", "kernels"}


@dataclass(frozen=True)
class Job:
    """What is asked of every structure: all that another process needs to do the same."""

    model: str
    device: str = "auto"
    dtype: options.Dtype | None = None
    reader: tuple[str, ...] = ()  # NAME=VALUE
    conditions: tuple[str, ...] = ()  # NAME=VALUE
    properties: tuple[str, ...] = ()  # all that the model predicts where there are none
    index: str = ":"
    json: bool = False  # whether rows carry everything as a JSON object
    extxyz: bool = False  # whether rows carry the structure with its results as extxyz
    many: bool = False  # whether those say which file they are from


@dataclass(frozen=True)
class Column:
    """A number that each structure has."""

    name: str
    unit: str


@dataclass(frozen=True)
class Row:
    """What is said of one structure."""

    place: int  # of its file among those of the run
    file: str
    frame: int  # index in the file
    formula: str
    atoms: int | None
    values: tuple[float | None, ...]  # one a column
    error: str  # class and sentence of what went wrong, one line; empty where nothing did
    json: str = ""
    extxyz: str = ""


@dataclass(frozen=True)
class Frame:
    """One structure of a file, or why it could not be read."""

    of: Input
    number: int
    read: Atoms | Exception


class Answerer:
    """A model at work on files. Raises what is wrong with the job before any of them is read."""

    def __init__(self, job: Job):
        self.job = job
        self.predictor = options.load_model(job.model, job.device, job.dtype, list(job.reader))
        self.conditions = options.conditions(job.conditions, self.predictor)
        self.names = _names(job.properties, self.predictor)
        self._numbers = _numbers(self.predictor, self.names, self.conditions)
        self._provenance = self.predictor.provenance

    @property
    def columns(self) -> tuple[Column, ...]:
        return tuple(self._numbers)

    @property
    def provenance(self) -> dict[str, Any]:
        return self._provenance

    @property
    def label(self) -> str:
        """Model, dtype, checksum, conditions: rows with the same label are of the same thing."""
        origin = {name: said for name, said in self._provenance.items() if name not in OF_THE_MACHINE}
        digest = hashlib.sha256(json.dumps(origin, sort_keys=True, default=str).encode()).hexdigest()[:12]
        given = []
        for condition in self.predictor.model.conditions:
            if condition.name in self.conditions:
                number = condition.encode(self.conditions[condition.name]).item()
                given.append(f"{condition.name}={condition.labels[int(number)] if condition.labels else f'{number:g}'}")
        return " ".join([self.predictor.name, self._provenance["dtype"], digest, *given])

    def rows(self, files: Iterable[Input]) -> Iterator[Row]:
        """One row a structure, in order."""
        for frame, results in self._answers(self._frames(files)):
            yield self._row(frame, results)

    def _frames(self, files: Iterable[Input]) -> Iterator[Frame]:
        for file in files:
            try:
                for number, read in file.opened or read_frames(Path(file.path), self.job.index):
                    if number not in file.done:
                        yield Frame(file, number, read)
            except Exception as error:  # whatever is wrong with one file, the others are read
                if 0 not in file.done:
                    yield Frame(file, 0, error)

    def _answers(self, frames: Iterator[Frame]) -> Iterator[tuple[Frame, dict[str, Any] | Exception]]:
        """What the model says of each frame, asked in batches; one by one where a batch fails as a whole."""
        waiting: deque[Frame] = deque()
        while True:
            try:
                yield from self._in_batches(frames, waiting)
                return
            except Exception as error:
                if not (waiting and _is_of_one_structure(error)):
                    raise
            while waiting:
                frame = waiting.popleft()
                yield frame, self._alone(frame)

    def _in_batches(
        self, frames: Iterator[Frame], waiting: deque[Frame]
    ) -> Iterator[tuple[Frame, dict[str, Any] | Exception]]:
        def readable() -> Iterator[Atoms]:
            for frame in frames:
                waiting.append(frame)
                if isinstance(frame.read, Atoms):
                    yield frame.read

        def unreadable() -> Iterator[tuple[Frame, Exception]]:
            while waiting and isinstance(waiting[0].read, Exception):
                frame = waiting.popleft()
                yield frame, frame.read

        asked = self.names if self.job.properties else None
        for said in self.predictor.predict(readable(), asked, on_error="keep", **self.conditions):
            yield from unreadable()
            yield waiting.popleft(), said.reason if isinstance(said, PredictionError) else said
        yield from unreadable()

    def _alone(self, frame: Frame) -> dict[str, Any] | Exception:
        if isinstance(frame.read, Exception):
            return frame.read
        try:
            return self.predictor.predict(frame.read, self.names, **self.conditions)
        except Exception as error:
            if not _is_of_one_structure(error):
                raise
            return error

    def _row(self, frame: Frame, results: dict[str, Any] | Exception) -> Row:
        values: tuple[float | None, ...] = ()
        if not isinstance(results, Exception):
            values = tuple(number(results) for number in self._numbers.values())
            broken = [name for name, value in results.items() if not np.isfinite(value).all()]
            broken += [column.name for column, value in zip(self._numbers, values, strict=True)
                       if value is not None and not np.isfinite(value)]  # fmt: skip
            if broken:
                names = ", ".join(dict.fromkeys(broken))
                results = InvalidStructure(f"{names} not finite: are atoms on top of each other?")
        atoms = frame.read if isinstance(frame.read, Atoms) else None
        failed = isinstance(results, Exception)
        return Row(
            place=frame.of.place,
            file=frame.of.path,
            frame=frame.number,
            formula=atoms.get_chemical_formula() if atoms is not None else "",
            atoms=len(atoms) if atoms is not None else None,
            values=(None,) * len(self._numbers) if failed else values,
            error=one_line(results) if isinstance(results, Exception) else "",
            json=self._json(frame, results) if self.job.json else "",
            extxyz="" if failed or not self.job.extxyz else self._extxyz(frame, results),  # type: ignore[arg-type]
        )

    def _json(self, frame: Frame, results: dict[str, Any] | Exception) -> str:
        said: dict[str, Any] = {"file": frame.of.path} if self.job.many else {}
        said["index"] = frame.number
        if isinstance(frame.read, Atoms):
            said |= {"formula": str(frame.read.symbols), "n_atoms": len(frame.read)}
        if isinstance(results, Exception):
            return json.dumps({**said, "error": one_line(results)})
        return json.dumps(said | {name: np.asarray(value).tolist() for name, value in results.items()})

    def _extxyz(self, frame: Frame, results: dict[str, Any]) -> str:
        assert isinstance(frame.read, Atoms)
        of_atoms = {said.name for said in self.predictor.predicts if said.per == "atom"}
        evaluated = frame_of(frame.read, results, self._provenance, of_atoms)
        if self.job.many:
            evaluated.info |= {"file": frame.of.path, "frame": frame.number}
        text = StringIO()
        write(text, evaluated, format="extxyz")
        return text.getvalue()


def _is_of_one_structure(error: Exception) -> bool:
    """Whether others may fare better: a condition it carries, its size. A GPU that failed fails for all."""
    too_large = isinstance(error, MemoryError | torch.OutOfMemoryError) or "not enough memory" in str(error)
    return too_large or isinstance(error, MlzooError)


def _names(asked: Sequence[str], predictor: Predictor) -> tuple[str, ...]:
    known = [prediction.name for prediction in predictor.predicts]
    names = tuple(name for entry in asked for name in entry.replace(",", " ").split())
    for name in names:
        if name not in known:
            raise UnsupportedProperty(f"{predictor.name} does not predict {name!r}. It predicts {', '.join(known)}.")
    return names or tuple(known)


def _numbers(
    predictor: Predictor, names: Sequence[str], conditions: Mapping[str, Any]
) -> dict[Column, Callable[[Mapping[str, Any]], float | None]]:
    """What of the results is worth a column: every number a structure has, the largest force, the pressure, ..."""

    def scalar(name: str) -> Callable[[Mapping[str, Any]], float | None]:
        return lambda results: float(results[name]) if np.ndim(results.get(name, [])) == 0 else None

    asked = [said for said in predictor.predicts if said.name in names]
    numbers = {Column(said.name, said.unit): scalar(said.name) for said in _scalars(predictor, asked, conditions)}
    if "forces" in names:
        numbers[Column("max_force", "eV/Å")] = _largest_force
    if "stress" in names:
        numbers[Column("pressure", "GPa")] = _pressure
    if "dipole" in names:
        numbers[Column("dipole_moment", "e·Å")] = _dipole_moment
    if "polarizability" in names:
        numbers[Column("mean_polarizability", "e·Å²/V")] = _mean_polarizability
    return numbers


def _scalars(predictor: Predictor, asked: Sequence[Property], conditions: Mapping[str, Any]) -> list[Property]:
    """Which of the properties are one number: the model is asked, of crystals that nobody has to believe in."""
    of_structures = [said for said in asked if said.per == "structure"]
    if not of_structures:
        return []
    examples = {each.name: each.example for each in predictor.model.conditions if each.default is None}
    element = predictor.model.elements[0]
    said: dict[str, Any] = {}
    for probe in (
        Atoms([element], cell=[3, 3, 3], pbc=True),
        Atoms([element] * 2, positions=[[0, 0, 0], [0, 0, 2.5]]),
    ):
        try:
            said = predictor.predict(probe, [each.name for each in of_structures], **{**examples, **conditions})
            break
        except InvalidCondition:
            raise
        except MlzooError:
            continue
    return [each for each in of_structures if each.name != "stress" and np.ndim(said.get(each.name, 0.0)) == 0]


def _largest_force(results: Mapping[str, Any]) -> float | None:
    forces = results.get("forces")
    return None if forces is None else float(np.linalg.norm(np.asarray(forces, dtype=np.float64), axis=1).max())


def _pressure(results: Mapping[str, Any]) -> float | None:
    stress = results.get("stress")
    return None if stress is None else float(-np.asarray(stress[:3], dtype=np.float64).mean() / GPa)


def _dipole_moment(results: Mapping[str, Any]) -> float | None:
    dipole = results.get("dipole")
    return None if dipole is None else float(np.linalg.norm(dipole))


def _mean_polarizability(results: Mapping[str, Any]) -> float | None:
    polarizability = results.get("polarizability")
    return None if polarizability is None else float(np.trace(polarizability) / 3)
