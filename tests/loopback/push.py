"""What the client writes to the Hub: create, validate, preupload, large files, commit."""

import base64
import hashlib
import json

import yaml
from loopback.repositories import is_lfs

REPO = r"(?P<repo>[^/]+/[^/]+)"
ROUTES = {
    r"GET /api/whoami-v2": "whoami",
    r"POST /api/repos/create": "create",
    r"POST /api/validate-yaml": "validate_yaml",
    rf"POST /api/models/{REPO}/preupload/(?P<branch>[^/]+)": "preupload",
    rf"POST /{REPO}\.git/info/lfs/objects/batch": "lfs_batch",
    r"PUT /lfs/(?P<sha256>\w+)": "lfs_upload",
    r"POST /lfs/(?P<sha256>\w+)/verify": "lfs_verify",
    rf"POST /api/models/{REPO}/commit/(?P<branch>[^/]+)": "commit",
    rf"POST /api/models/{REPO}/tag/(?P<revision>[^/]+)": "tag",
    rf"POST /api/models/{REPO}/branch/(?P<branch>[^/]+)": "branch",
}


class Refused(Exception):
    """An answer that is an error, with the code by which the client tells errors of one status apart."""

    def __init__(self, status: int, message: str, code: str | None = None, **headers: str):
        super().__init__(message)
        self.status = status
        self.headers = {**headers, **({"X-Error-Code": code, "X-Error-Message": message} if code else {})}


class PushRoutes:
    """Every write needs a token, and its user may write where the repository's name begins with theirs."""

    def writer(self, repo: str | None = None) -> str:
        if (user := self.user()) is None:
            raise Refused(401, "Invalid username or password.")
        if repo is not None and repo.split("/")[0] != user:
            message = f"You don't have the rights to write to {repo}"
            raise Refused(403, message, **{"X-Error-Message": message})
        return user

    def whoami(self):
        token = {"displayName": "tests", "role": "write"}
        self.reply(200, {"type": "user", "name": self.writer(), "orgs": [], "auth": {"accessToken": token}})

    def create(self, content: bytes):
        asked = json.loads(content)
        name = f"{asked.get('organization') or self.writer()}/{asked['name']}"
        self.writer(name)
        answer = {"url": f"{self.site.url}/{name}", "name": name}
        if name in self.site.repositories:
            self.reply(409, {**answer, "error": "You already created this model repo"})
            return
        self.site.commit(name, {".gitattributes": b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"})
        if asked.get("visibility") == "private":
            self.site.private.add(name)
        self.reply(200, answer)

    def validate_yaml(self, content: bytes):
        """The metadata that a README.md begins with, between two lines of dashes."""
        _, dashes, rest = json.loads(content)["content"].partition("---\n")
        try:
            yaml.safe_load(rest.partition("\n---")[0] if dashes else "")
        except yaml.YAMLError as error:
            self.reply(400, {"errors": [{"message": str(error)}], "warnings": []})
        else:
            self.reply(200, {"errors": [], "warnings": []})

    def preupload(self, repo: str, branch: str, content: bytes):
        """Which files go to the large storage, and what is there of them now."""
        self.writer(repo)
        repository = self.repository(repo)
        there = repository.commits[self.commit_of(repository, branch)]
        files = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if is_lfs(file["path"], file["size"]) else "regular",
                "shouldIgnore": False,
                "oid": there[file["path"]].etag if file["path"] in there else None,
            }
            for file in json.loads(content)["files"]
        ]
        self.reply(200, {"files": files, "commitOid": repository.branches.get(branch)})

    def lfs_batch(self, repo: str, content: bytes):
        """Where each large file is to be sent: an address that needs no token, as those of a storage are signed."""
        self.writer(repo)
        objects = []
        for wanted in json.loads(content)["objects"]:
            entry = {"oid": wanted["oid"], "size": wanted["size"]}
            if wanted["oid"] not in self.site.uploads:
                href = f"{self.site.url}/lfs/{wanted['oid']}"
                entry["actions"] = {"upload": {"href": f"{href}?signature=1"}, "verify": {"href": f"{href}/verify"}}
            objects.append(entry)
        self.reply(200, {"transfer": "basic", "objects": objects})

    def lfs_upload(self, sha256: str, content: bytes = b""):
        if hashlib.sha256(content).hexdigest() != sha256:
            raise Refused(400, "the content is not what its sha256 says")
        self.site.uploads[sha256] = content
        self.reply(200)

    def lfs_verify(self, sha256: str, content: bytes):
        if len(self.site.uploads.get(sha256, b"")) != json.loads(content)["size"]:
            raise Refused(404, "the content did not arrive")
        self.reply(200, {})

    def commit(self, repo: str, branch: str, content: bytes):
        """One line of JSON for what the commit is, then one for each file."""
        self.writer(repo)
        repository = self.repository(repo)
        head = self.commit_of(repository, branch)
        changes: dict[str, bytes | None] = {}
        for line in content.splitlines():
            key, value = (item := json.loads(line))["key"], item["value"]
            if key == "header" and value.get("parentCommit", head) != head:
                raise Refused(412, "A commit has happened since. Please refresh and try again.")
            if key == "file":
                changes[value["path"]] = base64.b64decode(value["content"])
            elif key == "lfsFile":
                if value["oid"] not in self.site.uploads:
                    raise Refused(400, f"LFS pointer of {value['path']} pointed to a file that does not exist")
                changes[value["path"]] = self.site.uploads[value["oid"]]
            elif key == "deletedFile":
                changes[value["path"]] = None
            elif key == "deletedFolder":
                folder = value["path"].rstrip("/") + "/"
                changes |= dict.fromkeys(path for path in repository.commits[head] if path.startswith(folder))
        sha = repository.commit(changes, branch)
        self.reply(200, {"success": True, "commitOid": sha, "commitUrl": f"{self.site.url}/{repo}/commit/{sha}"})

    def tag(self, repo: str, revision: str, content: bytes):
        self.writer(repo)
        repository = self.repository(repo)
        name = json.loads(content)["tag"]
        if name in repository.tags:
            raise Refused(409, f"Tag {name} already exists")
        repository.tags[name] = self.commit_of(repository, revision)
        self.reply(200, {})

    def branch(self, repo: str, branch: str, content: bytes):
        self.writer(repo)
        repository = self.repository(repo)
        if branch in repository.branches:
            raise Refused(409, f"Reference already exists: {branch}")
        start = json.loads(content).get("startingPoint", "main")
        repository.branches[branch] = self.commit_of(repository, start)
        self.reply(200, {})
