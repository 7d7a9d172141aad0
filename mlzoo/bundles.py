"""Weights, cards and licences in one tar file, for a machine without a network.

| in the tar | on the machine |
|---|---|
| ``manifest.json`` | read, not written: each model's source and commit, each file's sha256 and size |
| ``hub/...`` | the Hub's own cache, as the Hub's client would have left it |
| ``mlzoo/files/...`` | files from URLs, under ``$HF_HOME/mlzoo`` |
| ``mlzoo/cards/...`` | pages and checks of models that the mlzoo there does not know yet |
| ``mlzoo/licenses/...`` | the licence of each weight |
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlzoo import cards
from mlzoo.cards import HubSource, UrlSource
from mlzoo.catalogue import catalogue
from mlzoo.checksums import sha256
from mlzoo.errors import BrokenBundle, UnknownModel
from mlzoo.licenses import UNKNOWN
from mlzoo.obtain import Weight, obtain
from mlzoo.sources import hub, store

VERSION = 1
PLACES = re.compile(r"(hub/models--|mlzoo/(files|cards|licenses)/)[A-Za-z0-9._/@-]+")
Told = Callable[[str], None]
"""Called with the name of each file as it is done."""


@dataclass(frozen=True)
class Entry:
    """A file of a bundle: where it stands there, and what it holds."""

    place: str
    content: Path | bytes

    def described(self) -> dict[str, Any]:
        if isinstance(self.content, bytes):
            return {"sha256": hashlib.sha256(self.content).hexdigest(), "bytes": len(self.content)}
        return {"sha256": sha256(self.content), "bytes": self.content.stat().st_size}


def bundle(names: Iterable[str], out: Path, told: Told = lambda _: None, **options: Any) -> str:
    """Write a bundle of models, fetching what is not there yet; ``options`` are those of :func:`obtain`.

    The sha256 of the file, which `unbundle` can be held to.
    """
    weights = [obtain(name, **options) for name in names]
    for weight in weights:
        if weight.fetched is None:
            raise UnknownModel(
                f"{weight.name} is a path. Copy it as it is; a bundle carries models that have a source."
            )
    entries = {entry.place: entry for weight in weights for entry in _entries(weight)}
    models = {weight.name: {**weight.provenance, "license": (weight.terms or UNKNOWN).name} for weight in weights}
    described = {place: entry.described() for place, entry in sorted(entries.items())}
    manifest = json.dumps({"mlzoo_bundle": VERSION, "models": models, "files": described}, indent=1).encode()
    part = out.with_name(f".part-{out.name}")
    try:
        with tarfile.open(part, "w", format=tarfile.PAX_FORMAT) as archive:
            _add(archive, Entry("manifest.json", manifest))
            for place in described:
                _add(archive, entries[place])
                told(place)
        part.replace(out)
    except OSError as error:
        raise BrokenBundle(f"{out}: {store.explain_write(error, out.parent)}") from error
    finally:
        part.unlink(missing_ok=True)
    return sha256(out)


def unbundle(path: Path, expected: str | None = None, told: Told = lambda _: None) -> dict[str, dict[str, Any]]:
    """Put the files of a bundle where they belong, all of them checked before the first is written.

    What each model is, by name. Raises :class:`BrokenBundle` for a file that is damaged, that was tampered with, or that
    would write anywhere else; with ``expected``, for any other file than the one with that sha256.
    """
    if expected and sha256(path) != expected:
        raise BrokenBundle(f"{path} has sha256 {sha256(path)}, not {expected}. It was damaged or replaced on its way.")
    manifest = _manifest(path)
    for place, digest, _ in _contents(path, manifest):
        target = _target(place)
        if target.exists() and sha256(target) != digest:
            raise BrokenBundle(f"{target} is here already with other bytes than {path} brings. Nothing was written.")
    for name, model in manifest["models"].items():
        _check_model(path, name, model)
    for place, _, content in _contents(path, manifest):
        if not (place.startswith("mlzoo/cards/") and Path(place).stem in catalogue().cards):
            store.replace(_target(place), content)
        told(place)
    for model in manifest["models"].values():
        store.remember(model["source"], model["sha256"])
        store.remember(f"files of {model['source']}", model["sha256"])
    catalogue.cache_clear()
    return manifest["models"]


def _entries(weight: Weight) -> Iterator[Entry]:
    assert weight.fetched is not None
    source = weight.fetched.source
    if isinstance(source, HubSource):
        root = f"hub/models--{source.hub.replace('/', '--')}"
        commit = weight.provenance["commit"]
        for name, path in {**weight.fetched.files, **hub.page_file(source)}.items():
            yield Entry(f"{root}/snapshots/{commit}/{name}", path)
        if source.revision != commit:
            yield Entry(f"{root}/refs/{source.revision}", commit.encode())
    elif isinstance(source, UrlSource):
        for path in weight.fetched.files.values():
            yield Entry(f"mlzoo/{path.relative_to(store.folder()).as_posix()}", path)
    if weight.card and weight.card.sources:  # a repository in our layout carries its own
        yield Entry(f"mlzoo/cards/{weight.card.name}.md", cards.page(weight.card).encode())
        yield Entry(f"mlzoo/licenses/{weight.card.name}.txt", cards.license_text(weight.card).encode())
        if weight.card.checks:
            yield Entry(f"mlzoo/cards/checks/{weight.card.name}.json", weight.card.checks)


def _add(archive: tarfile.TarFile, entry: Entry) -> None:
    said = tarfile.TarInfo(entry.place)
    if isinstance(entry.content, bytes):
        said.size = len(entry.content)
        archive.addfile(said, io.BytesIO(entry.content))
    else:
        said.size = entry.content.stat().st_size
        with entry.content.open("rb") as file:
            archive.addfile(said, file)


def _manifest(path: Path) -> dict[str, Any]:
    try:
        with tarfile.open(path, "r:") as archive:
            first = archive.next()
            file = archive.extractfile(first) if first and first.name == "manifest.json" and first.isreg() else None
            said = json.loads(file.read(1 << 24)) if file else {}
            files, models = said["files"], said["models"]
            assert said["mlzoo_bundle"] == VERSION
            assert all({"sha256", "bytes"} <= described.keys() for described in files.values())
            assert all({"source", "sha256"} <= model.keys() for model in models.values())
    except OSError as error:
        raise BrokenBundle(f"{path} cannot be read: {error.strerror or error}. Check the path.") from error
    except (tarfile.TarError, ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
        raise BrokenBundle(f"{path} is no bundle that `mlzoo bundle` wrote, or it is damaged ({error}).") from error
    for place in files:
        if not PLACES.fullmatch(place) or ".." in place.split("/"):
            raise BrokenBundle(f"{path} would write to {place!r}, outside the caches. Refused; nothing was written.")
    return said


def _contents(path: Path, manifest: dict[str, Any]) -> Iterator[tuple[str, str, bytes]]:
    """Place, sha256 and content of every file, each as the manifest says, or :class:`BrokenBundle`."""
    missing = dict(manifest["files"])
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                if member.name == "manifest.json":
                    continue
                described = missing.pop(member.name, None)
                if described is None or not member.isreg():
                    kind = "not announced" if member.isreg() else "no regular file"
                    raise BrokenBundle(f"{path} holds {member.name!r}, which is {kind}. Refused; nothing was written.")
                if member.size != described["bytes"]:
                    raise BrokenBundle(f"{path}: {member.name} has {member.size} bytes, not {described['bytes']}.")
                file = archive.extractfile(member)
                content = file.read() if file else b""
                digest = hashlib.sha256(content).hexdigest()
                if digest != described["sha256"]:
                    raise BrokenBundle(
                        f"{path}: {member.name} has sha256 {digest}, and the bundle announces {described['sha256']}. "
                        "It was damaged or tampered with. Refused; nothing was written."
                    )
                yield member.name, digest, content
    except (tarfile.TarError, OSError) as error:
        raise BrokenBundle(f"{path} is damaged ({error}). Copy it again; nothing was written.") from error
    if missing:
        raise BrokenBundle(f"{path} lacks {', '.join(missing)}. Copy it again.")


def _check_model(path: Path, name: str, model: dict[str, Any]) -> None:
    """The bundle's own checksums are no proof: the card that is installed here and what was seen here go before them."""
    known = dict(store.first_seen(model["source"]))
    card = catalogue().cards.get(name)
    for source in card.sources if card else ():
        if str(source) == model["source"]:
            known |= {file: said.sha256 for file, said in source.files.items() if said.sha256}
    for file, digest in model["sha256"].items():
        if known.get(file, digest) != digest:
            raise BrokenBundle(
                f"{path} brings {file} of {name} with sha256 {digest}, and on this machine it is known with {known[file]}. "
                "It was tampered with, or it is another version. Refused; nothing was written."
            )


def _target(place: str) -> Path:
    root, rest = place.split("/", 1)
    return (hub.cache() if root == "hub" else store.folder()) / rest
