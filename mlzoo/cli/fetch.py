"""`mlzoo fetch`, `bundle`, `unbundle`, `lock`: weights on this machine, on one without a network, and held fast."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Annotated

import typer

from mlzoo.cli.console import Progress, tell

Names = Annotated[list[str], typer.Argument(help="Models, or hf:owner/repository[@revision].")]
Policy = Annotated[
    str | None, typer.Option("--license-policy", help="any, or permissive: refuse what restricts, before any download.")
]


def fetch(
    names: Names,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of the Hub repository.")] = None,
    license_policy: Policy = None,
) -> None:
    """Fetch weights into the cache and check them.

    From then on they load without a network. Exit status 1 if one of them failed; the others are there.
    """
    from mlzoo import locks
    from mlzoo.errors import MlzooError, UnknownModel
    from mlzoo.obtain import obtain

    lock = locks.in_force(None)
    failed = False
    for name in names:
        try:
            weight = obtain(name, revision=revision, license_policy=license_policy, lock=lock)
            if weight.fetched is None:
                raise UnknownModel(f"{name} is a path: there is nothing to fetch.")
        except MlzooError as error:
            tell(f"error: {error}")
            failed = True
            continue
        typer.echo(f"{weight.name}: {weight.provenance['source']}, checked, in {weight.path}")
    if failed:
        raise typer.Exit(1)


def bundle(
    names: Names,
    out: Annotated[Path, typer.Option("--out", "-o", help="The tar file to write.")],
    license_policy: Policy = None,
) -> None:
    """Put weights into one file, for a machine without a network.

    Their cards and licences come along. The sha256 that it prints can be given to `mlzoo unbundle` there.
    """
    from mlzoo import bundles, locks
    from mlzoo.cli.files import check_output

    check_output(out)
    with Progress("bundle", total=None) as progress:
        counted = count(1)
        options = {"license_policy": license_policy, "lock": locks.in_force(None)}
        digest = bundles.bundle(names, out, lambda _: progress.show(next(counted)), **options)
    typer.echo(f"{out}: {out.stat().st_size / 1e6:.1f} MB, sha256 {digest}")


def unbundle(
    file: Annotated[Path, typer.Argument(help="A file that `mlzoo bundle` wrote.")],
    sha256: Annotated[str | None, typer.Option(help="What `mlzoo bundle` said; anything else is refused.")] = None,
) -> None:
    """Put the weights of a bundle into the cache.

    Each file is checked before the first is written.
    """
    from mlzoo import bundles

    with Progress("unbundle", total=None) as progress:
        counted = count(1)
        models = bundles.unbundle(file, sha256, lambda _: progress.show(next(counted)))
    for name, model in models.items():
        typer.echo(f"{name}: {model['license']}, from {model['source']}")


def lock(
    names: Annotated[list[str], typer.Argument(help="Models, hf:owner/repository, or paths.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The lock; what it holds of other models stays.")] = Path(
        "mlzoo.lock"
    ),
) -> None:
    """Write down what models are, to hold to it.

    The lock has the source, commit, sha256 and plugin version of each. Under MLZOO_LOCK=FILE nothing else is loaded.
    """
    import mlzoo
    from mlzoo import locks
    from mlzoo.obtain import obtain

    held = dict(locks.read(out).models) if out.exists() else {}
    for name in names:
        key = obtain(name).key
        predictor = mlzoo.load(name, device="cpu", exact=True, lock=False)  # whatever lock is in force now
        found = locks.Held.of(predictor.manifest.architecture, predictor.manifest.provenance)
        if held.get(key, found) != found:
            tell(f"{key}: another weight than {out} held until now takes its place.")
        held[key] = found
        at = found.commit or next(iter(found.sha256.values()))
        typer.echo(f"{key}: {found.source} at {at[:12]}, {found.package} {found.version}")
    locks.write(out, held)
