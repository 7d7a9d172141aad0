"""`mlzoo evaluate`: labelled structures in; what a model errs by on stdout, in a page, in JSON.

files ──► examples ──► evaluation ──► table, report, JSON
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlzoo.cli import options
from mlzoo.cli.console import Progress, table, tell
from mlzoo.cli.inputs import expand
from mlzoo.cli.summary import FIRST, counted

if TYPE_CHECKING:
    from mlzoo.predictor import Predictor
    from mlzoo.training.data import Example
    from mlzoo.training.data.keys import Keys
    from mlzoo.training.evaluation import ErrorsOf, Evaluation, Failure

OWN = ("energy", "forces", "stress", "virials")
"""Labels that are looked for under the usual names where nobody says a key."""

DERIVED = ("energies", "virial")
"""What a model predicts and a file is not asked for, unless a key is said."""

FAR = 0.02  # eV an atom; a bias that makes up most of an error larger than that looks like another zero of energy


class Alignments(StrEnum):
    none = "none"
    mean = "mean"
    composition = "composition"


def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Name of a model, or path to a weight.")],
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help="Labelled structures: paths, or patterns in quotes: 'data/*.extxyz'."),
    ],
    out: Annotated[
        list[Path] | None,
        typer.Option(
            "--out",
            "-o",
            help="NAME.html: a report with tables and plots; NAME.json: all but the plots. May be repeated.",
        ),
    ] = None,
    key: options.Key = None,
    by: Annotated[
        str | None, typer.Option("--by", metavar="KEY", help="Errors by group too: by this key. Default: config_type.")
    ] = None,
    align: Annotated[
        Alignments,
        typer.Option(
            "--align", help="Shift the model's energies to the data's zero: by one number an atom, or by element."
        ),
    ] = Alignments.none,
    condition: options.Condition = None,
    device: options.Device = "auto",
    dtype: options.Precision = None,
    option: options.Reader = None,
) -> None:
    """Say how far a model is from labelled structures: mean, root mean square and largest errors.

    Of energy (eV and meV/atom), forces (eV/Å), stress (eV/Å³ and GPa) and whatever else the model predicts and the files
    have. What fails does not stop the others: it is named, and the exit status is 1.
    """
    from mlzoo.training.evaluation import evaluate as errors_on

    paths = expand(files)
    outputs = out or []
    _check_outputs(outputs, paths)
    predictor = options.load_model(model, device, dtype, option)
    given = options.conditions(condition, predictor)
    keys = _keys(key, by, [each.name for each in predictor.predicts], predictor.name)
    with Progress("evaluate", None) as progress:
        evaluation = errors_on(
            predictor, _entries(paths, keys), align=align.value, conditions=given, progress=progress.show
        )
    _print(evaluation)
    for path in outputs:
        _write(path, evaluation, predictor, paths)
    absent = [f"{name}={named}" for name, named in keys.named.items() if _ours(name) not in evaluation.errors]
    _tell(evaluation, absent, by)
    if evaluation.failures or absent:
        raise typer.Exit(1)


# In


def _keys(given: Sequence[str] | None, by: str | None, predicts: Collection[str], model: str) -> Keys:
    """Where labels stand: a property of its own kind, such as a band gap, under its own name unless a key is said."""
    from mlzoo.training.data.keys import Keys

    said = options.keys(given)
    for label, name in said.items():
        if _ours(label) not in predicts:
            raise typer.BadParameter(
                f"--key {label}={name}: {model} does not predict {label}, but {', '.join(predicts)}"
            )
    others = {name: name for name in predicts if name not in (*OWN, *DERIVED)}
    others |= {name: named for name, named in said.items() if name not in OWN}
    own = {name: named for name, named in said.items() if name in OWN}
    group = {"group_key": by} if by else {}
    return Keys.model_validate({**own, "labels": others, **group})


def _entries(paths: Sequence[str], keys: Keys) -> Iterator[Example | Failure]:
    """Every frame, read as it is asked for; one that cannot be read is a failure. Free atoms are left out, and told."""
    from mlzoo.training.data.reading import read
    from mlzoo.training.evaluation import Failure

    broken: list[str] = []
    free: list[object] = []
    for example in read(paths, keys, on_error="skip", on_skip=broken.append, on_reference=free.append):
        yield from (Failure("", "UnreadableFile", reason) for reason in broken)
        broken.clear()
        yield example
    yield from (Failure("", "UnreadableFile", reason) for reason in broken)
    if free:
        tell(f"{counted(len(free), 'free atom')} left out: their energies belong to the zero of energy.")


def _ours(label: str) -> str:
    return "stress" if label == "virials" else label


def _check_outputs(outputs: Sequence[Path], paths: Sequence[str]) -> None:
    """Refuse before any work what could not be written."""
    from mlzoo.cli.files import check_output

    for out in outputs:
        check_output(out)
        for source in paths if out.exists() else ():
            check_output(out, Path(source))
        if out.suffix not in (".html", ".json"):
            raise typer.BadParameter(
                f"{out}: evaluate writes a page or JSON: call it {out.stem}.html or {out.stem}.json"
            )


# Out


def _print(evaluation: Evaluation) -> None:
    if evaluation.errors:
        _table([((name,), errors) for name, errors in evaluation.errors.items()], ("quantity",))
    if evaluation.by_group:
        typer.echo("")
        shown = dict(list(evaluation.by_group.items())[:FIRST])
        _table(_rows(shown), ("group", "quantity"))
        if len(shown) < len(evaluation.by_group):
            typer.echo(f"... and {len(evaluation.by_group) - len(shown)} more groups, which --out names")
    for name, found in evaluation.by_element.items():
        if len(found) > 1:
            typer.echo(f"\n{name} by element")
            _table([((symbol,), errors) for symbol, errors in found.items()], ("element",))


def _rows(found: Mapping[str, Mapping[str, ErrorsOf]]) -> list[tuple[tuple[str, ...], ErrorsOf]]:
    return [((group, name), errors) for group, of_group in found.items() for name, errors in of_group.items()]


def _table(rows: Sequence[tuple[tuple[str, ...], ErrorsOf]], first: tuple[str, ...]) -> None:
    from mlzoo.training.report.sections import COLUMNS, row
    from mlzoo.training.report.words import title

    named = [((*words[:-1], title(words[-1])), errors) for words, errors in rows]
    table((*first, *COLUMNS), [(*words, *row(errors)) for words, errors in named])


def _write(out: Path, evaluation: Evaluation, predictor: Predictor, paths: Sequence[str]) -> None:
    from mlzoo.cli.files import replacing

    if out.suffix == ".json":
        import json

        text = json.dumps(evaluation.as_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    else:
        from mlzoo.training.report import facts_of, html_report

        text = html_report(evaluation, facts_of(predictor), files=paths)
    with replacing(out) as part:
        part.write_text(text, encoding="utf-8")


def _tell(evaluation: Evaluation, absent: Sequence[str], by: str | None) -> None:
    """What is worth a sentence on stderr."""
    tell(f"{counted(evaluation.evaluated, 'structure')} with {counted(evaluation.atoms, 'atom')} compared.")
    if evaluation.alignment:
        tell(f"note: {evaluation.alignment}")
    elif hint := _another_zero(evaluation):
        tell(hint)
    if evaluation.unlabelled:
        tell(f"{counted(evaluation.unlabelled, 'structure')} without a label that the model predicts.")
    for name, count in evaluation.unanswered.items():
        tell(f"{counted(count, 'label')} {name} without a prediction, as the stress of a molecule has none.")
    if by and evaluation.evaluated and not evaluation.by_group:
        tell(f"all structures are of one group by {by!r}.")
    for each in absent:
        tell(f"error: --key {each}: nothing of that was compared. Look at the keys in the files.")
    for failure in evaluation.failures[:FIRST]:
        tell(f"error: {failure}")
    if len(evaluation.failures) > FIRST:
        tell(f"... and {len(evaluation.failures) - FIRST} more failures, which --out names")


def _another_zero(evaluation: Evaluation) -> str:
    errors = evaluation.errors.get("energy_per_atom")
    if errors is None or errors.mae < 1000 * FAR or abs(errors.bias) < 0.8 * errors.mae:
        return ""
    return (
        f"note: on average the model's energies are {errors.bias / 1000:+.3f} eV an atom off. Where the data have another "
        "zero of energy, `--align composition` compares without it."
    )
