"""Repositories of a Hub: commits that stay, branches and tags that name them, and how git and LFS name a file."""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property

LARGE = 256 * 1024  # bytes
LARGE_SUFFIXES = (".pt", ".safetensors", ".zip", ".bin")


def is_lfs(path: str, size: int) -> bool:
    """Whether the Hub keeps the file in its large file storage."""
    return size > 0 and (size > LARGE or path.endswith(LARGE_SUFFIXES))


def git_oid(content: bytes) -> str:
    """The name git gives to a blob.

    >>> git_oid(b"")
    'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391'
    """
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass(frozen=True)
class File:
    path: str
    content: bytes

    @property
    def lfs(self) -> bool:
        return is_lfs(self.path, len(self.content))

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @cached_property
    def blob_id(self) -> str:
        """Git sees the pointer of a large file, not its content."""
        return git_oid(self.pointer if self.lfs else self.content)

    @property
    def pointer(self) -> bytes:
        lines = "version https://git-lfs.github.com/spec/v1", f"oid sha256:{self.sha256}", f"size {len(self.content)}"
        return "".join(f"{line}\n" for line in lines).encode()

    @property
    def etag(self) -> str:
        return self.sha256 if self.lfs else self.blob_id

    def listing(self) -> dict:
        """As the tree of a repository lists it."""
        entry = {"type": "file", "path": self.path, "size": len(self.content), "oid": self.blob_id}
        if self.lfs:
            entry["lfs"] = {"oid": self.sha256, "size": len(self.content), "pointerSize": len(self.pointer)}
        return entry


@dataclass
class Repository:
    name: str
    commits: dict[str, dict[str, File]] = field(default_factory=dict)  # sha: every file at that commit
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def commit(self, changes: dict[str, bytes | None], branch: str = "main") -> str:
        """Files added or, with None, removed on top of a branch; a new branch starts from main."""
        head = self.branches.get(branch, self.branches.get("main"))
        files = dict(self.commits.get(head, {}))
        for path, content in changes.items():
            files.pop(path, None)
            if content is not None:
                files[path] = File(path, content)
        listed = "".join(f"{path} {files[path].blob_id}\n" for path in sorted(files))
        sha = hashlib.sha1(f"{self.name} {len(self.commits)}\n{listed}".encode()).hexdigest()
        self.commits[sha] = files
        self.branches[branch] = sha
        return sha

    def resolve(self, revision: str) -> str | None:
        """The commit a branch, a tag or a full sha stands for."""
        named = self.branches.get(revision) or self.tags.get(revision)
        return named or (revision if revision in self.commits else None)
