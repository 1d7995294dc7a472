"""The `agents` section: who does the work, and within which limits."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_serializer,
    field_validator,
)

from mawep.config.budget import AgentBudget
from mawep.config.fields import (
    Choice,
    Gigabytes,
    LoginFile,
    Minutes,
    NotYet,
    Section,
    SomePath,
    Text,
    VariableName,
    alternatives,
    refused,
    shell_command,
    surroundings,
)
from mawep.config.permissions import Permissions
from mawep.config.routes import (
    AUTO,
    NEED_COMMAND,
    RUNTIMES,
    LearntRoutes,
    Route,
    RuntimeName,
    checked,
    without_auto,
)


class AttemptLimits(Section):
    """What one attempt may take of the machine."""

    processes: int = Field(
        1000, ge=1, le=1_000_000, description="Processes of one attempt.", examples=["200"]
    )
    memory_gb: Gigabytes = Field(
        32, description="Resident memory of all its processes together, in 10⁹ bytes.", examples=["8"]
    )
    disk_gb: Gigabytes = Field(
        50,
        description="What its worktree and TMPDIR hold, in 10⁹ bytes; for what is committed, holes count.",
        examples=["10"],
    )


class Agents(Section):
    """Who does the work, and within which limits."""

    runtime: RuntimeName = Field(
        "",
        validate_default=True,
        description="How an agent is driven: a CLI by its name, any agent over `acp`, any `command`, or `scripted`.",
        examples=["claude-code"],
    )
    command: tuple[Text, ...] | None = Field(
        None,
        validate_default=True,
        description="The agent's program: a list is run exactly, a text is run by `sh -c`.",
        examples=['["gemini", "--acp"]', "./agent.sh $MAWEP_PROMPT_FILE"],
    )
    script_dir: SomePath | None = Field(
        None,
        validate_default=True,
        description="The folder of the scripts (`101.yaml`) of the `scripted` runtime.",
        examples=["scripts"],
    )
    model: Text | None = Field(
        None,
        description="The model that agents are told to use (`$MAWEP_MODEL`); null: what they use by themselves.",
        examples=["sonnet"],
    )
    env: tuple[VariableName, ...] = Field(
        (), description="Environment variables passed on to agents.", examples=["[ANTHROPIC_API_KEY]"]
    )
    credentials: tuple[LoginFile, ...] = Field(
        (),
        description="Login files below your home that agents get copies of; what they renew in them comes back.",
        examples=["[~/.claude/.credentials.json]"],
    )
    routes: tuple[Route, ...] = Field(
        (),
        description="Another runtime by label, the first that fits: `label`, `runtime`, and, if they differ, "
        "`command`, `env`, `model`. `auto`, alone or as one of them: what no label decides goes to the runtime that "
        "did better on such issues in past runs.",
        examples=["[{label: docs, runtime: acp, command: [gemini, --acp]}]", "auto"],
    )
    update_frequency_minutes: Minutes = Field(
        120,
        description="How often what a forge shows of agents at work is brought up to date, besides when their state "
        "changes.",
        examples=["30"],
    )
    health_check_minutes: Annotated[Minutes, NotYet("another pace than every few seconds is")] = Field(
        5, description="How often the health of agents is announced."
    )
    max_retries: int = Field(0, ge=0, le=100, description="New attempts after a failed one.", examples=["1"])
    repair_rounds: int = Field(
        2, ge=0, le=100, description="How often an agent is told what was wrong and goes on.", examples=["0"]
    )
    on_lost: Annotated[str, Choice(("fail", "reassign"))] = Field(
        "fail", description="What follows when a worker is lost during a run.", examples=["reassign"]
    )
    turn_timeout_minutes: Minutes = Field(60, description="How long one turn may take.", examples=["90"])
    stall_timeout_minutes: Minutes = Field(
        5, description="How long an agent may show no sign of life.", examples=["0.05"]
    )
    progress_timeout_minutes: Minutes = Field(
        15, description="How long an agent may go on without any progress.", examples=["30"]
    )
    loop_limit: int = Field(
        20,
        ge=0,
        le=10_000,
        description="How often an agent may repeat the same tool calls while no file changes; 0: for ever.",
        examples=["50"],
    )
    input_timeout_minutes: Minutes = Field(
        240, description="How long a question may wait for a person.", examples=["30"]
    )
    permissions: Permissions = Field(
        Permissions.model_validate({}), description="Answers to what agents ask leave for."
    )
    sandbox: Annotated[str, Choice(("required", "landlock", "off"))] = Field(
        "required",
        description="The walls around agents, set-up and gate: bubblewrap's, Landlock's weaker ones, or none, so that "
        "they work with your rights. A `scripted` agent has none unless this key is written.",
        examples=["off"],
    )
    network: Annotated[str, Choice(("full", "model-only", "none"))] = Field(
        "full", description="What an agent may reach; less than `full` takes the `required` sandbox."
    )
    gateway: Annotated[str, Choice(("on", "off"))] = Field(
        "off",
        description="A proxy in front of the models: it holds the API keys, and counts what is consumed.",
        examples=["on"],
    )
    prices: SomePath | None = Field(
        None,
        description="A file with prices of models, looked at before those that MAWEP knows.",
        examples=["prices.yaml"],
    )
    budget: AgentBudget = Field(AgentBudget.model_validate({}), description="Limits on what is spent.")
    limits: AttemptLimits = Field(
        AttemptLimits.model_validate({}), description="Limits on what an attempt takes of the machine."
    )

    @field_validator("gateway", mode="after")
    @classmethod
    def _gateway_is_the_way_out(cls, value: str, info: ValidationInfo) -> str:
        if value == "off" and info.data.get("network") == "model-only":
            raise refused("must be `on` with `network: model-only`: it is the only way to the model then")
        return value

    @field_validator("runtime", mode="wrap")
    @classmethod
    def _runtime_is_said(
        cls, value: object, check: ValidatorFunctionWrapHandler, info: ValidationInfo
    ) -> object:
        if value:
            return check(value)
        if "agents" not in surroundings(info).uses:
            return ""
        raise refused(f"is missing; write {alternatives(RUNTIMES)}: how are your agents driven?")

    @field_validator("command", mode="before")
    @classmethod
    def _command_is_said(cls, value: object, info: ValidationInfo) -> object:
        if value:
            return shell_command(value)
        if info.data.get("runtime") not in NEED_COMMAND or "agents" not in surroundings(info).uses:
            return None
        raise refused("is missing; write the program that is the agent, as a list or as one text")

    @field_validator("routes", mode="wrap")
    @classmethod
    def _routes_can_be_taken(
        cls, value: object, check: ValidatorFunctionWrapHandler, info: ValidationInfo
    ) -> tuple[Route, ...]:
        written, learnt = without_auto(value)
        routes = checked(check(written), info)
        return LearntRoutes(routes) if learnt else routes

    @field_serializer("routes", mode="wrap")
    def _routes_as_written(
        self, routes: tuple[Route, ...], write: SerializerFunctionWrapHandler
    ) -> list[Any]:
        return [*write(routes), *([AUTO] if self.learns_routes else [])]

    @property
    def learns_routes(self) -> bool:
        """True when past runs decide where no label does."""
        return isinstance(self.routes, LearntRoutes)

    @field_validator("network", mode="after")
    @classmethod
    def _network_has_walls(cls, network: str, info: ValidationInfo) -> str:
        if network != "full" and info.data.get("sandbox") in {"landlock", "off"}:
            raise refused(
                f"`{network}` takes `sandbox: required`; nothing else keeps an agent off the network"
            )
        return network

    def walls_of(self, runtime: str) -> str:
        """The walls around agents of that runtime: an agent that MAWEP brings along has none unless that is written."""
        unsaid = runtime == "scripted" and "sandbox" not in self.model_fields_set
        return "off" if unsaid else self.sandbox

    @property
    def walls(self) -> str:
        """The walls around set-up and gate: those of the agents whose work they run."""
        kinds = {self.walls_of(one) for one in (self.runtime, *(route.runtime for route in self.routes))}
        return next((kind for kind in ("required", "landlock") if kind in kinds), "off")

    @field_validator("script_dir", mode="before")
    @classmethod
    def _scripts_are_said(cls, value: object, info: ValidationInfo) -> object:
        if value or info.data.get("runtime") != "scripted" or "agents" not in surroundings(info).uses:
            return value
        raise refused("is missing; write the folder that holds a script for every issue")
