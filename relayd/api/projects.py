"""Projects and their state over HTTP, for front ends that ask instead of listening."""

import asyncio

from aiohttp import web

from relayd.api.asking import Authenticate, answer, bad, number
from relayd.api.logs import read_logs
from relayd.api.shapes import agents_of, project_of, status_of
from relayd.core.access import Decision, ProjectFacts
from relayd.core.snapshot import Snapshot, read
from relayd.ports import JournalError, ProjectRow
from relayd.protocol.disconnect import Disconnect
from relayd.protocol.endpoints import PREFIX, PROJECT
from relayd.relay.admission import Admission, Proof
from relayd.relay.refusal import NotFound, Refused
from relayd.relay.subscription import Watched

__all__ = ["ProjectsApi"]

STATUSES = ("initializing", "in_progress", "completed", "failed", "paused")
ACTIVE = {"initializing", "in_progress", "paused"}
DEFAULT_LIMIT, MAX_LIMIT, MAX_SKIP = 50, 500, 1_000_000

LOOKING = 8
"""So many projects of one list are asked for at the same time."""


class ProjectsApi:
    """Answers from the fold in memory, and from the journal for what is not there."""

    def __init__(self, admission: Admission, authenticate: Authenticate) -> None:
        """Answer those whom admission would let watch."""
        self._admission = admission
        self._engine = admission.engine
        self._authenticate = authenticate

    def mount(self, router: web.UrlDispatcher, prefix: str) -> None:
        """Add the paths below a prefix."""
        router.add_get(prefix + PREFIX + "/projects", self.listed)
        router.add_get(prefix + PROJECT, self.shown)
        router.add_get(prefix + PROJECT + "/status", self.status)
        router.add_get(prefix + PROJECT + "/agents", self.agents)
        router.add_get(prefix + PROJECT + "/logs", self.logs)
        router.add_get(prefix + PREFIX + "/health", self.health)
        router.add_get(prefix + PREFIX + "/metrics", self.totals)

    async def listed(self, request: web.Request) -> web.Response:
        """`GET /projects?limit&skip&status`: `{projects, total, limit, skip}`, the latest first."""
        proof = self._authenticate(request)
        limit = number(request, "limit", default=DEFAULT_LIMIT, least=1, most=MAX_LIMIT)
        skip = number(request, "skip", default=0, least=0, most=MAX_SKIP)
        status = request.query.get("status")
        if status is not None and status not in STATUSES:
            raise bad(f"status: use one of {', '.join(STATUSES)}, not {status[:40]!r}")
        rows = [row for row in await self._visible(proof) if status in {None, row.status}]
        rows.sort(key=lambda row: row.updated_at, reverse=True)
        states = [self._state(row) for row in rows[skip : skip + limit]]
        page = [project_of(state, *self._engine.vigil.find(state)) for state in states]
        return answer({"projects": page, "total": len(rows), "limit": limit, "skip": skip})

    async def shown(self, request: web.Request) -> web.Response:
        """`GET /projects/{id}`: the project."""
        project = await self._known(request)
        told = self._engine.spending.shown(project, self._engine.clock)
        spent = {name: told[name] for name in ("usage_by", "spending", "budget") if name in told}
        return answer(project_of(project.state, *self._engine.vigil.find(project.state)) | spent)

    async def status(self, request: web.Request) -> web.Response:
        """`GET /projects/{id}/status`: its status."""
        project = await self._known(request)
        return answer(status_of(project.state) | self._engine.spending.warned(project.state))

    async def agents(self, request: web.Request) -> web.Response:
        """`GET /projects/{id}/agents`: its agents."""
        state = (await self._known(request)).state
        return answer(agents_of(state, self._engine.vigil.judge(state)))

    async def logs(self, request: web.Request) -> web.Response:
        """`GET /projects/{id}/logs?limit&after&before&level&agent&q`: lines of log, the oldest first."""
        await self._known(request)
        return answer(await read_logs(self._admission, request))

    async def health(self, _request: web.Request) -> web.Response:
        """`GET /health`: `{status, message}`, open to everybody; tells strangers no more than that."""
        if self._admission.draining:
            return answer({"status": "draining", "message": "this relay is restarting"}, status=503)
        return answer({"status": "healthy", "message": "relayd serves"})

    async def totals(self, request: web.Request) -> web.Response:
        """`GET /metrics`: totals over the projects that the caller may see; times in seconds."""
        rows = await self._visible(self._authenticate(request))
        times = [
            row.completed_at - row.started_at
            for row in rows
            if row.status == "completed" and row.completed_at is not None and row.started_at is not None
        ]
        return answer({
            "total_projects": len(rows),
            "active_projects": sum(row.status in ACTIVE for row in rows),
            "completed_projects": sum(row.status == "completed" for row in rows),
            "failed_projects": sum(row.status == "failed" for row in rows),
            "avg_completion_time": sum(times) / len(times) if times else None,
        })  # fmt: skip

    async def _known(self, request: web.Request) -> Watched:
        proof = self._authenticate(request)
        project = await self._admission.authorize(proof, request.match_info["project_id"])
        if not project.state.counts:
            sentence = "no event of this project has been seen; check its id or publish `project_started`"
            raise NotFound(sentence)
        return project

    async def _visible(self, proof: Proof) -> list[ProjectRow]:
        rows, visible = iter(await self._rows()), list[ProjectRow]()

        async def look() -> None:
            for row in rows:
                if await self._may_see(proof, row):
                    visible.append(row)

        # Where nobody has to be waited for, the first of them finds all of it.
        await asyncio.gather(*(look() for _ in range(LOOKING)))
        return visible

    async def _may_see(self, proof: Proof, row: ProjectRow) -> bool:
        facts = ProjectFacts(project_id=row.project_id, known=True, owner=row.owner, team=row.team)
        return await self._engine.decide(proof.question(facts)) is Decision.GRANTED

    async def _rows(self) -> list[ProjectRow]:
        """Return a row for every project: as memory knows it, and as the journal kept it where memory does not."""
        try:
            kept = await self._engine.past.list_projects()
        except JournalError as error:
            self._engine.observer.journal_failed(error)
            raise Refused(Disconnect.OVERLOADED, "the relay can't read its journal; try again", "journal") from error
        rows = {row.project_id: row for row in kept}
        held = self._engine.log.projects
        # After a crash there are events of projects whose state was never written down; loading folds it anew.
        for project_id in self._engine.log.shelved - rows.keys() - held.keys():
            await self._admission.open(project_id)
        for project in held.values():
            if project.place is not None:
                state = project.state
                rows[project.id] = ProjectRow(
                    project_id=project.id,
                    place=project.place,
                    snapshot=b"",
                    status=state.status,
                    owner=state.owner,
                    team=state.team,
                    started_at=state.started_at,
                    completed_at=state.completed_at,
                    updated_at=state.updated_at,
                )
        return list(rows.values())

    def _state(self, row: ProjectRow) -> Snapshot:
        project = self._engine.log.projects.get(row.project_id)
        return project.state if project is not None else read(row.snapshot)
