"""Files of a Hub repository, through the Hub's own client and in the Hub's own cache."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mlzoo.cards import File, HubSource
from mlzoo.checksums import sha256
from mlzoo.errors import DownloadError
from mlzoo.sources import store
from mlzoo.sources.found import Found

NAME = re.compile(r"hf:(?P<hub>[\w.-]+/[\w.-]+)(?P<file>(/[\w-]+(\.[\w-]+)*)+)?(@(?P<revision>[\w./-]+))?")
NO_WEIGHTS = (".md", ".png", ".jpg", ".jpeg", ".svg", ".pdf", ".gitattributes", ".gitignore")


def cached(source: HubSource) -> Found | None:
    """The files where all of them lie in the cache, under the commit that the revision last stood for; no network."""
    from huggingface_hub import try_to_load_from_cache

    paths = {}
    for name in source.files:
        path = try_to_load_from_cache(source.hub, name, revision=source.revision)
        if not isinstance(path, str):
            return None
        paths[name] = Path(path)
    return _found(paths)


def download(source: HubSource) -> Found:
    """Fetch what is not there yet, all of it from one commit. Raises :class:`DownloadError`."""
    from huggingface_hub import hf_hub_download

    paths: dict[str, Path] = {}
    revision = source.revision
    for name in source.files:
        try:
            _resume(source, name, revision)
            paths[name] = Path(hf_hub_download(source.hub, name, revision=revision))
        except Exception as error:
            raise DownloadError(_explain(error, source, name)) from error
        revision = _found(paths).commit or revision  # a branch may move while we download
    return _found(paths)


def source_of(name: str) -> HubSource | None:
    """The source that ``hf:owner/repository[/file][@revision]`` means, as far as this machine knows its files."""
    said = NAME.fullmatch(name)
    if not said:
        return None
    revision = said["revision"] or "main"
    bare = HubSource(hub=said["hub"], revision=revision, files={"config.json": File()})
    files = [said["file"].strip("/")] if said["file"] else list(store.first_seen(f"files of {bare}"))
    return bare.model_copy(update={"files": dict.fromkeys(files, File())})


def listed(source: HubSource) -> tuple[HubSource, str]:
    """The same source with the files that the Hub lists for it, and the text of its card. Raises :class:`DownloadError`."""
    from huggingface_hub import HfApi, hf_hub_download

    try:
        names = [file.rfilename for file in HfApi().model_info(source.hub, revision=source.revision).siblings or ()]
        if "README.md" in names:
            hf_hub_download(source.hub, "README.md", revision=source.revision)
    except Exception as error:
        raise DownloadError(_explain(error, source, "the list of files")) from error
    if "model.safetensors" in names and "config.json" in names:
        weights = [name for name in names if "/" not in name and not name.startswith(".")]  # ours: all of it
    else:
        weights = [name for name in names if "/" not in name and not name.endswith(NO_WEIGHTS)]
    if not weights:
        raise DownloadError(f"{source} holds no file that could be a weight ({', '.join(names[:8])}). Check the name.")
    files = source.files or dict.fromkeys(weights, File())
    return source.model_copy(update={"files": files}), page_of(source)


def page_file(source: HubSource) -> dict[str, Path]:
    """The repository's page where it lies in the cache."""
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(source.hub, "README.md", revision=source.revision)
    return {"README.md": Path(path)} if isinstance(path, str) else {}


def page_of(source: HubSource) -> str:
    """Its text, empty where there is none."""
    return "".join(path.read_text(encoding="utf-8", errors="replace") for path in page_file(source).values())


def cache() -> Path:
    """The Hub's own cache."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def differs(path: Path, stated: str) -> bool:
    """Whether a file is another one than the server stated: by sha256, or by git's checksum for small files."""
    if len(stated) == 64:
        return sha256(path) != stated
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest() != stated


def _found(paths: Mapping[str, Path]) -> Found:
    """Cache paths are ``.../snapshots/COMMIT/FILE``, links to ``.../blobs/CHECKSUM``."""
    name, first = next(iter(paths.items()))
    blobs = {name: path.resolve().name for name, path in paths.items() if path.is_symlink()}
    stated = {name: blob for name, blob in blobs.items() if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", blob)}
    return Found(dict(paths), first.parents[name.count("/")].name, stated)


def _resume(source: HubSource, name: str, revision: str) -> None:
    """Bring a large file into the cache through a part that outlives the process.

    The client resumes within one call only. What is put in the cache here, under the checksum that the Hub states, is
    found there by the client.
    """
    from filelock import FileLock
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
    from huggingface_hub.file_download import http_get, repo_folder_name
    from huggingface_hub.utils import build_hf_headers

    if constants.HF_HUB_OFFLINE or isinstance(try_to_load_from_cache(source.hub, name, revision=revision), str):
        return
    url = hf_hub_url(source.hub, name, revision=revision)
    said = get_hf_file_metadata(url)  # once: the client's own call waits half a minute where there is no network
    if said.commit_hash is None:
        raise DownloadError(f"{url} does not answer as a Hub does: a proxy or a login stands in between")
    if (
        not said.size
        or said.size <= constants.DOWNLOAD_CHUNK_SIZE
        or not re.fullmatch(r"[0-9a-f]{64}", said.etag or "")
    ):
        return
    blobs = cache() / repo_folder_name(repo_id=source.hub, repo_type="model") / "blobs"
    blob, part = blobs / str(said.etag), blobs / f"{said.etag}.part"
    headers = build_hf_headers()
    if urlsplit(said.location).netloc != urlsplit(url).netloc:
        headers.pop("authorization", None)  # another host has no business with the token
    blobs.mkdir(parents=True, exist_ok=True)
    locks = cache() / ".locks"
    locks.mkdir(parents=True, exist_ok=True)
    with FileLock(locks / f"mlzoo-{said.etag}.lock"):
        if blob.exists():
            return
        with part.open("ab") as file:
            if file.tell() < said.size:
                http_get(
                    said.location, file, resume_size=file.tell(), headers=headers, expected_size=said.size,
                    displayed_filename=name,
                )  # fmt: skip
        if differs(part, str(said.etag)):
            part.unlink()
            raise DownloadError(f"{name} arrived with other bytes than {constants.ENDPOINT} states for it")
        part.replace(blob)


def _explain(error: Exception, source: HubSource, name: str) -> str:
    """What the client says, in a sentence with the next step."""
    from huggingface_hub import constants, errors

    chain: list[Any] = [error]
    while (behind := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(behind)

    def said(kind: type[Exception]) -> bool:
        return any(isinstance(each, kind) for each in chain)

    page = f"{constants.ENDPOINT}/{source.hub}"
    if said(errors.OfflineModeIsEnabled):
        return f"HF_HUB_OFFLINE is set, and {name} of {source} is not in {cache()}"
    if said(errors.GatedRepoError):
        return f"{source} is gated. Accept its terms at {page}, then set HF_TOKEN or run `hf auth login`."
    if said(errors.RepositoryNotFoundError):
        return f"{page} does not exist, or it is private and needs HF_TOKEN. Check the name."
    if said(errors.RevisionNotFoundError):
        return f"{page} has no revision {source.revision!r}. Its branches, tags and commits are listed there."
    if said(errors.RemoteEntryNotFoundError):
        return f"{page} has no file {name} at revision {source.revision!r}. Choose another revision."
    answers = [each.response.status_code for each in chain if isinstance(each, errors.HfHubHTTPError)]
    if answers:
        return f"{page} answers {answers[0]} for {name}. Try again later."
    if isinstance(error, DownloadError):
        return str(error)
    if "Consistency check failed" in str(error):
        size = re.findall(r"size (\d+)", str(error))
        return f"{name} of {source} was cut short: {size[1]} of {size[0]} bytes arrived. Fetch it again."
    network = [each for each in chain if type(each).__module__.split(".")[0].startswith(("httpx", "httpcore"))]
    if network or said(errors.LocalEntryNotFoundError):
        why = str(network[-1]) if network else str(error)
        at = f"{constants.ENDPOINT} cannot be reached for {name} of {source} ({why})"
        return f"{at}. Is there a network? HF_ENDPOINT names a mirror."
    if isinstance(error, OSError):
        return f"{name} of {source}: {store.explain_write(error, cache())}"
    return f"{name} of {source}: {type(error).__name__}: {error}"
