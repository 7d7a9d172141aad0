"""What `mlzoo.load` returns: one model, ready to answer for one structure or ten thousand."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from ase.data import chemical_symbols
from jaxtyping import Float

from mlzoo import cards, checks, publish, weights
from mlzoo.batching import Prediction, answer_in_batches, split
from mlzoo.cards import Card
from mlzoo.derivatives import check_properties, evaluate, hessian
from mlzoo.elements import symbols
from mlzoo.errors import (
    InvalidCondition,
    InvalidStructure,
    MlzooError,
    PredictionError,
    UnsupportedElement,
    UnsupportedProperty,
)
from mlzoo.graph import Bonded, Graph, bonded, graph_of
from mlzoo.json_files import read_json
from mlzoo.model import EnergyModel, Model
from mlzoo.neighbors import Pairs
from mlzoo.properties import Property
from mlzoo.structures import Structure, is_structure, structure_from

if TYPE_CHECKING:
    from mlzoo.ase_calculator import MlzooCalculator

EDGE_BUDGET = {"cpu": 4_000, "cuda": 1_000_000}
"""Edges in a batch: on a CPU what stays in its caches, on a GPU what fills it."""

WITHOUT_GRADIENT = 32  # times as many for a model of properties, which keeps nothing of its edges


class Predictor:
    """A model with its weights, device and dtype.

    ``model`` is the torch module, ``form`` what answers: the module itself or a faster form of it. ``provenance`` says
    where everything came from (JSON-safe). Immutable: copies share the weights.
    """

    def __init__(
        self,
        model: Model,
        manifest: weights.Manifest,
        name: str,
        card: Card | None = None,
        form: Model | None = None,
        here: Mapping[str, str] | None = None,
        reference: Path | None = None,
    ):
        self.model = model
        self.form = form or model
        self.manifest = manifest
        self.name = name
        self.card = card or cards.bare(name, manifest.architecture, model)
        self.here = here or {"device": "cpu", "dtype": manifest.dtype}
        self._reference = reference
        self._known = np.zeros(len(chemical_symbols) + 1, dtype=bool)
        self._known[list(model.elements)] = True

    @property
    def device(self) -> torch.device:
        return torch.device(self.here["device"])

    @property
    def dtype(self) -> torch.dtype:
        return getattr(torch, self.here["dtype"])

    @property
    def provenance(self) -> dict[str, Any]:
        """Where the weight came from, under which licence, and what of this machine goes into the numbers."""
        said = {**self.manifest.provenance, "license": self.card.terms.name}
        return {"model": self.name, **said, **self.here, "kernels": self.form.kernels}

    @property
    def predicts(self) -> tuple[Property, ...]:
        """Everything that `predict` can be asked for."""
        return self.model.predicts

    @property
    def cutoff(self) -> float:
        """Å."""
        return self.model.cutoff

    def graph(
        self, structure: object, conditions: Mapping[str, Any] | None = None, pairs: Pairs | None = None
    ) -> Graph:
        """The graph that the model reads, on the CPU in float64; ``pairs`` where a list is at hand already."""
        return graph_of([self._bonded(structure, conditions, pairs)])

    def predict(
        self,
        structures: object,
        properties: Collection[str] | None = None,
        *,
        on_error: Literal["raise", "keep"] = "raise",
        max_edges: int | None = None,
        **conditions: Any,
    ) -> Any:
        """Predict for one structure, a list, or any iterator.

        One structure gives a dict; a list gives a list of dicts; any other iterable gives an iterator, evaluated as it
        is read. Keys and units are those of ``mlzoo.properties``, all that the model predicts unless ``properties``
        says which; values are floats and NumPy arrays. ``stress`` is there where the structure is periodic in some
        direction and its cell has a volume. A ``dipole`` or ``polarizability`` is of a molecule: of a periodic structure
        it is left out beside an energy, and refused with :class:`UnsupportedProperty` where it is asked for.

        Many structures are evaluated in batches of about ``max_edges`` edges. With ``on_error="keep"`` a
        :class:`PredictionError` with index and reason stands in the place of a structure that failed; otherwise it is
        raised. ``conditions`` (``charge=``, ``head=``, ...) override what the structures carry.
        """
        names = self._property_names(properties)
        demanded = () if properties is None else names
        check_properties(self.model, names)
        self.check_conditions(conditions)
        if on_error not in ("raise", "keep"):
            raise ValueError(f'on_error={on_error!r} is not known. Use "raise" or "keep".')
        if is_structure(structures) or not isinstance(structures, Iterable):
            return self.answer(structures, names, conditions, demanded=demanded)
        parts = self._parts(structures, conditions, demanded, keep_errors=on_error == "keep")
        plain = not isinstance(self.model, EnergyModel)
        budget = max_edges or EDGE_BUDGET[self.device.type] * (WITHOUT_GRADIENT if plain else 1)
        answers = answer_in_batches(parts, lambda graph: self.evaluate(graph, names), budget)
        return list(answers) if isinstance(structures, Sequence) else answers

    def answer(
        self,
        structure: object,
        names: Collection[str],
        conditions: Mapping[str, Any],
        pairs: Pairs | None = None,
        demanded: Collection[str] = (),
    ) -> Prediction:
        """Predict ``names`` for one structure, as far as it has them, and all that are ``demanded``.

        ``pairs`` where a neighbour list is at hand already.
        """
        part = self._bonded(structure, conditions, pairs)
        self._check_has(part.structure, demanded)
        return self.evaluate(graph_of([part]), names)[0]

    def evaluate(self, graph: Graph, names: Collection[str]) -> list[Prediction]:
        """Predict ``names`` for every structure of a graph that :meth:`graph` made, or of several joined."""
        results = evaluate(self.form, graph.to(self.device, self.dtype), names)
        return split(graph, results, self.model.predicts)

    def hessian(self, structure: object, **conditions: Any) -> Float[np.ndarray, "A 3 A 3"]:
        """d²E/dr² of one structure in eV/Å²."""
        self.check_conditions(conditions)
        graph = self.graph(structure, conditions)
        return (
            hessian(self.model, graph.to(self.device, self.dtype))
            .reshape(graph.n_atoms, 3, graph.n_atoms, 3)
            .cpu()
            .numpy()
        )

    def descriptors(
        self, structure: object, *, invariant: bool = True, layers: Sequence[int] | None = None, **conditions: Any
    ) -> Float[np.ndarray, "A D"]:
        """What the network has learned of each atom of one structure.

        Features behind each of ``layers`` (all of them by default; negative ones count from the last), side by side:
        those that do not turn with the structure, or all of them with ``invariant=False``, irrep by irrep, all
        components of a channel together as in e3nn. Raises :class:`UnsupportedProperty` for a network without.
        """
        self.check_conditions(conditions)
        graph = self.graph(structure, conditions).to(self.device, self.dtype)
        with torch.no_grad():
            every = self.model.descriptors(graph)
        try:
            chosen = list(every) if layers is None else [every[layer] for layer in layers]
        except IndexError:
            raise UnsupportedProperty(
                f"layers={list(layers or ())}: {self.name} has {len(every)}, counted from 0."
            ) from None
        kept = [x for features in chosen for irrep, x in features.items() if irrep == "0e" or not invariant]
        return torch.cat([x.transpose(1, 2).flatten(1) for x in kept], dim=1).cpu().numpy()

    def calculator(self, *, skin: float = 0.0, **conditions: Any) -> MlzooCalculator:
        """An ASE calculator; see :class:`mlzoo.ase_calculator.MlzooCalculator`."""
        from mlzoo.ase_calculator import MlzooCalculator

        return MlzooCalculator(self, skin=skin, **conditions)

    def verify(self, *, strict: bool = False) -> list[checks.Deviation]:
        """How far the weight's reference values are from what this machine, dtype, device and kernel give.

        Empty where no reference value is known for the way it was loaded. ``strict`` raises
        :class:`VerificationFailed` for what does not hold, and for an empty list.
        """
        reference = self._reference_values()
        found = checks.compare(self, reference) if reference else []
        if strict:
            checks.demand(found, self.name, self.provenance)
        return found

    def save(self, folder: str | Path, name: str | None = None) -> Path:
        """Write the weight in our layout; `mlzoo.load` reads it back.

        Its card is derived from this one's, licence included. Its checks are the original code's numbers as long as the
        weights are those they were made with, and else today's.
        """
        folder = Path(folder)
        reference = self._reference_values()
        exact = self.in_float64()
        if reference is None or not all(each.holds for each in checks.compare(exact, reference)):
            reference = checks.make(exact)
        card = cards.derived(self.card, name or cards.slug(folder.absolute().name))
        weights.write(folder, self.manifest, self.model.state_dict(), reference, card)
        return folder

    def push(self, repository: str, *, private: bool = False, revision: str | None = None) -> str:
        """Publish the weight on the Hub, in our layout; ``hf:owner/name@commit``. Raises :class:`PublishError`."""
        with tempfile.TemporaryDirectory() as folder:
            saved = self.save(Path(folder) / repository.rpartition("/")[2])
            return publish.push(saved, repository, private=private, revision=revision)

    def in_float64(self) -> Predictor:
        """The plain form of the same weights in float64 on the CPU: what reference values are made with."""
        plain = copy.deepcopy(self.model).to("cpu", torch.float64)
        return Predictor(plain, self.manifest, self.name, self.card, here={"device": "cpu", "dtype": "float64"})

    def _reference_values(self) -> dict[str, Any] | None:
        """Those that were made with the options and the elements that this weight was loaded with."""
        if self._reference is None:
            return None
        chosen = checks.applicable(read_json(self._reference), self.manifest.provenance, self.model.elements)
        return chosen if chosen["checks"] else None

    def __deepcopy__(self, memo: dict) -> Predictor:
        return self

    def __repr__(self) -> str:
        return f"<mlzoo {self.name}: {self.manifest.architecture}, {self.dtype}, {self.device}>"

    def _parts(
        self, structures: Iterable[object], conditions: Mapping[str, Any], demanded: Collection[str], keep_errors: bool
    ) -> Iterator[Bonded | PredictionError]:
        """Each structure with its edges, or why there are none."""
        for index, source in enumerate(structures):
            try:
                part = self._bonded(source, conditions)
                self._check_has(part.structure, demanded)
                yield part
            except MlzooError as error:
                failure = PredictionError(index, error)
                if not keep_errors:
                    raise failure from error
                yield failure

    def _bonded(self, structure: object, conditions: Mapping[str, Any] | None, pairs: Pairs | None = None) -> Bonded:
        checked = structure_from(structure, conditions)
        self._check_elements(checked)
        found = bonded(
            checked,
            self.model.cutoff,
            long_range_cutoff=self.model.long_range_cutoff,
            backend="pymatgen" if self.model.edge_order == "matgl" else "quickest",
            pairs=pairs,
            conditions=self.model.conditions,
        )
        if self.model.needs_edges and not len(found):
            raise InvalidStructure(
                f"no two atoms are within {self.model.cutoff} Å of each other, and {self.name} knows structures only by "
                "their neighbours: it has no answer for this one. Check the cell and the unit of length."
            )
        return found

    def _check_has(self, structure: Structure, demanded: Collection[str]) -> None:
        """Refuse what only a molecule has, where it is demanded or there is nothing else."""
        if not structure.pbc.any():
            return
        refused = [
            each.name
            for each in self.model.predicts
            if each.molecular and (self.model.molecular or each.name in demanded)
        ]
        if refused:
            raise UnsupportedProperty(
                f"a periodic structure (pbc={structure.pbc.tolist()}) has no {' and no '.join(refused)} as {self.name} gives "
                "it, which is that of a molecule. If this is a molecule in a box, make it whole and set pbc to False."
            )

    def _check_elements(self, structure: Structure) -> None:
        if self._known[structure.atomic_numbers].all():
            return
        unknown = sorted({z for z in structure.atomic_numbers.tolist() if not self._known[z]})
        raise UnsupportedElement(
            f"the structure contains {', '.join(symbols(unknown))}, but {self.name} knows only "
            f"{', '.join(symbols(self.model.elements))}. Load a model that covers them."
        )

    def check_conditions(self, conditions: Mapping[str, Any]) -> None:
        """Refuse a keyword that names no condition of the model, with :class:`InvalidCondition`."""
        known = [condition.name for condition in self.model.conditions]
        for name in conditions:
            if name not in known:
                raise InvalidCondition(
                    f"{self.name} does not know {name}={conditions[name]!r}; it knows {', '.join(known) or 'no conditions'}. "
                    "Leave it out or load a model that does."
                )

    def _property_names(self, properties: Collection[str] | None) -> tuple[str, ...]:
        if isinstance(properties, str):
            return (properties,)
        return tuple(prediction.name for prediction in self.model.predicts) if properties is None else tuple(properties)
