"""The fields of a card, checked before anybody relies on them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from mlzoo.licenses import KNOWN, UNKNOWN, License

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
        return {name: {} for name in files} if isinstance(files, list) else files


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
    """Why a name is not served, no longer or not at all; it has a page so that nobody wonders."""

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
    """The card of a name that is not served."""

    name: Name
    aliases: tuple[str, ...] = ()
    retired: Retirement


def json_schema() -> dict[str, Any]:
    """JSON schema of the fields of a card, for editors and for those who write cards in other languages."""
    schema = Card.model_json_schema()
    for name in ("text", "package", "path"):
        schema["properties"].pop(name)
    return schema
