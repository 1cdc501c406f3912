"""Settings, one frozen class a topic. The environment is read here and nowhere else; only wiring reads these."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.core.budget import Price
from services.core.errors import InvalidInput
from services.core.task import PromptStyle

_WEIGHTS = "thought-model.gguf"
_PACKAGE = Path(__file__).parent


def default_weights() -> Path:
    """Return where the shipped weights lie: in the installed package, or in the checkout's `models/`."""
    installed = _PACKAGE / "weights" / _WEIGHTS
    return installed if installed.exists() else _PACKAGE.parent / "models" / _WEIGHTS


class _Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="KOT_", frozen=True, populate_by_name=True, extra="ignore")


SettingsT = TypeVar("SettingsT", bound=_Settings)


def read_settings(kind: type[SettingsT]) -> SettingsT:
    """Read settings from the environment; `InvalidInput` names the first variable that is wrong."""
    try:
        return kind()
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        variable = name if name.isupper() else f"KOT_{name.upper()}"
        raise InvalidInput(
            f"environment variable {variable}: {first['msg']}, not {first['input']!r}", field=variable
        ) from error


class ServerSettings(_Settings):
    """How a server serves."""

    host: str = "0.0.0.0"  # noqa: S104 - inside a container
    """The interface to listen on."""
    port: PositiveInt = Field(8080, validation_alias="PORT", le=65_535)
    """The port to listen on; Knative sets `PORT`."""
    drain_seconds: PositiveFloat = 60.0
    """After SIGTERM, how long calls in flight have to end."""
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$")
    """The least level that is logged."""
    pod: str = Field("local", validation_alias="HOSTNAME")
    """This pod's name, in every log line."""
    revision: str = Field("local", validation_alias="K_REVISION")
    """This pod's revision, in every log line; Knative sets `K_REVISION`."""


class OpenAIEndpoint(StrEnum):
    """How a server of OpenAI's protocol is asked."""

    CHAT = "chat"
    """`/chat/completions`: the prompt is what a user says."""
    COMPLETIONS = "completions"
    """`/completions`: the model continues the prompt."""


class ModelSettings(_Settings):
    """The language model of a generator, an evaluator or a validator."""

    models: dict[str, dict[str, Any]] = {}
    """Further models by name, as JSON; each names what it has other than the default model.

    `{"small": {"model_path": "/models/small.gguf"}, "large": {"model": "openai_compatible", "openai_model": "L"}}`
    """
    model: str = "embedded"
    """The backend: a module of `services.adapters.llm`, or an entry point."""
    model_path: Path = Field(default_factory=default_weights)
    """The embedded backend's weights, a GGUF file."""
    model_parallel: PositiveInt = Field(32, le=256)
    """Samples that the embedded backend decodes at the same time."""
    model_context: PositiveInt = 1024
    """Positions for one sample of the embedded backend, prompt included; at most what the weights allow."""
    model_threads: NonNegativeInt = 0
    """Threads of the embedded backend; 0 is one less than there are cores, at least one."""
    model_target: str = "localhost:8081"
    """Where the remote backend's generator listens."""
    model_timeout: PositiveFloat = 55.0
    """Seconds that one call of the remote or the openai_compatible backend may take, its retries included."""
    pack_requests: PositiveInt = Field(1, le=64)
    """Requests that are sent to the model in one prompt, which has once what they share; 1 is no packing."""
    pack_linger: PositiveFloat = 0.02
    """Seconds that a request waits for others to be packed with."""
    openai_base_url: str = "http://localhost:8000/v1"
    """The openai_compatible backend's server, up to `/chat/completions` or `/completions`."""
    openai_model: str = ""
    """The model's name on that server."""
    openai_endpoint: OpenAIEndpoint = OpenAIEndpoint.CHAT
    """How that server is asked."""
    openai_api_key: SecretStr = SecretStr("")
    """The key for that server, if it wants one."""
    openai_api_key_file: Path | None = None
    """A file that has the key; goes before `openai_api_key`."""
    openai_samples_per_request: NonNegativeInt = 0
    """Samples that one request to that server may ask for; 0 is all. Some servers know only 1."""
    openai_requests_per_minute: NonNegativeInt = 0
    """Requests that may be sent to that server in a minute, by all processes that share a Redis; 0 is no limit."""
    openai_tokens_per_minute: NonNegativeInt = 0
    """Tokens that they may cost, prompts included; 0 is no limit."""
    vllm_model: str = ""
    """The vllm backend's model: a folder with weights in Hugging Face's format, or a name on its hub."""
    vllm_context: NonNegativeInt = 0
    """Positions for one sample of the vllm backend, prompt included; 0 is what the weights allow."""
    vllm_memory: PositiveFloat = Field(0.9, le=1)
    """The share of the GPU's memory that the vllm backend takes."""
    vllm_dtype: str = "auto"
    """The type of its numbers, such as `bfloat16`; `auto` is that of the weights."""
    vllm_parallel: PositiveInt = 256
    """Samples that it decodes at the same time."""
    vllm_short_first: bool = False
    """Whether requests for few tokens, such as judgements, go before longer ones that wait, whoever came first."""
    vllm_metrics_port: NonNegativeInt = Field(0, le=65_535)
    """Where it shows its metrics to Prometheus, over HTTP; 0 is nowhere."""


class TelemetrySettings(_Settings):
    """What the system tells of itself, and to whom."""

    traces_endpoint: str = ""
    """An OTLP receiver of traces, over gRPC, such as `http://localhost:4317`; empty for no traces."""
    trace_share: float = Field(1.0, ge=0, le=1)
    """Of the solves that begin here, the share that is traced; what a client traces is traced always."""
    trace_spans: PositiveInt = 5000
    """Thoughts of one solve that have spans of their own; of further ones each depth has one."""
    trace_content: bool = False
    """Whether problems, thoughts, prompts and completions are in the traces."""
    metrics_port: NonNegativeInt = Field(0, le=65_535)
    """Where a server shows its metrics to Prometheus, over HTTP; 0 is nowhere."""
    metrics_endpoint: str = ""
    """An OTLP receiver of metrics, over gRPC, such as `http://localhost:4317`; empty for none."""


class StageSettings(_Settings):
    """How the orchestrator reaches the other services."""

    generator_target: str = "localhost:8081"
    """Where the generator listens: `host:port` or `unix:path`."""
    evaluator_target: str = "localhost:8082"
    """Where the evaluator listens."""
    validator_target: str = "localhost:8083"
    """Where the validator listens."""
    stage_timeout: PositiveFloat = 55.0
    """Seconds that one call to a serving stage may take."""
    stage_attempts: PositiveInt = 3
    """How often a call is tried, the first time included, if a stage cannot be reached."""
    stage_calls: PositiveInt = Field(256, le=500)
    """Calls of one orchestrator to one stage at a time; more wait, first come first served."""
    cold_start_timeout: PositiveFloat = 20.0
    """Seconds that a stage may take to wake up."""


class WebSettings(_Settings):
    """What the web page shows."""

    orchestrator_target: str = "localhost:50051"
    """Where the orchestrator listens: `host:port` or `unix:path`."""
    trace_url: str = Field("", pattern=r"^(https?://[^\s{}]+\{trace\}[^\s{}]*)?$")
    """Where the page's links to traces lead, such as `http://localhost:16686/trace/{trace}`; empty for no links."""


class RedisSettings(_Settings):
    """The Redis that pods share."""

    redis_url: str = ""
    """Where it is: `redis://HOST:6379/0`, `rediss://` with TLS, or `unix:///PATH`; empty is none."""
    redis_password: SecretStr = SecretStr("")
    """Its password, if it wants one."""
    redis_password_file: Path | None = None
    """A file that has the password; goes before `redis_password`."""
    redis_timeout: PositiveFloat = 1.0
    """Seconds that a connection to it, or an answer of it, may take."""


class Neo4jSettings(_Settings):
    """The Neo4j of the neo4j tree store; the variables are those that Neo4j's own tools read."""

    uri: str = Field("", validation_alias="NEO4J_URI")
    """Where it is: `neo4j://HOST:7687`, `bolt://HOST:7687`, or `neo4j+s://` and `bolt+s://` with TLS."""
    username: str = Field("neo4j", validation_alias="NEO4J_USERNAME")
    """Who we are there."""
    password: SecretStr = Field(SecretStr(""), validation_alias="NEO4J_PASSWORD")
    """The password; without one we show none."""
    password_file: Path | None = Field(None, validation_alias="NEO4J_PASSWORD_FILE")
    """A file that has the password; goes before `password`."""
    database: str = Field("neo4j", validation_alias="NEO4J_DATABASE")
    """The database there."""
    timeout: PositiveFloat = Field(10.0, validation_alias="NEO4J_TIMEOUT")
    """Seconds that a read or a write may take, with connecting and waiting."""


class OrchestratorSettings(_Settings):
    """What the orchestrator takes on."""

    prompt_style: PromptStyle = PromptStyle.BARE
    """How prompts are written, where a solve does not say."""
    max_solves: PositiveInt = 256
    """Solves at a time; more are refused."""
    release: str = Field("", pattern="^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$")
    """The tag of the workers' routes under which solves that begin here call them; empty calls whoever answers."""
    prices: dict[str, Price] = {}
    """What models charge, in dollars a million tokens, as JSON: `{"NAME": {"prompt": 2.5, "completion": 10}}`.

    Names are those of `KOT_MODELS`; `""` is the workers' default model.
    """
    propose_model: str = ""
    """The generator's model where a solve does not say: a name in its `KOT_MODELS`; empty is its default one."""
    value_model: str = ""
    """The evaluator's model where a solve does not say: a name in its `KOT_MODELS`; empty is its default one."""
    validate_model: str = ""
    """The validator's model where a solve does not say: a name in its `KOT_MODELS`; empty is its default one."""

    def price(self, model: str) -> Price:
        """Return what a model charges; nothing if its price is not known."""
        return self.prices.get(model, Price())


class CacheSettings(_Settings):
    """Where answers of models are kept, so that the same question is asked once."""

    cache: str = "memory"
    """A module of `services.adapters.cache`: `memory`, in this process, or `redis`, for all pods; `none` is nowhere."""
    cache_bytes: PositiveInt = 64 * 2**20
    """Bytes that the memory cache may have; what was not read for longest goes first."""
    cache_value_bytes: PositiveInt = 2**20
    """Bytes that one answer may have to be kept."""
    cache_seconds: PositiveFloat = 86_400.0
    """Seconds that an answer is kept."""
    cache_claim_seconds: PositiveFloat = Field(5.0, ge=0.1)
    """Without news from the process that asks a model, another that waits for its answer asks after so long."""


def default_state() -> Path:
    """Return where the embedded stores keep their file: the user's folder for data (XDG base directories)."""
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home) / "kube-of-thoughts" / "kot.db"


class StateSettings(_Settings):
    """What outlives a process, and where. Each store is a module of its package in `services.adapters`."""

    log: str = "sqlite"
    """The log of solves: `sqlite`, `redis`, or `memory`, which keeps nothing."""
    bus: str = "memory"
    """What carries live events to watchers: `memory`, in this process, or `redis`, between pods."""
    tree: str = "sqlite"
    """Where trees are kept to be explored: `sqlite`, `neo4j` or `none`."""
    state_path: Path = Field(default_factory=default_state)
    """The file of the sqlite stores."""
    lease_seconds: PositiveFloat = 10.0
    """Without news from the process that runs a solve, another takes it over after so long."""
    detach_grace: NonNegativeFloat = 10.0
    """Seconds that a solve runs on when nobody watches it; then it is parked, if its log outlives the process."""
    log_patience: PositiveFloat = 30.0
    """Seconds that a solve waits for a log that is away, before it ends."""
    log_retention: PositiveFloat = 604_800.0
    """Seconds that the redis log keeps a solve after its end; the sqlite log keeps it until its file is removed."""
