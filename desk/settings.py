"""The one reader of the environment. Every setting is a row of `SETTINGS`; the README's table is made from it."""

from __future__ import annotations

import contextlib
import os
import secrets as random_secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.fernet import Fernet

from desk.errors import SettingMissingError
from desk.secret import Secret


@dataclass(frozen=True, slots=True)
class Setting:
    name: str
    default: str | None
    """None: unset means off, or made on first run where the text says so."""
    text: str


SETTINGS = (
    Setting("DESK_DATA_DIR", "./.desk", "Folder for the embedded database, keys, logs and the local storage."),
    Setting(
        "DESK_DATABASE_URL", None, "Any PostgreSQL 15+, as a role that owns the database; unset: the embedded one."
    ),
    Setting(
        "DESK_DATABASE_APP_URL",
        None,
        "URL of the restricted role the desk works as. Unset: `desk migrate` makes the role `<database>_app`.",
    ),
    Setting("DESK_HOST", "127.0.0.1", "Address the web server listens on."),
    Setting("DESK_PORT", "8000", "Port the web server listens on."),
    Setting("DESK_PUBLIC_URL", None, "Address people reach the desk at; unset: `http://DESK_HOST:DESK_PORT`."),
    Setting("DESK_ALLOWED_HOSTS", None, "Further host names the desk answers to, comma separated."),
    Setting(
        "DESK_TRUSTED_PROXIES",
        "",
        "Addresses or networks of proxies whose X-Forwarded-For is believed, comma separated; for limits per address.",
    ),
    Setting("DESK_SECRET_KEY", None, "Signs tokens and forms; made in the data folder on first run when unset."),
    Setting(
        "DESK_ENCRYPTION_KEYS",
        None,
        "Fernet keys for stored credentials, comma separated, newest first; made on first run when unset.",
    ),
    Setting("DESK_DEMO", "1", "`1`: seed the demo tenant on first run. `0`: start empty."),
    Setting("DESK_SELF_REGISTRATION", "0", "`1`: anybody may open a tenant by `POST /api/v1/auth/register`."),
    Setting("DESK_TOKEN_MINUTES", "30", "Lifetime of an access token."),
    Setting("DESK_UNDO_SECONDS", "10", "How long a reply waits after approval before it is sent and learned from."),
    Setting("DESK_DEBOUNCE_SECONDS", "2", "How long a draft waits for further messages of the same customer."),
    Setting("DESK_LEASE_SECONDS", "30", "After how long without a sign of life a worker's work is taken over."),
    Setting("DESK_POLL_SECONDS", "1.5", "How often a worker looks for work that no wake-up announced."),
    Setting("DESK_WORKER_CONCURRENCY", "4", "Pieces of work one worker does at once."),
    Setting("DESK_WEB_WORKERS", "1", "Web processes."),
    Setting("DESK_MAXIMUM_UPLOAD_MB", "20", "Largest document upload."),
    Setting("DESK_MAXIMUM_ATTACHMENT_MB", "10", "Largest file in a message."),
    Setting("DESK_MAXIMUM_ATTACHMENTS", "10", "Most files in one message."),
    Setting("DESK_STORAGE_BUCKET", None, "S3 bucket for files; unset: the folder `files` in the data folder."),
    Setting(
        "DESK_STORAGE_ENDPOINT",
        None,
        "Address of an S3-compatible service, such as `https://ams3.digitaloceanspaces.com`; unset: Amazon S3.",
    ),
    Setting("DESK_STORAGE_REGION", "us-east-1", "Region of the bucket."),
    Setting("DESK_STORAGE_KEY", None, "Access key id for the bucket."),
    Setting("DESK_STORAGE_SECRET", None, "Its secret access key."),
    Setting("DESK_CRAWL_PAUSE_SECONDS", "1", "Least pause between two requests of one crawler to the same host."),
    Setting(
        "DESK_EGRESS_ALLOWED_HOSTS",
        "",
        "Hosts (`name` or `name:port`) that callbacks, models and crawls may reach although private or without TLS.",
    ),
    *(
        Setting(f"{prefix}{part}", None, f"{whose}{text}")
        for prefix, whose in (
            ("DESK_LLM_", ""),
            ("DESK_LLM_FALLBACK_1_", "First fallback: "),
            ("DESK_LLM_FALLBACK_2_", "Second fallback: "),
        )
        for part, text in (
            ("BASE_URL", "any OpenAI-compatible endpoint for drafts; all unset: the desk drafts without a model."),
            ("API_KEY", "its key."),
            ("MODEL", "its model."),
            ("TIMEOUT_SECONDS", "seconds for one try; 30 when unset."),
            ("PRICE_IN", "US dollars per million tokens read, where the built-in table does not know the model."),
            ("PRICE_OUT", "US dollars per million tokens written, likewise."),
        )
    ),
    Setting("DESK_LLM_SEES_PICTURES", "0", "`1`: these models take pictures; tenants may have them described."),
    Setting("OPENAI_API_KEY", None, "Understood as an OpenAI provider when no DESK_LLM_BASE_URL is set."),
    Setting("GROQ_API_KEY", None, "Likewise for Groq."),
    Setting("OPENROUTER_API_KEY", None, "Likewise for OpenRouter."),
    Setting("DESK_EMBEDDING_BASE_URL", None, "OpenAI-compatible embedding endpoint; unset: the local model."),
    Setting("DESK_EMBEDDING_API_KEY", None, "Its key."),
    Setting("DESK_EMBEDDING_MODEL", None, "Its model."),
    Setting("DESK_EMBEDDING_DIMENSION", None, "Its number of dimensions."),
    Setting(
        "DESK_RERANK",
        "off",
        "A second look at what was found: `off`, `embedding` (the best sentence of a passage), `llm` (the tenant's "
        "model grades) or `endpoint` (a cross-encoder).",
    ),
    Setting("DESK_RERANK_THRESHOLD", "0", "Relevance, 0 to 1, below which reranked hits are dropped; 0 keeps all."),
    Setting("DESK_RERANK_BASE_URL", None, "Address under which `/rerank` answers as Cohere's and Jina's do."),
    Setting("DESK_RERANK_API_KEY", None, "Its key."),
    Setting("DESK_RERANK_MODEL", None, "Its model."),
    Setting(
        "DESK_VECTOR_BACKEND",
        "memory",
        "Where vectors are searched: `memory`, or `pgvector` in the database, where `desk migrate` then makes a table.",
    ),
    Setting("DESK_INDEX_MEMORY_MB", "1500", "Memory for search indexes in each process; those used least are closed."),
    Setting("DESK_LOG_LEVEL", "info", "debug, info, warning or error."),
    Setting("DESK_LOG_FORMAT", "auto", "`json`, `text`, or `auto`: text on a terminal, JSON otherwise."),
)
DEFAULTS = {setting.name: setting.default for setting in SETTINGS}


@dataclass(frozen=True, slots=True)
class BucketSettings:
    """An S3 bucket and how it is reached."""

    name: str
    endpoint: str | None
    """None: Amazon S3."""
    region: str
    key: str
    secret: Secret


@dataclass(frozen=True, slots=True)
class Settings:
    """What this process was told, checked; secrets hide themselves when printed."""

    data_dir: Path
    database_url: Secret | None
    database_app_url: Secret | None
    host: str
    port: int
    public_url: str
    allowed_hosts: tuple[str, ...]
    trusted_proxies: tuple[str, ...]
    secret_key: Secret
    encryption_keys: tuple[Secret, ...]
    demo: bool
    self_registration: bool
    models_see_pictures: bool
    token_minutes: int
    undo_seconds: float
    debounce_seconds: float
    lease_seconds: float
    poll_seconds: float
    worker_concurrency: int
    web_workers: int
    maximum_upload_bytes: int
    maximum_attachment_bytes: int
    maximum_attachments: int
    bucket: BucketSettings | None
    """None: files are kept in the data folder."""
    crawl_pause_seconds: float
    egress_allowed_hosts: tuple[str, ...]
    model_environment: Mapping[str, str]
    """The DESK_LLM_*, DESK_EMBEDDING_*, DESK_RERANK_* and provider keys, for the connectors to read."""
    rerank: str
    """off, embedding, llm or endpoint."""
    rerank_threshold: float
    vector_backend: str
    index_memory_bytes: int
    log_level: str
    log_format: str

    def __repr__(self) -> str:
        return f"Settings(data_dir={str(self.data_dir)!r}, host={self.host!r}, port={self.port})"


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the environment (and a `.env` file beside the command), make missing keys, check everything.

    Raises SettingMissingError naming the setting that has to change.
    """
    values = _Values(_with_env_file(os.environ) if environment is None else environment)
    data_dir = Path(values.text("DESK_DATA_DIR")).expanduser().resolve()
    host, port = values.text("DESK_HOST"), values.whole("DESK_PORT", 1, 65535)
    public_url = values.optional("DESK_PUBLIC_URL") or f"http://{host}:{port}"
    public_host = urlsplit(public_url).hostname
    if urlsplit(public_url).scheme not in {"http", "https"} or public_host is None:
        msg = "DESK_PUBLIC_URL must be a full http or https address"
        raise SettingMissingError(msg)
    database_url, app_url = values.optional("DESK_DATABASE_URL"), values.optional("DESK_DATABASE_APP_URL")
    keys = _split(values.optional("DESK_ENCRYPTION_KEYS") or _kept(data_dir, "encryption.keys", _new_fernet_key))
    return Settings(
        data_dir=data_dir,
        database_url=Secret(database_url) if database_url else None,
        database_app_url=Secret(app_url) if app_url else None,
        host=host,
        port=port,
        public_url=public_url.rstrip("/"),
        allowed_hosts=(public_host, host, "localhost", "127.0.0.1", *_split(values.optional("DESK_ALLOWED_HOSTS"))),
        trusted_proxies=_networks(values.optional("DESK_TRUSTED_PROXIES")),
        secret_key=Secret(values.optional("DESK_SECRET_KEY") or _kept(data_dir, "secret.key", _new_secret)),
        encryption_keys=tuple(Secret(key) for key in keys),
        demo=values.flag("DESK_DEMO"),
        self_registration=values.flag("DESK_SELF_REGISTRATION"),
        models_see_pictures=values.flag("DESK_LLM_SEES_PICTURES"),
        token_minutes=values.whole("DESK_TOKEN_MINUTES", 1, 1440),
        undo_seconds=values.number("DESK_UNDO_SECONDS", 0, 3600),
        debounce_seconds=values.number("DESK_DEBOUNCE_SECONDS", 0, 60),
        lease_seconds=values.number("DESK_LEASE_SECONDS", 1, 3600),
        poll_seconds=values.number("DESK_POLL_SECONDS", 0.05, 60),
        worker_concurrency=values.whole("DESK_WORKER_CONCURRENCY", 1, 64),
        web_workers=values.whole("DESK_WEB_WORKERS", 1, 64),
        maximum_upload_bytes=values.whole("DESK_MAXIMUM_UPLOAD_MB", 1, 1024) * 1024 * 1024,
        maximum_attachment_bytes=values.whole("DESK_MAXIMUM_ATTACHMENT_MB", 1, 1024) * 1024 * 1024,
        maximum_attachments=values.whole("DESK_MAXIMUM_ATTACHMENTS", 1, 100),
        bucket=_bucket(values),
        crawl_pause_seconds=values.number("DESK_CRAWL_PAUSE_SECONDS", 0, 60),
        egress_allowed_hosts=_split(values.optional("DESK_EGRESS_ALLOWED_HOSTS")),
        model_environment=values.model_environment(),
        rerank=values.choice("DESK_RERANK", "off", "embedding", "llm", "endpoint"),
        rerank_threshold=values.number("DESK_RERANK_THRESHOLD", 0, 1),
        vector_backend=values.choice("DESK_VECTOR_BACKEND", "memory", "pgvector"),
        index_memory_bytes=values.whole("DESK_INDEX_MEMORY_MB", 16, 1_000_000) * 1024 * 1024,
        log_level=values.choice("DESK_LOG_LEVEL", "debug", "info", "warning", "error"),
        log_format=values.choice("DESK_LOG_FORMAT", "auto", "json", "text"),
    )


class _Values:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def optional(self, name: str) -> str | None:
        value = self._environment.get(name, "").strip()
        return value or DEFAULTS[name]

    def text(self, name: str) -> str:
        value = self.optional(name)
        if value is None:
            msg = f"{name} is not set"
            raise SettingMissingError(msg)
        return value

    def number(self, name: str, lowest: float, highest: float) -> float:
        try:
            value = float(self.text(name))
        except ValueError:
            value = float("nan")
        if not lowest <= value <= highest:
            msg = f"{name} must be a number from {lowest} to {highest}, not {self.text(name)!r}"
            raise SettingMissingError(msg)
        return value

    def whole(self, name: str, lowest: int, highest: int) -> int:
        value = self.number(name, lowest, highest)
        if value != int(value):
            msg = f"{name} must be a whole number, not {self.text(name)!r}"
            raise SettingMissingError(msg)
        return int(value)

    def flag(self, name: str) -> bool:
        return self.choice(name, "0", "1") == "1"

    def choice(self, name: str, *choices: str) -> str:
        value = self.text(name).lower()
        if value not in choices:
            msg = f"{name} must be one of {', '.join(choices)}, not {value!r}"
            raise SettingMissingError(msg)
        return value

    def model_environment(self) -> dict[str, str]:
        own = ("DESK_LLM_", "DESK_EMBEDDING_", "DESK_RERANK_")
        names = [name for name in DEFAULTS if name.startswith(own) or "DESK" not in name]
        return {name: value for name in names if (value := self.optional(name)) is not None}


def _bucket(values: _Values) -> BucketSettings | None:
    """Raises SettingMissingError for half of a bucket's settings."""
    name = values.optional("DESK_STORAGE_BUCKET")
    if name is None:
        return None
    endpoint = values.optional("DESK_STORAGE_ENDPOINT")
    if endpoint is not None and urlsplit(endpoint).scheme not in {"http", "https"}:
        msg = "DESK_STORAGE_ENDPOINT must be a full http or https address"
        raise SettingMissingError(msg)
    return BucketSettings(
        name=name,
        endpoint=endpoint.rstrip("/") if endpoint else None,
        region=values.text("DESK_STORAGE_REGION"),
        key=values.text("DESK_STORAGE_KEY"),
        secret=Secret(values.text("DESK_STORAGE_SECRET")),
    )


def _split(value: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (value or "").split(",") if part.strip())


def _networks(value: str | None) -> tuple[str, ...]:
    networks = _split(value)
    for network in networks:
        try:
            ip_network(network, strict=False)
        except ValueError as error:
            msg = f"DESK_TRUSTED_PROXIES must be addresses or networks such as 10.0.0.0/8, not {network!r}"
            raise SettingMissingError(msg) from error
    return networks


def _new_secret() -> str:
    return random_secrets.token_urlsafe(48)


def _new_fernet_key() -> str:
    return Fernet.generate_key().decode()


def _kept(data_dir: Path, name: str, make: Callable[[], str]) -> str:
    """The secret in `data_dir/name`, made on first use; two processes that start at once agree on one."""
    path = data_dir / name
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        fresh = path.with_name(f"{name}.{os.getpid()}")
        fresh.touch(mode=0o600)
        fresh.write_text(make(), encoding="utf-8")
        with contextlib.suppress(FileExistsError):
            os.link(fresh, path)
        fresh.unlink()
    return path.read_text(encoding="utf-8").strip()


def _with_env_file(environment: Mapping[str, str]) -> dict[str, str]:
    """The `.env` of the working directory under the real environment, which wins."""
    path = Path(".env")
    from_file: dict[str, str] = {}
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            name, separator, value = line.strip().partition("=")
            if separator and not name.startswith("#"):
                from_file[name.strip()] = value.strip().strip("'\"")
    return {**from_file, **environment}
