"""A weight in our layout to a repository of the Hub, with its card and its licence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlzoo import weights
from mlzoo.cards import Card, parse
from mlzoo.errors import PublishError

FILES = ("README.md", "LICENSE", "config.json", "model.safetensors", "checks.json")


def push(folder: Path, repository: str, *, private: bool = False, revision: str | None = None) -> str:
    """Upload a folder as one commit and return ``hf:owner/name@commit``.

    Raises :class:`PublishError` before anything is sent for a folder that is not whole, a card that is not valid or a
    licence that is not stated, and for what the Hub refuses.
    """
    check(folder)
    from huggingface_hub import HfApi

    api = HfApi()
    try:
        api.create_repo(repository, private=private, exist_ok=True)
        if revision:
            api.create_branch(repository, branch=revision, exist_ok=True)
        said = api.upload_folder(
            repo_id=repository,
            folder_path=folder,
            allow_patterns=list(FILES),
            revision=revision,
            commit_message=f"{folder.name}, in the layout of mlzoo",
        )
    except Exception as error:
        raise PublishError(_explain(error, repository)) from error
    return f"hf:{repository}@{said.oid}"


def check(folder: Path) -> Card:
    """The card of a folder that may be published. Raises :class:`PublishError` with what is missing."""
    if not weights.is_ours(folder):
        raise PublishError(f"{folder} is not in mlzoo's layout. `mlzoo convert {folder} -o FOLDER` makes it so.")
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise PublishError(f"{folder} lacks {', '.join(missing)}. `mlzoo convert` writes them all.")
    card = parse((folder / "README.md").read_text(encoding="utf-8"), path=folder / "README.md")
    if not isinstance(card, Card):
        raise PublishError(f"{folder / 'README.md'} is the card of a retired model, which is not published.")
    if card.license == "unknown":
        raise PublishError(
            f"{folder / 'README.md'} states no licence, so nobody could use the weight. "
            "Write `license:` into its front matter, and the text into LICENSE."
        )
    return card


def _explain(error: Exception, repository: str) -> str:
    from huggingface_hub import constants, errors

    status: Any = error.response.status_code if isinstance(error, errors.HfHubHTTPError) else None
    if isinstance(error, errors.LocalTokenNotFoundError) or status in (401, 403):
        return (
            f"{constants.ENDPOINT} does not let you write to {repository}. "
            "Set HF_TOKEN to a token with write access, or run `hf auth login`."
        )
    if isinstance(error, errors.HFValidationError):
        return f"{repository!r} is no name of a repository: {error}"
    return f"{constants.ENDPOINT} did not take {repository}: {type(error).__name__}: {error}"
