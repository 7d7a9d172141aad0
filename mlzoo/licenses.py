"""What a licence obliges to, and whether a policy lets a weight through before anything is downloaded."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlzoo.errors import RefusedLicense

log = logging.getLogger("mlzoo")

POLICIES = ("any", "permissive")
"""``any`` announces what restricts; ``permissive`` refuses it."""

VARIABLE = "MLZOO_LICENSE_POLICY"


@dataclass(frozen=True)
class License:
    """A licence in the words that a legal department asks for.

    ``commercial_use`` is None where nobody has said.
    """

    id: str  # SPDX, or "other", or "unknown"
    name: str
    link: str
    commercial_use: bool | None
    obliges: str

    @property
    def restricts(self) -> bool:
        """Whether it may limit who uses the weight and what for: all do but those known not to."""
        return self.id not in PERMISSIVE


_KEEP = "keep the copyright notice and the licence text in copies"
_SPDX = "https://spdx.org/licenses/"
KNOWN = {
    license.id.lower(): license
    for license in (
        License("MIT", "MIT License", _SPDX + "MIT", True, _KEEP),
        License("BSD-3-Clause", "BSD 3-Clause License", _SPDX + "BSD-3-Clause", True,
                f"{_KEEP}; do not use the authors' names to endorse what you derive"),
        License("Apache-2.0", "Apache License 2.0", _SPDX + "Apache-2.0", True,
                f"{_KEEP}, and the NOTICE file; state what you changed"),
        License("CC0-1.0", "Creative Commons Zero 1.0", _SPDX + "CC0-1.0", True, "nothing"),
        License("CC-BY-4.0", "Creative Commons Attribution 4.0", _SPDX + "CC-BY-4.0", True,
                "name the authors, link the licence, state what you changed"),
        License("CC-BY-NC-4.0", "Creative Commons Attribution-NonCommercial 4.0", _SPDX + "CC-BY-NC-4.0", False,
                "no commercial use; name the authors, link the licence, state what you changed"),
    )
}  # fmt: skip
PERMISSIVE = frozenset(license.id for license in KNOWN.values() if license.commercial_use)
UNKNOWN = License("unknown", "no licence stated", "", None, "nothing is granted until the authors say what is allowed")

_announced: set[str] = set()


def check(terms: License, name: str, policy: str | None = None) -> None:
    """Let the licence of a weight pass, with a word about it where it restricts, or raise :class:`RefusedLicense`.

    The policy is the argument, or the variable ``MLZOO_LICENSE_POLICY``, or ``any``. Announced once in a process.
    """
    chosen = policy or os.environ.get(VARIABLE) or "any"
    if chosen not in POLICIES:
        said = f"license_policy={policy!r}" if policy else f"{VARIABLE}={chosen!r}"
        raise RefusedLicense(f"{said} is no policy. Use one of {', '.join(POLICIES)}.")
    if not terms.restricts:
        return
    if chosen == "permissive":
        raise RefusedLicense(
            f"{name} is under {_words(terms)}; the policy 'permissive' refuses it, and nothing was downloaded. "
            "`mlzoo list --commercial-use` shows what it lets through."
        )
    if name not in _announced:
        _announced.add(name)
        log.warning("%s is under %s. It obliges to this: %s.", name, _words(terms), terms.obliges)


def stated(fields: Mapping[str, Any], page: str = "") -> License:
    """The licence that a Hub page's front matter states, known here or not."""
    said = fields.get("license")
    if isinstance(said, list):
        said = said[0] if len(said) == 1 else None
    if not isinstance(said, str) or said == "unknown":
        return UNKNOWN
    if said in KNOWN:
        return KNOWN[said]
    name = fields.get("license_name") if said == "other" else said
    link = fields.get("license_link") or page
    return License("other", str(name or "a licence of its own"), str(link), None, "what its text says")


def _words(terms: License) -> str:
    use = {True: "allows", False: "does not allow", None: "may not allow"}
    where = f" ({terms.link})" if terms.link else ""
    if terms is UNKNOWN:
        return "no licence that anybody has stated, which counts as a restricted one"
    article = "" if "'s " in terms.name else "the "
    return f"{article}{terms.name}{where}, which {use[terms.commercial_use]} commercial use"
