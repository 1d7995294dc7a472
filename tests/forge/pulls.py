"""Pull requests whose commits are those of the bare repository, and merges that are really done in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tests.forge.bare import Bare, Conflict, Moved
from tests.forge.issues import Issues
from tests.forge.overlay import Asked, Overlay, Problem, Reply, not_found
from tests.forge.site import Json, Protection, Site, Verdict

CLOSES = re.compile(r"(?i)\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):?\s+#(\d+)\b")
GOOD = frozenset({"success", "neutral", "skipped"})


class Pulls:
    """What is asked about pull requests, checks and branches."""

    def __init__(self, overlay: Overlay, issues: Issues) -> None:
        self._overlay = overlay
        self._issues = issues
        overlay.pushed = self.pushed
        overlay.decorates(self._decorate)
        answers = overlay.answers
        answers("POST", "{r}/pulls", self._open)
        answers("GET", "{r}/pulls/{number}", self._one)
        answers("PUT", "{r}/pulls/{number}/merge", self._merge)
        answers("GET", "{r}/pulls/{number}/merge", self._is_merged)
        answers("POST", "{r}/pulls/{number}/comments/{id}/replies", self._reply)
        answers("POST", "{r}/statuses/{sha}", self._state)
        answers("GET", "{r}/commits/{ref*}/statuses", self._statuses)
        answers("GET", "{r}/commits/{ref*}/status", self._combined)
        answers("GET", "{r}/compare/{basehead*}", self._compare)
        answers("GET", "{r}/branches/{branch*}/protection", self._protection)
        answers("GET", "{r}/branches/{branch*}", self._branch)
        answers("GET", "{r}/rules/branches/{branch*}", self._rules)
        answers("GET", "{r}", self._repository)

    async def pull(self, site: Site, number: int) -> Json:
        """One pull request, whole. Raises Problem."""
        found: Json = await self._overlay.fetch(f"/repos/{site.name}/pulls/{number}", site)
        return found

    async def open_pulls(self, site: Site) -> list[Json]:
        """The open ones."""
        found: list[Json] = await self._overlay.fetch(f"/repos/{site.name}/pulls", site, per_page=100)
        return found

    async def _decorate(self, site: Site, body: Json) -> None:
        if not {"head", "base", "merged_at"} <= body.keys():
            return
        kept, bare = site.pull(body["number"]), site.bare
        if body["state"] == "open":
            kept.head_sha = bare.head(body["head"]["ref"]) or kept.head_sha
            kept.base_sha = bare.head(body["base"]["ref"])
        body["head"]["sha"] = kept.head_sha or body["head"]["sha"]
        body["base"]["sha"] = kept.base_sha or body["base"]["sha"]
        body["merge_commit_sha"] = kept.merge_commit
        if kept.merged_by and body.get("merged"):
            body["merged_by"] = await self._overlay.person(kept.merged_by)
        if "mergeable" in body and body["state"] == "open":
            mergeable, state = await self._mergeable(site, body)
            body |= {"mergeable": mergeable, "mergeable_state": state, "rebaseable": mergeable}
            commits = bare.between(body["base"]["sha"], body["head"]["sha"])
            files = bare.git(
                "diff", "--numstat", f"{body['base']['sha']}...{body['head']['sha']}"
            ).splitlines()
            counts = [line.split("\t") for line in files]
            body |= {"commits": len(commits), "changed_files": len(files)}
            body["additions"] = sum(int(count[0]) for count in counts if count[0].isdigit())
            body["deletions"] = sum(int(count[1]) for count in counts if count[1].isdigit())

    async def _mergeable(self, site: Site, pull: Json) -> tuple[bool | None, str]:
        try:
            site.bare.merged_tree(pull["base"]["sha"], pull["head"]["sha"])
        except Conflict:
            return False, "dirty"
        return True, await self._state_of(site, pull)

    async def _state_of(self, site: Site, pull: Json) -> str:
        rule = site.protections.get(pull["base"]["ref"], Protection())
        if pull["draft"]:
            return "draft"
        if await self._lacks(site, pull, rule):
            return "blocked"
        if rule.strict and not site.bare.contains(pull["head"]["sha"], pull["base"]["sha"]):
            return "behind"
        verdicts = await self.verdicts(site, pull["head"]["sha"])
        return "clean" if all(verdict in GOOD for verdict in verdicts.values()) else "unstable"

    async def _lacks(self, site: Site, pull: Json, rule: Protection) -> str | None:
        """Why a rule does not let it be merged."""
        verdicts = await self.verdicts(site, pull["head"]["sha"])
        for name in rule.checks:
            if verdicts.get(name) not in GOOD:
                word = "is expected" if verdicts.get(name) is None else "is failing"
                return f'Required status check "{name}" {word}.'
        latest: dict[str, str] = {}
        for review in await self._overlay.fetch(
            f"/repos/{site.name}/pulls/{pull['number']}/reviews", site, per_page=100
        ):
            if review["state"] in {"APPROVED", "CHANGES_REQUESTED", "DISMISSED"}:
                latest[review["user"]["login"]] = review["state"]
        who = {login: state for login, state in latest.items() if site.may(login, "write")}
        if rule.approvals and "CHANGES_REQUESTED" in who.values():
            return "Changes have been requested."
        if sum(state == "APPROVED" for state in who.values()) < rule.approvals:
            return f"At least {rule.approvals} approving review is required by reviewers with write access."
        return None

    async def verdicts(self, site: Site, sha: str) -> dict[str, str | None]:
        """The newest word of each check on a commit; None while it has not said anything."""
        found: dict[str, str | None] = {}
        for status in site.statuses.get(sha, []):
            found[status["context"]] = None if status["state"] == "pending" else status["state"]
        path = f"/repos/{site.name}/commits/{sha}/check-runs"
        try:
            runs = (await self._overlay.fetch(path, site))["check_runs"]
        except Problem:  # it is being pushed, and the stateful server has not heard of it
            runs = []
        for run in sorted(runs, key=lambda run: run["id"]):
            found[run["name"]] = run["conclusion"]
        return found

    async def check(self, site: Site, sha: str, verdict: Verdict) -> None:
        """Continuous integration says something."""
        body = {
            "name": verdict.name,
            "head_sha": sha,
            "status": "completed" if verdict.conclusion else "in_progress",
            "output": {"title": verdict.name, "summary": verdict.summary, "text": verdict.text},
        } | ({"conclusion": verdict.conclusion} if verdict.conclusion else {})
        sent = await self._overlay.client.post(f"/repos/{site.name}/check-runs", json=body)
        sent.raise_for_status()

    async def pushed(self, site: Site, before: Mapping[str, str]) -> None:
        """Tell the stateful server what a push changed, start the checks, close what is merged by it."""
        after = site.bare.refs()
        await site.mirror.told(dict(before), after)
        site.changed()
        for ref, sha in after.items():
            if before.get(ref) != sha and ref.startswith("refs/heads/") and site.on_push:
                for verdict in site.on_push(ref.removeprefix("refs/heads/"), sha):
                    await self.check(site, sha, verdict)
        if before and before != after:
            for pull in await self.open_pulls(site):
                await self._merged_by_push(site, pull, before, after)

    async def _merged_by_push(
        self, site: Site, pull: Json, before: Mapping[str, str], after: Mapping[str, str]
    ) -> None:
        base = f"refs/heads/{pull['base']['ref']}"
        was, now, head = before.get(base), after.get(base), pull["head"]["sha"]
        if was and now and was != now and site.bare.contains(now, head) and not site.bare.contains(was, head):
            await self._record(site, pull, now, site.owner)

    async def _open(self, asked: Asked) -> Reply:
        site, body = _site(asked), asked.body
        if not site.may(asked.login, "write"):
            raise Problem(403, "Resource not accessible by personal access token")
        head = body["head"].rpartition(":")[2]
        for field, branch in (("head", head), ("base", body["base"])):
            if site.bare.head(branch) is None:
                raise _invalid("PullRequest", field)
        for pull in await self.open_pulls(site):
            if (pull["head"]["ref"], pull["base"]["ref"]) == (head, body["base"]):
                raise _refused(f"A pull request already exists for {asked.body['head']}.")
        if not site.bare.between(f"refs/heads/{body['base']}", f"refs/heads/{head}"):
            raise _refused(f"No commits between {body['base']} and {head}")
        reply = await self._overlay.forward(asked)
        if reply.status == 201:
            reply.body |= {"mergeable": None, "mergeable_state": "unknown", "rebaseable": None}
        return reply

    async def _one(self, asked: Asked) -> Reply:
        site = _site(asked)
        if asked.number() in site.queue and site.queue_runs:
            await self.run_queue(site)
        reply = await self._overlay.forward(asked)
        if reply.status == 200 and reply.body["state"] == "open":
            self._look(site, reply.body)
        return reply

    def _look(self, site: Site, body: Json) -> None:
        """GitHub works out whether a pull request can be merged when somebody first looks."""
        kept, now = site.pull(body["number"]), (body["head"]["sha"], body["base"]["sha"])
        if kept.seen != now:
            kept.seen, kept.looks = now, 0
        kept.looks += 1
        if kept.looks <= site.looks_until_mergeable:
            body |= {"mergeable": None, "mergeable_state": "unknown", "rebaseable": None}

    async def _is_merged(self, asked: Asked) -> Reply:
        if not (await self.pull(_site(asked), asked.number()))["merged"]:
            raise not_found()
        return Reply(204)

    async def _reply(self, asked: Asked) -> Reply:
        there: Json = await self._overlay.fetch(
            f"/repos/{_site(asked).name}/pulls/comments/{asked.groups['id']}"
        )
        body = {name: there[name] for name in ("path", "line", "side", "commit_id")}
        body |= {"body": asked.body["body"], "in_reply_to_id": there["id"]}
        path = f"/repos/{_site(asked).name}/pulls/{asked.number()}/comments"
        reply = await self._overlay.forward(replace(asked, path=path, body=body))
        for name in ("position", "original_position"):
            reply.body[name] = reply.body.get(name) or 1
        links = {"self": "url", "html": "html_url", "pull_request": "pull_request_url"}
        reply.body["_links"] = {name: {"href": reply.body[key]} for name, key in links.items()}
        return reply

    async def _merge(self, asked: Asked) -> Reply:
        site, body = _site(asked), asked.body or {}
        pull = await self.pull(site, asked.number())
        rule = site.protections.get(pull["base"]["ref"], Protection())
        if rule.queue:
            raise Problem(405, "Changes must be made through the merge queue")
        return Reply(200, await self.merge(site, pull, body, asked.login))

    async def merge(self, site: Site, pull: Json, body: Mapping[str, Any], login: str) -> Json:
        """Merge it in the bare repository, and say so everywhere. Raises Problem."""
        if not site.may(login, "write"):
            raise Problem(403, "Resource not accessible by personal access token")
        if pull["merged"] or pull["state"] != "open":
            raise Problem(405, "Pull Request is not mergeable")
        if pull["draft"]:
            raise Problem(405, "Pull Request is still a draft")
        base, head = pull["base"]["sha"], pull["head"]["sha"]
        if body.get("sha") not in {None, head}:
            raise Problem(409, "Head branch was modified. Review and try the merge again.")
        rule = site.protections.get(pull["base"]["ref"], Protection())
        if lacks := await self._lacks(site, pull, rule):
            raise Problem(405, lacks)
        if rule.strict and not site.bare.contains(head, base):
            raise Problem(405, "The head branch is not up to date with the base branch.")
        async with self._overlay.pushing:
            try:
                commit = _merged(site.bare, pull, body, login)
                site.bare.move(pull["base"]["ref"], commit, base)
            except Conflict:
                raise Problem(405, "Pull Request is not mergeable") from None
            except Moved:
                raise Problem(405, "Base branch was modified. Review and try the merge again.") from None
            await self._record(site, pull, commit, login)
        return {"sha": commit, "merged": True, "message": "Pull Request successfully merged"}

    async def _record(self, site: Site, pull: Json, commit: str, login: str) -> None:
        """Let the stateful server call it merged; what it makes of the branch is put right afterwards."""
        kept = site.pull(pull["number"])
        kept.merge_commit, kept.merged_by, kept.head_sha = commit, login, pull["head"]["sha"]
        path = f"/repos/{site.name}/pulls/{pull['number']}/merge"
        sent = await self._overlay.client.put(path, json={})
        assert sent.status_code == 200, f"{path}: {sent.text[:300]}"
        base = pull["base"]["ref"]
        await site.mirror.told({}, {f"refs/heads/{base}": commit})
        site.changed()
        for number in CLOSES.findall(pull["body"] or ""):
            closed = {"state": "closed", "state_reason": "completed"}
            await self._overlay.client.patch(f"/repos/{site.name}/issues/{number}", json=closed)

    async def run_queue(self, site: Site) -> None:
        """Let the merge queue do its work: merge what may be, drop the rest."""
        while site.queue:
            number = site.queue.pop(0)
            pull = await self.pull(site, number)
            try:
                await self.merge(site, pull, {}, site.owner)
            except Problem as problem:
                self._overlay.problems.append(f"the queue drops #{number}: {problem}")

    async def _state(self, asked: Asked) -> Reply:
        site, body = _site(asked), asked.body
        if site.bare.commit_of(asked.groups["sha"]) is None:
            raise _refused(f"No commit found for SHA: {asked.groups['sha']}")
        return Reply(201, await self.status(site, asked.groups["sha"], body, asked.login))

    async def status(self, site: Site, sha: str, body: Mapping[str, Any], login: str) -> Json:
        """A commit status, the newest last."""
        there = site.statuses.setdefault(sha, [])
        now = "2026-01-01T00:00:00Z"
        context = body.get("context", "default")
        made = {
            "url": f"{self._overlay.url}/repos/{site.name}/statuses/{sha}",
            "avatar_url": None,
            "id": 1000 + sum(map(len, site.statuses.values())),
            "node_id": f"SC_{sha[:8]}{len(there)}",
            "state": body["state"],
            "description": body.get("description"),
            "target_url": body.get("target_url"),
            "context": context,
            "created_at": now,
            "updated_at": now,
            "creator": await self._overlay.person(login),
        }
        there.append(made)
        return made

    async def _statuses(self, asked: Asked) -> Reply:
        site = _site(asked)
        sha = _commit(site, asked.groups["ref"])
        return self._issues.page(asked, list(reversed(site.statuses.get(sha, []))))

    async def _combined(self, asked: Asked) -> Reply:
        site = _site(asked)
        sha = _commit(site, asked.groups["ref"])
        newest = {status["context"]: status for status in site.statuses.get(sha, [])}
        states = {status["state"] for status in newest.values()}
        state = (
            "failure" if states & {"failure", "error"} else "pending" if states != {"success"} else "success"
        )
        shown = [{k: v for k, v in status.items() if k != "creator"} for status in newest.values()]
        root = f"{self._overlay.url}/repos/{site.name}"
        repository = await self._overlay.fetch(f"/repos/{site.name}")
        body = {"state": state, "statuses": shown, "sha": sha, "total_count": len(shown)}
        body |= {"repository": repository, "commit_url": f"{root}/commits/{sha}"}
        return Reply(200, body | {"url": f"{root}/commits/{sha}/status"})

    async def _compare(self, asked: Asked) -> Reply:
        site, bare = _site(asked), _site(asked).bare
        left, _, right = asked.groups["basehead"].partition("...")
        base, head = (_commit(site, name.rpartition(":")[2]) for name in (left, right))
        ahead, behind = bare.between(base, head), bare.between(head, base)
        word = {(True, True): "diverged", (True, False): "ahead", (False, True): "behind"}
        fetched = [
            await self._overlay.fetch(f"/repos/{site.name}/commits/{sha}", site)
            for sha in (base, bare.git("merge-base", base, head), *ahead[:250])
        ]
        root = f"{self._overlay.url}/repos/{site.name}/compare/{asked.groups['basehead']}"
        links = {"html_url": root, "permalink_url": root, "diff_url": root, "patch_url": root}
        counts = {"ahead_by": len(ahead), "behind_by": len(behind), "total_commits": len(ahead)}
        body = {"url": root, **links, **counts, "status": word.get((bool(ahead), bool(behind)), "identical")}
        commits = {"base_commit": fetched[0], "merge_base_commit": fetched[1], "commits": fetched[2:]}
        return Reply(200, {**body, **commits, "files": []})

    async def _branch(self, asked: Asked) -> Reply:
        site, reply = _site(asked), await self._overlay.forward(asked)
        if reply.status == 200:
            links = {"html": f"{self._overlay.url}/{site.name}/tree/{asked.groups['branch']}"}
            reply.body["_links"] = {**links, "self": f"{self._overlay.url}{asked.path}"}
            commit = f"/repos/{site.name}/commits/{reply.body['commit']['sha']}"
            reply.body["commit"] = await self._overlay.fetch(commit, site)
        rule = site.protections.get(asked.groups["branch"], Protection())
        if reply.status == 200 and rule.classic:
            checks = {
                "contexts": list(rule.checks),
                "checks": [{"context": c, "app_id": None} for c in rule.checks],
            }
            shown = {"enforcement_level": "everyone", **checks}
            reply.body |= {
                "protected": True,
                "protection": {"enabled": True, "required_status_checks": shown},
            }
        return reply

    async def _protection(self, asked: Asked) -> Reply:
        site = _site(asked)
        rule = site.protections.get(asked.groups["branch"])
        if not site.may(asked.login, "admin"):
            raise not_found()
        if rule is None or not rule.classic:
            raise Problem(404, "Branch not protected")
        url = f"{self._overlay.url}{asked.path}"
        body: Json = {"url": url, "enforce_admins": {"url": f"{url}/enforce_admins", "enabled": True}}
        if rule.checks or rule.strict:
            checks = [{"context": name, "app_id": None} for name in rule.checks]
            body["required_status_checks"] = {
                "url": f"{url}/required_status_checks",
                "strict": rule.strict,
                "contexts": list(rule.checks),
                "contexts_url": f"{url}/required_status_checks/contexts",
                "checks": checks,
            }
        if rule.approvals:
            body["required_pull_request_reviews"] = {
                "url": f"{url}/required_pull_request_reviews",
                "dismiss_stale_reviews": False,
                "require_code_owner_reviews": False,
                "required_approving_review_count": rule.approvals,
            }
        return Reply(200, body)

    async def _rules(self, asked: Asked) -> Reply:
        """The rules that hold for a branch; unlike its protection, whoever may read may read them."""
        site = _site(asked)
        rule = site.protections.get(asked.groups["branch"], Protection())
        rule = Protection() if rule.classic else rule
        where = {"ruleset_source_type": "Repository", "ruleset_source": site.name, "ruleset_id": 1}
        rules: list[Json] = []
        if rule.checks or rule.strict:
            checks = [{"context": name} for name in rule.checks]
            parameters: Json = {"required_status_checks": checks}
            parameters["strict_required_status_checks_policy"] = rule.strict
            rules.append({"type": "required_status_checks", "parameters": parameters, **where})
        if rule.approvals:
            parameters = {
                "dismiss_stale_reviews_on_push": False,
                "require_code_owner_review": False,
                "require_last_push_approval": False,
                "required_approving_review_count": rule.approvals,
                "required_review_thread_resolution": False,
            }
            rules.append({"type": "pull_request", "parameters": parameters, **where})
        if rule.queue:
            parameters = {
                "check_response_timeout_minutes": 60,
                "grouping_strategy": "ALLGREEN",
                "max_entries_to_build": 5,
                "max_entries_to_merge": 5,
                "merge_method": "MERGE",
                "min_entries_to_merge": 1,
                "min_entries_to_merge_wait_minutes": 5,
            }
            rules.append({"type": "merge_queue", "parameters": parameters, **where})
        return self._issues.page(asked, rules)

    async def _repository(self, asked: Asked) -> Reply:
        """A repository as this person sees it, with the address that git uses."""
        site = _site(asked)
        reply = await self._overlay.forward(asked)
        if reply.status == 200:
            rank = ("read", "triage", "write", "maintain", "admin").index(site.role(asked.login))
            names = ("pull", "triage", "push", "maintain", "admin")
            reply.body["permissions"] = {name: rank >= at for at, name in enumerate(names)}
            reply.body |= {"network_count": 0, "subscribers_count": 1}
            reply.body["pushed_at"] = reply.body["pushed_at"] or reply.body["updated_at"]
            reply.body["clone_url"] = f"{self._overlay.url}/{site.name}.git"
        return reply


def _merged(bare: Bare, pull: Json, body: Mapping[str, Any], login: str) -> str:
    """The commit that a merge makes. Raises Conflict."""
    base, head, number = pull["base"]["sha"], pull["head"]["sha"], pull["number"]
    method = body.get("merge_method") or "merge"
    if method == "rebase":
        return bare.rebased(base, head, login)
    tree = bare.merged_tree(base, head)
    squash = f"{pull['title']} (#{number})"
    usual = (
        squash
        if method == "squash"
        else f"Merge pull request #{number} from {pull['head']['label'].replace(':', '/')}"
    )
    said = body.get("commit_message")
    message = "\n\n".join(part for part in (body.get("commit_title") or usual, said) if part)
    return bare.commit_tree(tree, [base] if method == "squash" else [base, head], message, login)


def _site(asked: Asked) -> Site:
    assert asked.site is not None
    return asked.site


def _commit(site: Site, name: str) -> str:
    if (sha := site.bare.commit_of(name)) is None:
        raise Problem(404, f"No commit found for SHA: {name}")
    return sha


def _invalid(resource: str, field: str) -> Problem:
    problem = Problem(422, "Validation Failed")
    problem.reply.body["errors"] = [{"resource": resource, "field": field, "code": "invalid"}]
    return problem


def _refused(message: str) -> Problem:
    problem = Problem(422, "Validation Failed")
    problem.reply.body["errors"] = [{"resource": "PullRequest", "code": "custom", "message": message}]
    return problem
