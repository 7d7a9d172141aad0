"""A model card: one Markdown page about one published weight, whose front matter says everything in fields.

The front matter is the Hub's (``license``, ``tags``, ``base_model``, ...), so that the page is a model card there too;
what is ours stands under the key ``mlzoo``.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from mlzoo.errors import InvalidCard
from mlzoo.licenses import KNOWN, UNKNOWN, License, stated

if TYPE_CHECKING:
    from mlzoo.model import Model

log = logging.getLogger("mlzoo")

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
Symbol = Annotated[str, Field(pattern=r"^[A-Z][a-z]?$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+([./][A-Za-z0-9_-]+)*$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class File(_Frozen):
    """What is known of a file before it is fetched; None where nobody has seen it."""

    sha256: Sha256 | None = None
    bytes: Annotated[int, Field(gt=0)] | None = None


class _Source(_Frozen):
    files: dict[FileName, File] = Field(min_length=1)

    @field_validator("files", mode="before")
    @classmethod
    def _bare_names(cls, files: Any) -> Any:
        """A list of names stands for files of which nothing is known."""
        return dict.fromkeys(files, {}) if isinstance(files, list) else files


class HubSource(_Source):
    """Files of a Hub repository, at a revision: a branch, a tag or a commit."""

    hub: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$")]
    revision: Annotated[str, Field(pattern=r"^[A-Za-z0-9._/-]+$")] = "main"

    def __str__(self) -> str:
        return f"hf:{self.hub}@{self.revision}"


class UrlSource(_Source):
    """Files below an address that cannot change what it means: it names a commit or a release."""

    url: str  # ends with a slash; the files' names are appended

    @field_validator("url")
    @classmethod
    def _pinned(cls, url: str) -> str:
        if not re.fullmatch(r"https://[A-Za-z0-9.-]+/(?!.*(\.\.|//))[A-Za-z0-9._~/-]*/", url):
            raise ValueError(f"{url} must begin with https:// and end with a slash, without query and '..'")
        if not re.search(r"/[0-9a-f]{40}/|/releases/download/[^/]+/", url):
            raise ValueError(f"{url} is not pinned: it must contain a full commit or /releases/download/TAG/")
        return url

    def __str__(self) -> str:
        return self.url


class PackageSource(_Source):
    """Files that an installed package brings."""

    package: str
    folder: FileName

    def __str__(self) -> str:
        return f"package:{self.package}/{self.folder}"


Source = PackageSource | HubSource | UrlSource


class Retirement(_Frozen):
    """Why a name is no longer served; it is kept so that nobody wonders where it went."""

    reason: str
    successor: str | None = None


class Card(_Frozen):
    """Everything about a published weight that is worth knowing before it is downloaded."""

    # from the Hub's own fields
    license: str  # SPDX id in the Hub's small letters, "other" or "unknown"
    license_name: str | None = None
    license_link: str | None = None
    base_model: str | None = None
    tags: tuple[str, ...] = ()

    # under the key `mlzoo`
    name: Name
    summary: str
    architecture: str
    aliases: tuple[str, ...] = ()  # upstream's own names
    format: str = "mlzoo"  # of the files: ours, or the reader's name
    sources: tuple[Source, ...] = ()  # in the order in which they are tried
    options: Mapping[str, str] = {}  # for the reader, where the user says nothing else
    elements: tuple[Symbol, ...] = Field(min_length=1)
    predicts: Mapping[str, str] = Field(min_length=1)  # name -> unit
    theory: str  # level of theory of the training data
    training_data: str
    dispersion: str
    charge: bool = False  # whether it reads the total charge
    spin: bool = False
    periodic: str = "any: molecules, slabs, crystals"
    dtype: Literal["float32", "float64"] = "float32"
    commercial_use: bool | None = None  # where the licence is "other"
    obliges: str | None = None  # likewise
    copyright: str | None = None  # the notice that copies must keep
    citation: str  # BibTeX

    # not of the front matter
    text: str = ""  # the page below it
    package: str = "mlzoo"  # the distribution that brings the card
    path: Path | None = None

    @model_validator(mode="after")
    def _licensed(self) -> Card:
        if self.license == "other":
            if not (self.license_name and self.license_link):
                raise ValueError("license: other needs license_name and license_link")
        elif self.license != "unknown" and self.license not in KNOWN:
            raise ValueError(f"license: {self.license} is none of {', '.join(KNOWN)}, other, unknown")
        return self

    @property
    def terms(self) -> License:
        if self.license == "other":
            name, link = self.license_name or "", self.license_link or ""
            return License("other", name, link, self.commercial_use, self.obliges or "what its text says")
        return KNOWN.get(self.license, UNKNOWN)

    @property
    def bytes(self) -> int | None:
        """Size of the first source, where all of it is known."""
        sizes = [file.bytes for file in self.sources[0].files.values()] if self.sources else [None]
        return sum(size for size in sizes if size) if all(sizes) else None

    @property
    def checks(self) -> Path | None:
        """File with reference values of the original code, where the page has one beside it."""
        beside = self.path.parent / "checks" / f"{self.name}.json" if self.path else None
        return beside if beside and beside.is_file() else None

    def __repr__(self) -> str:
        return f"<card {self.name}: {self.summary} {self.terms.name}>"

    __str__ = __repr__


class Tombstone(_Frozen):
    """The card of a name that is no longer served."""

    name: Name
    aliases: tuple[str, ...] = ()
    retired: Retirement


HUB_FIELDS = ("license", "license_name", "license_link", "base_model", "tags")
_FRONT_MATTER = re.compile(r"\A---\r?\n(.*?)^---\s*$\r?\n?", re.DOTALL | re.MULTILINE)


def front_matter(page: str) -> tuple[dict[str, Any], str]:
    """Fields and text of a page; no fields where it has no front matter. Raises :class:`InvalidCard`."""
    found = _FRONT_MATTER.match(page)
    if not found:
        return {}, page
    try:
        fields = yaml.load(found.group(1), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise InvalidCard(f"its front matter is not YAML: {error}") from error
    if not isinstance(fields, dict):
        raise InvalidCard(f"its front matter holds a {type(fields).__name__}, not fields")
    return fields, page[found.end() :].lstrip("\n")


def parse(page: str, *, package: str = "mlzoo", path: Path | None = None) -> Card | Tombstone:
    """Read a page. Raises :class:`InvalidCard` that names every field that is wrong."""
    where = str(path or "the card")
    try:
        fields, text = front_matter(page)
        ours = fields.get("mlzoo")
        if not isinstance(ours, dict):
            raise InvalidCard("its front matter has no fields under `mlzoo`")
        if "retired" in ours:
            return Tombstone.model_validate(ours)
        hub = {name: fields[name] for name in HUB_FIELDS if name in fields}
        return Card.model_validate({**hub, **ours, "text": text, "package": package, "path": path})
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc'])) or 'card'}: {each['msg']}" for each in error.errors())
        raise InvalidCard(f"{where} is not a valid card: {wrong}") from error
    except InvalidCard as error:
        raise InvalidCard(f"{where} is not a valid card: {error}") from error


def read_page(text: str, where: str) -> tuple[Card | None, License]:
    """Any page of a weight: our card where it is one, and the licence that it states in any case."""
    try:
        fields, _ = front_matter(text)
        if "mlzoo" in fields:
            card = parse(text)
            if isinstance(card, Card):
                return card, card.terms
        return None, stated(fields)
    except InvalidCard as error:
        log.warning("%s: %s", where, error)
        return None, UNKNOWN


def bare(name: str, architecture: str, model: Model, terms: License = UNKNOWN) -> Card:
    """The card of a weight that came without one: it says what the network shows, and that the rest is not stated."""
    from ase.data import chemical_symbols

    known = terms.id.lower() in KNOWN or terms.id == "unknown"
    licence = {} if known else {"license_name": terms.name, "license_link": terms.link or "not given"}
    return Card(
        name=slug(name),
        license=terms.id.lower(),
        **licence,  # type: ignore[arg-type]
        summary="A weight without a card.",
        architecture=architecture,
        elements=tuple(chemical_symbols[z] for z in model.elements),
        predicts={each.name: each.unit for each in model.predicts},
        theory="not stated",
        training_data="not stated",
        dispersion="not stated",
        citation="",
        text=f"# {name}\n\nThis weight came without a card: nobody has said what it was trained on.\n",
    )


def slug(name: str) -> str:
    """A name as cards have it: small letters, digits, dots, dashes."""
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).lstrip("._-") or "weight"


class _Dumper(yaml.SafeDumper):
    """Lists in one line, texts of several lines as they are: the way a person writes them."""


_Dumper.add_representer(list, lambda dumper, data: dumper.represent_sequence("tag:yaml.org,2002:seq", data, True))
_Dumper.add_representer(
    str, lambda dumper, data: dumper.represent_scalar("tag:yaml.org,2002:str", data, "|" if "\n" in data else None)
)


def page(card: Card) -> str:
    """The card as the Markdown page that :func:`parse` reads."""
    said = card.model_dump(mode="json", exclude_defaults=True, exclude={"text", "package", "path"})
    fields = {name: said.pop(name) for name in HUB_FIELDS if name in said}
    fields |= {"library_name": "mlzoo", "pipeline_tag": "graph-ml", "mlzoo": said}
    head = yaml.dump(fields, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return f"---\n{head}---\n\n{card.text}"


def derived(card: Card, name: str, **changes: Any) -> Card:
    """The card of a weight made from another one: its licence and its authors stay, its sources do not."""
    base = next((source.hub for source in card.sources if isinstance(source, HubSource)), card.name)
    note = f"# {name}\n\nMade from {card.name} by mlzoo; licence and citation are those of the original.\n\n{card.text}"
    fresh = {"name": name, "aliases": (), "sources": (), "base_model": base, "text": note, "format": "mlzoo"}
    return card.model_copy(update={**fresh, "options": {}, "package": "mlzoo", "path": None, **changes})


def license_text(card: Card) -> str:
    """What stands in the file LICENSE beside a weight: the text where we have it, else name, link and what it obliges to."""
    template = files("mlzoo").joinpath("license_texts", f"{card.license}.txt")
    if template.is_file() and card.copyright:
        return template.read_text(encoding="utf-8").replace("{copyright}", card.copyright)
    terms = card.terms
    notice = f"{card.copyright}\n" if card.copyright else ""
    return f"{notice}{terms.name}\n{terms.link}\n\nObliges to this: {terms.obliges}.\n"


def json_schema() -> dict[str, Any]:
    """JSON schema of the fields of a card, for editors and for those who write cards in other languages."""
    schema = Card.model_json_schema()
    for name in ("text", "package", "path"):
        schema["properties"].pop(name)
    return schema
