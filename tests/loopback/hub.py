"""A Hub on 127.0.0.1 that the real huggingface_hub client works with: what it reads. What it writes is in push.py."""

import json
import os
import re
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit

from loopback.faults import Fault, meet, send_file
from loopback.push import ROUTES as PUSH
from loopback.push import PushRoutes, Refused
from loopback.repositories import File, Repository
from loopback.server import Handler, Loopback

REPO = r"(?P<repo>[^/]+/[^/]+)"
ROUTES = {
    **PUSH,
    rf"GET /{REPO}/resolve/(?P<revision>[^/]+)/(?P<path>.+)": "resolve",
    r"GET /api/agent-harnesses": "harnesses",
    rf"GET /api/models/{REPO}": "model_info",
    rf"GET /api/models/{REPO}/revision/(?P<revision>[^/]+)": "model_info",
    rf"GET /api/models/{REPO}/tree/(?P<revision>[^/]+)": "tree",
    rf"GET /api/models/{REPO}/refs": "refs",
    rf"GET /api/models/{REPO}/auth-check": "auth_check",
    rf"POST /api/models/{REPO}/paths-info/(?P<revision>[^/]+)": "paths_info",
}


class _HubHandler(PushRoutes, Handler):
    def answer(self):
        self.note(self.path)
        content = self.body()
        path = urlsplit(self.path).path
        asked = f"{self.command.replace('HEAD', 'GET')} {path}"
        for pattern, name in ROUTES.items():
            if match := re.fullmatch(pattern, asked):
                arguments = {key: unquote(value) for key, value in match.groupdict().items()}
                if content:
                    arguments["content"] = content
                try:
                    getattr(self, name)(**arguments)
                except Refused as refusal:
                    self.reply(refusal.status, {"error": str(refusal)}, refusal.headers)
                return
        self.reply(404, {"error": f"no such route: {asked}"})  # the client asks for a few things beside the point

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer

    def user(self) -> str | None:
        """Who sends the request; a token that nobody has is refused even where none is needed."""
        if not (authorization := self.headers.get("Authorization")):
            return None
        token = authorization.removeprefix("Bearer ")
        if token not in self.site.tokens:
            message = "Invalid credentials in Authorization header"
            raise Refused(401, message, **{"X-Error-Message": message})
        return self.site.tokens[token]

    def repository(self, name: str) -> Repository:
        """A private repository does not exist for others, and what does not exist answers 401 to the unknown."""
        user = self.user()
        hidden = name in self.site.private and not self.site.may_read(user, name)
        if hidden or name not in self.site.repositories:
            if user is None:
                raise Refused(401, "Invalid username or password.", "RepoNotFound")
            raise Refused(404, "Repository not found", "RepoNotFound")
        return self.site.repositories[name]

    def opened(self, name: str) -> Repository:
        """A repository whose files may be read."""
        repository = self.repository(name)
        user = self.user()
        if name in self.site.gated and not self.site.may_read(user, name):
            how = "You must have access to it and be authenticated" if user is None else "Ask for access on its page"
            raise Refused(401 if user is None else 403, f"Access to model {name} is restricted. {how}.", "GatedRepo")
        return repository

    def commit_of(self, repository: Repository, revision: str) -> str:
        if (sha := repository.resolve(revision)) is None:
            raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return sha

    def resolve(self, repo: str, revision: str, path: str):
        repository = self.opened(repo)
        sha = self.commit_of(repository, revision)
        if (file := repository.commits[sha].get(path)) is None:
            raise Refused(404, "Entry not found", "EntryNotFound", **{"X-Repo-Commit": sha})
        headers = {"X-Repo-Commit": sha, "ETag": f'"{file.etag}"', "Content-Type": "application/octet-stream"}
        fault = Fault()
        if file.lfs and self.site.cdn is not None and self.command == "GET":
            content = file.content  # what goes wrong goes wrong where the bytes come from
        else:
            fault = meet(self.site.faults.get((repo, path)), self.command)
            content = fault.spoil(file.content)
        if file.lfs:
            headers |= {"X-Linked-Etag": f'"{file.etag}"', "X-Linked-Size": str(len(content))}
        if file.lfs and self.site.cdn is not None and fault.status is None and not fault.html:
            self.reply(302, headers={**headers, "Location": self.site.cdn.address(repo, file)})
        else:
            send_file(self, content, headers, fault)

    def harnesses(self):
        """Every process of the client asks for this list before anything else, unless HF_HOME has one of today."""
        self.reply(200, {"standardEnvVars": [], "harnesses": {}})

    def model_info(self, repo: str, revision: str = "main"):
        repository = self.repository(repo)
        sha = self.commit_of(repository, revision)
        self.reply(
            200,
            {
                "id": repo,
                "modelId": repo,
                "author": repo.split("/")[0],
                "sha": sha,
                "private": repo in self.site.private,
                "gated": "manual" if repo in self.site.gated else False,
                "siblings": [{"rfilename": path} for path in sorted(repository.commits[sha])],
            },
        )

    def tree(self, repo: str, revision: str):
        """Every file below the root; the client asks for it as one recursive list."""
        repository = self.repository(repo)
        files = repository.commits[self.commit_of(repository, revision)]
        self.reply(200, [files[path].listing() for path in sorted(files)])

    def refs(self, repo: str):
        repository = self.repository(repo)

        def listed(kind: str, names: dict[str, str]) -> list[dict]:
            return [{"name": name, "ref": f"refs/{kind}/{name}", "targetCommit": sha} for name, sha in names.items()]

        branches, tags = listed("heads", repository.branches), listed("tags", repository.tags)
        self.reply(200, {"branches": branches, "tags": tags, "converts": []})

    def auth_check(self, repo: str):
        self.opened(repo)
        self.reply(200, {})

    def paths_info(self, repo: str, revision: str, content: bytes):
        repository = self.repository(repo)
        files = repository.commits[self.commit_of(repository, revision)]
        if "json" in self.headers.get("Content-Type", ""):
            paths = json.loads(content)["paths"]
        else:
            paths = parse_qs(content.decode())["paths"]
        self.reply(200, [files[path].listing() for path in paths if path in files])


class _CdnHandler(Handler):
    def do_GET(self):
        self.note(self.path)
        hub = self.site.hub
        owner, name, sha256, path = unquote(urlsplit(self.path).path).lstrip("/").split("/", 3)
        fault = meet(hub.faults.get((f"{owner}/{name}", path)), self.command)
        commits = hub.repositories[f"{owner}/{name}"].commits.values()
        file = next(files[path] for files in commits if path in files and files[path].sha256 == sha256)
        send_file(self, fault.spoil(file.content), {"ETag": f'"{sha256}"'}, fault)

    do_HEAD = do_GET


class Cdn(Loopback):
    """Where large files come from, on a port of its own: another host, which has no business with tokens."""

    handler = _CdnHandler

    def __init__(self, hub: "Hub"):
        super().__init__()
        self.hub = hub

    def address(self, repo: str, file: File) -> str:
        return f"{self.url}/{repo}/{file.sha256}/{quote(file.path)}?signature=1"


class Hub(Loopback):
    """Repositories by name, to a client that runs with ``environment(home)``.

    >>> with Hub() as hub:
    ...     sha = hub.commit("owner/name", {"config.json": b"{}"})
    ...     hub.repositories["owner/name"].resolve("main") == sha
    True
    """

    handler = _HubHandler

    def __init__(self, cdn: bool = False):
        super().__init__()
        self.repositories: dict[str, Repository] = {}
        self.uploads: dict[str, bytes] = {}  # large files that were sent, by their sha256
        self.tokens: dict[str, str] = {}  # token: the user who has it
        self.gated: set[str] = set()
        self.private: set[str] = set()
        self.granted: set[tuple[str, str]] = set()  # (user, repository) beside what the user owns
        self.faults: dict[tuple[str, str], Fault] = {}  # (repository, file)
        self.cdn = Cdn(self) if cdn else None

    def __enter__(self):
        if self.cdn is not None:
            self.cdn.__enter__()
        return super().__enter__()

    def stop(self):
        super().stop()
        if self.cdn is not None:
            self.cdn.stop()

    def commit(self, repo: str, files: dict[str, bytes | Path | None], branch: str = "main") -> str:
        """Add or, with None, remove files; returns the sha of the commit."""
        contents = {path: file.read_bytes() if isinstance(file, Path) else file for path, file in files.items()}
        return self.repositories.setdefault(repo, Repository(repo)).commit(contents, branch)

    def tag(self, repo: str, name: str, revision: str = "main"):
        repository = self.repositories[repo]
        repository.tags[name] = repository.resolve(revision)

    def may_read(self, user: str | None, repo: str) -> bool:
        return user is not None and (user == repo.split("/")[0] or (user, repo) in self.granted)

    def asked(self, repo: str) -> list[tuple[str, str]]:
        """Method and path of the requests about one repository, without what the client asks for at its start."""
        about = re.compile(rf"/{re.escape(repo)}(\.git)?([/?]|$)")
        return [(method, path) for method, path, _ in self.requests if about.search(path)]

    def environment(self, home: str | os.PathLike) -> dict[str, str]:
        """Variables of a process whose Hub this is: those of ours, without any of the client's and without proxies."""
        ours = {
            name: value
            for name, value in os.environ.items()
            if not name.upper().startswith(("HF_", "HUGGING", "TRANSFORMERS_")) and not name.upper().endswith("_PROXY")
        }
        return {
            **ours,
            "HF_ENDPOINT": self.url,
            "HF_HOME": os.fspath(home),
            "HF_HUB_DISABLE_XET": "1",  # tried first otherwise, and hangs for minutes where nobody speaks it
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }
