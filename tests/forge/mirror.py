"""What is pushed is told to the stateful server: the same objects, which get the same names, and the same refs."""

from __future__ import annotations

import base64
from typing import Any

import httpx

from tests.forge.bare import Bare

NOT_THERE = "0" * 40


class Mirror:
    """One bare repository and its copy behind GitHub's Git Data API."""

    def __init__(self, bare: Bare, client: httpx.AsyncClient, repository: str) -> None:
        self._bare = bare
        self._client = client
        self._root = f"/repos/{repository}/git"
        self._known: set[str] = set()
        self._trees: set[str] = set()

    async def told(self, old: dict[str, str], new: dict[str, str]) -> None:
        """Tell every ref that changed, with the objects that are new."""
        for ref in new:
            if old.get(ref) != new[ref] and ref.startswith(("refs/heads/", "refs/tags/")):
                await self._objects(new[ref])
                await self._ref(ref, new[ref])
        for ref in old.keys() - new.keys():
            await self._client.delete(f"{self._root}/{ref}")

    async def _ref(self, ref: str, sha: str) -> None:
        moved = await self._client.patch(f"{self._root}/{ref}", json={"sha": sha, "force": True})
        if moved.status_code == 404:
            await self._post("refs", {"ref": ref, "sha": sha})

    async def _objects(self, tip: str) -> None:
        known = [f"^{sha}" for sha in self._known]
        lines = self._bare.git("rev-list", "--objects", "--reverse", tip, *known).splitlines()
        shas = [line.split(" ", 1)[0] for line in lines]
        if not shas:
            return
        kinds: dict[str, list[str]] = {"blob": [], "tree": [], "commit": []}
        batch = self._bare.run("cat-file", "--batch-check", data="\n".join(shas).encode())
        for line in batch.stdout.decode().splitlines():
            sha, kind, _ = line.split()
            kinds.setdefault(kind, []).append(sha)
        for sha in kinds["blob"]:
            content = base64.b64encode(self._bare.run("cat-file", "blob", sha).stdout).decode()
            await self._same(sha, "blobs", {"content": content, "encoding": "base64"})
        for sha in kinds["tree"]:
            await self._tree(sha)
        for sha in kinds["commit"]:
            await self._same(sha, "commits", self._commit(sha))
        self._known.add(tip)

    async def _tree(self, sha: str) -> None:
        """Tell of the trees in it first."""
        if sha in self._trees:
            return
        entries = self._entries(sha)
        for entry in entries:
            if entry["type"] == "tree":
                await self._tree(entry["sha"])
        await self._same(sha, "trees", {"tree": entries})
        self._trees.add(sha)

    def _entries(self, tree: str) -> list[dict[str, str]]:
        entries = []
        for line in self._bare.git("ls-tree", "-z", tree).split("\0"):
            if line:
                meta, path = line.split("\t", 1)
                mode, kind, sha = meta.split()
                entries.append({"path": path, "mode": mode, "type": kind, "sha": sha})
        return entries

    def _commit(self, sha: str) -> dict[str, Any]:
        shape = "%T%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI"
        tree, parents, *who = self._bare.git("show", "-s", f"--format={shape}", sha).split("\0")
        message = self._bare.run("cat-file", "commit", sha).stdout.decode().split("\n\n", 1)[1]
        author, committer = (
            dict(zip(("name", "email", "date"), part, strict=True)) for part in (who[:3], who[3:])
        )
        return {
            "message": message,
            "tree": tree,
            "parents": parents.split(),
            "author": author,
            "committer": committer,
        }

    async def _same(self, sha: str, kind: str, document: dict[str, Any]) -> None:
        got = (await self._post(kind, document)).get("sha")
        assert got == sha, f"the copy of {kind} {sha} is called {got}"

    async def _post(self, kind: str, document: dict[str, Any]) -> dict[str, Any]:
        reply = await self._client.post(f"{self._root}/{kind}", json=document)
        assert reply.status_code == 201, f"{kind}: {reply.status_code} {reply.text[:200]}"
        answer: dict[str, Any] = reply.json()
        return answer
