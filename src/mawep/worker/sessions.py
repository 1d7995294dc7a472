"""The agents at the desks: each is started with its walls, tools and model, and ended with all of them."""

from __future__ import annotations

from mawep.adapters.process import Supervisor
from mawep.agents.base import AgentFailed
from mawep.agents.recorded import open_recorded
from mawep.coordination import payloads as wire
from mawep.core.model import FailureReason
from mawep.stages.workspace import Workspaces
from mawep.worker.claims import Claims
from mawep.worker.desk import Desk, WorkerSettings, new_session
from mawep.worker.mishaps import logged
from mawep.worker.models import Models
from mawep.worker.reports import Reports
from mawep.worker.tools import Toolbox
from mawep.worker.walls import walled


class Sessions:
    """Opens and closes the sessions of one worker's agents."""

    def __init__(
        self,
        settings: WorkerSettings,
        *,
        workspaces: Workspaces,
        supervisor: Supervisor,
        reports: Reports,
        claims: Claims,
        tools: Toolbox,
        models: Models,
    ) -> None:
        self._settings = settings
        self._workspaces = workspaces
        self._supervisor = supervisor
        self._reports = reports
        self._claims = claims
        self._tools = tools
        self._models = models

    async def open(self, desk: Desk, *, resume: str | None) -> None:
        """Start the desk's agent, behind its walls, with its tools and its model; `resume` names a session to load.

        Raises:
            AgentFailed: it does not start; as `lost` when there is no such session any more.
            MawepError: its walls cannot be built.
        """
        await self._tools.open(desk)
        policy = self._claims.policy(desk.issue.number, desk.work)
        new_session(self._settings, desk, loaded=resume is not None)
        runtime, socket = self._settings.runtime_of(desk), self._models.socket(desk)
        launch = await walled(self._settings, desk, self._workspaces, gateway=socket)
        launch = self._models.connect(desk, launch)
        desk.session = await open_recorded(runtime, launch, self._supervisor, policy, resume=resume)
        desk.session_told = None
        await self.tell(desk)

    async def reopen(self, desk: Desk, session: str | None) -> bool:
        """Go on in an earlier session; False when there is none that can be loaded."""
        try:
            if session is not None:
                await self.open(desk, resume=session)
        except AgentFailed as failure:
            if failure.reason is not FailureReason.LOST:
                raise
            return False
        return session is not None

    async def tell(self, desk: Desk) -> None:
        """Tell the name of the conversation, once it has one."""
        session = desk.session
        if session is None or session.session_id is None or session.session_id == desk.session_told:
            return
        desk.session_told = session.session_id
        await self._reports.tell(
            desk,
            wire.SessionOpened(
                issue=desk.issue.number,
                attempt=desk.work.attempt,
                session_id=session.session_id,
                loadable=session.loadable,
            ),
        )

    async def close(self, desk: Desk) -> None:
        """End the desk's agent, with everything that it was given."""
        if desk.session is not None:
            # Who is stopped in the middle of it leaves the session, for whoever stops it to close again.
            await logged("agent not closed", desk.session.close())
        await logged("tools not closed", self._tools.close(desk))
        self._settings.logins.retrieve(desk.work.worktree)
        self._models.disconnect(desk)
        desk.session, desk.turn = None, None
