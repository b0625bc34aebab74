"""config.toml and the environment become Settings: the only reader of either."""

import os
import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from escalation.errors import BadConfig
from escalation.filekinds import KINDS, Limits

PREFIX = "ESCALATION_"


class Section(BaseModel):
    """A table of config.toml; a key it does not know is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DatabaseSettings(Section):
    """Where the record is kept."""

    url: str = "sqlite:///escalation.db"
    busy_seconds: float = Field(default=30, gt=0)


class CalendarSettings(Section):
    """Office hours and their zone."""

    zone: str = "Asia/Shanghai"
    opens: str = Field(default="08:30", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    closes: str = Field(default="17:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")

    @field_validator("zone")
    @classmethod
    def _known(cls, zone: str) -> str:
        if zone not in available_timezones():
            raise ValueError(f"unknown time zone {zone!r}; a name such as Asia/Shanghai is right")
        return zone


class SmtpConfig(Section):
    """The mail server; without a host, mails are written to a folder."""

    host: str = ""
    port: int = Field(default=25, ge=1, le=65535)
    security: Literal["none", "starttls", "tls"] = "starttls"
    username: str = ""
    password: str = Field(default="", repr=False)
    password_file: str = ""
    ca_file: str = ""
    sender: str = "escalation@localhost"
    sender_name: str = "问题提级办理系统"
    reply_to: str = ""
    domain: str = "escalation.localhost"
    folder: str = "mail"
    connections: int = Field(default=4, ge=1, le=64)
    messages_per_connection: int = Field(default=100, ge=1)
    total_seconds: float = Field(default=900, gt=0)


class MailSettings(Section):
    """When mail may go out: working days between these hours, unless the issue is urgent."""

    quiet_hours: bool = True
    from_: str = Field(default="08:00", alias="from", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    until: str = Field(default="18:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    merge_over: int = Field(default=5, ge=1)
    reminders_daily: bool = True
    per_minute: int = Field(default=0, ge=0)
    per_hour: int = Field(default=20, ge=0)
    templates: str = ""
    base_url: str = ""


class ChannelSettings(Section):
    """A channel beside mail: a robot of a group chat, or any webhook, and which notices go there too."""

    kind: Literal["wecom", "dingtalk", "feishu", "webhook"]
    #: The address that the service gives out, with its key in it: from the environment or a file.
    url: str = Field(default="", repr=False)
    url_file: str = ""
    #: What messages are signed with, where the service asks for it (DingTalk).
    secret: str = Field(default="", repr=False)
    secret_file: str = ""
    kinds: list[str] = Field(default_factory=list)
    parties: list[str] = Field(default_factory=list)
    audiences: list[str] = Field(default_factory=list)
    per_minute: int = Field(default=20, ge=0)
    seconds: float = Field(default=10, gt=0, le=60)


class LinkSettings(Section):
    """Links in mails by which their reader acts: how long they are good, and whether they ask for a login."""

    days: int = Field(default=14, ge=0, le=90)
    without_login: bool = True


class InboxSettings(Section):
    """Where replies and returned mail come in: a folder of .eml files, or a mailbox (IMAP); with neither, nothing is read."""

    folder: str = ""
    host: str = ""
    port: int = Field(default=993, ge=1, le=65535)
    security: Literal["none", "starttls", "tls"] = "tls"
    username: str = ""
    password: str = Field(default="", repr=False)
    password_file: str = ""
    ca_file: str = ""
    mailbox: str = "INBOX"
    done: str = ""
    rejected: str = ""
    megabytes: int = Field(default=20, ge=1, le=100)
    authserv: str = ""

    @property
    def is_on(self) -> bool:
        """Is there anything to read?"""
        return bool(self.folder or self.host)


class FileSettings(Section):
    """What files may be brought to an issue, by page, program, command line and mail."""

    megabytes: int = Field(default=20, ge=1, le=200)
    together_megabytes: int = Field(default=50, ge=1, le=500)
    at_once: int = Field(default=10, ge=1, le=20)
    kinds: list[str] = sorted(Limits().kinds)

    @field_validator("kinds")
    @classmethod
    def _known(cls, kinds: list[str]) -> list[str]:
        if unknown := sorted(set(kinds) - KINDS.keys()):
            raise ValueError(f"cannot be told by what is in them: {', '.join(unknown)}; known: {' '.join(sorted(KINDS))}")
        return kinds

    @property
    def limits(self) -> Limits:
        """As a value."""
        return Limits(self.megabytes, self.together_megabytes, self.at_once, frozenset(self.kinds))


class WorkflowSettings(Section):
    """The definition for new issues; empty is the built-in one."""

    file: str = ""


class SummarySettings(Section):
    """At what time summaries are made: daily on working days, the others on the first working day of week and month."""

    daily: str = Field(default="08:30", pattern=r"^(([01]\d|2[0-3]):[0-5]\d)?$")
    weekly: str = Field(default="09:00", pattern=r"^(([01]\d|2[0-3]):[0-5]\d)?$")
    monthly: str = Field(default="09:00", pattern=r"^(([01]\d|2[0-3]):[0-5]\d)?$")
    circular: Literal["", "weekly", "monthly"] = "monthly"


class SchedulerSettings(Section):
    """How often the store is looked at whatever the timer thinks, how far a wall clock may leap while running, and how long
    a node waits for a look to end before it ends itself.
    """

    look_seconds: float = Field(default=60, gt=0, le=60)
    dispatch_seconds: float = Field(default=15, gt=0)
    leap_seconds: float = Field(default=3600, gt=0)
    skew_seconds: float = Field(default=60, ge=0)
    patience_seconds: float = Field(default=180, gt=0)


class HealthSettings(Section):
    """Where a worker answers a supervisor and Prometheus; port 0: nowhere."""

    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65535)


class WebSettings(Section):
    """Where `escalation serve` answers, and how patient it is with those who log in."""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    hosts: str = ""
    proxies: str = ""
    secret_file: str = "web.secret"  # noqa: S105  # the name of a file
    secure_cookies: bool = True
    session_hours: float = Field(default=12, gt=0, le=24)
    idle_minutes: float = Field(default=120, gt=0)
    login_failures: int = Field(default=5, ge=1)
    lock_minutes: float = Field(default=15, gt=0)
    failures_per_address: int = Field(default=30, ge=1)
    requests_per_minute: int = Field(default=600, ge=0)


class WebhookSettings(Section):
    """Other systems that are told of every change: where, under which name, and where such requests may go at all."""

    to: dict[str, str] = Field(default_factory=dict)
    origins: str = ""
    networks: str = ""
    secrets_file: str = ""
    ca_file: str = ""

    @field_validator("to")
    @classmethod
    def _named(cls, to: dict[str, str]) -> dict[str, str]:
        for name in to:
            if not re.fullmatch(r"[a-z][a-z0-9_-]{0,40}", name):
                raise ValueError(f"{name!r} is no name; use a-z, 0-9, _ and -, beginning with a letter")
        return to


class OidcSettings(Section):
    """The office's identity provider (OpenID Connect); without an issuer nobody is sent there."""

    issuer: str = ""
    client_id: str = ""
    client_secret: str = Field(default="", repr=False)
    client_secret_file: str = ""
    scope: str = "openid profile"
    claim: str = "preferred_username"
    create: bool = False
    acr: str = ""
    ca_file: str = ""


class LogSettings(Section):
    """How the program writes what it does, on standard error."""

    format: Literal["lines", "json"] = "lines"
    level: Literal["debug", "info", "warning", "error"] = "info"


class ArchiveSettings(Section):
    """When closed issues and sent mails leave the hot tables, in days; 0 keeps them there for ever."""

    closed_days: int = Field(default=730, ge=0)
    mail_days: int = Field(default=365, ge=0)

    @field_validator("closed_days", "mail_days")
    @classmethod
    def _a_quarter(cls, days: int) -> int:
        if 0 < days < 100:
            raise ValueError("100 days or more, or 0 for never: summaries and reopening still need the last quarter")
        return days


class Settings(Section):
    """All of it. Paths are relative to the folder of config.toml."""

    database: DatabaseSettings = DatabaseSettings()
    calendar: CalendarSettings = CalendarSettings()
    smtp: SmtpConfig = SmtpConfig()
    mail: MailSettings = MailSettings()
    links: LinkSettings = LinkSettings()
    inbox: InboxSettings = InboxSettings()
    files: FileSettings = FileSettings()
    workflow: WorkflowSettings = WorkflowSettings()
    summary: SummarySettings = SummarySettings()
    scheduler: SchedulerSettings = SchedulerSettings()
    health: HealthSettings = HealthSettings()
    web: WebSettings = WebSettings()
    webhooks: WebhookSettings = WebhookSettings()
    oidc: OidcSettings = OidcSettings()
    log: LogSettings = LogSettings()
    archive: ArchiveSettings = ArchiveSettings()
    #: event -> ["kind of mail:audience", …]; what is not named stays as it is built in (`notices.AUDIENCE`).
    audience: dict[str, list[str]] = Field(default_factory=dict)
    #: name -> a channel beside mail; none by default.
    channels: dict[str, ChannelSettings] = Field(default_factory=dict)
    language: Literal["zh_CN", "en"] = "zh_CN"
    #: The folder that relative paths start from.
    root: Path = Field(default=Path("."), exclude=True)

    @field_validator("channels")
    @classmethod
    def _named(cls, channels: dict[str, ChannelSettings]) -> dict[str, ChannelSettings]:
        for name in channels:
            if name in ("mail", "webhook") or not re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", name):
                raise ValueError(f"{name!r} is no name for a channel; small letters, digits and single _ are right")
        return channels

    def path(self, text: str) -> Path:
        """A path of the configuration, from the folder of config.toml."""
        return self.root / text

    @property
    def templates(self) -> Path | None:
        """The folder of an office's own templates; None where it has none."""
        return self.path(self.mail.templates) if self.mail.templates else None

    @property
    def database_url(self) -> str:
        """The database's URL with a relative SQLite file taken from the folder of config.toml."""
        url, scheme = self.database.url, "sqlite:///"
        if url.startswith(scheme) and not url.startswith(f"{scheme}/") and url != "sqlite://" and len(url) > len(scheme):
            return scheme + str((self.root / url.removeprefix(scheme)).absolute())
        return url

    @property
    def smtp_password(self) -> str:
        """The password, from the environment or its file. Raises BadConfig if the file cannot be read."""
        return self._secret("smtp.password", self.smtp.password, self.smtp.password_file)

    @property
    def inbox_password(self) -> str:
        """The mailbox's, likewise."""
        return self._secret("inbox.password", self.inbox.password, self.inbox.password_file)

    def channel_url(self, name: str) -> str:
        """The address of a channel, likewise."""
        return self._secret(f"channels.{name}.url", self.channels[name].url, self.channels[name].url_file)

    def channel_secret(self, name: str) -> str:
        """What the messages of a channel are signed with, likewise; empty where they are not."""
        return self._secret(f"channels.{name}.secret", self.channels[name].secret, self.channels[name].secret_file)

    @property
    def webhook_secrets(self) -> dict[str, str]:
        """Each webhook's secret, from lines `name secret` of their file. Raises BadConfig if it cannot be read."""
        if not self.webhooks.secrets_file:
            return {}
        try:
            lines = self.path(self.webhooks.secrets_file).read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise BadConfig(
                f"webhooks.secrets_file: {self.webhooks.secrets_file} cannot be read: {error.strerror}",
                "write a line `name secret` for each webhook, readable by this user alone",
            ) from error
        pairs = (line.split(maxsplit=1) for line in lines if line.strip())
        return {pair[0]: pair[1].strip() for pair in pairs if len(pair) == 2}

    @property
    def oidc_secret(self) -> str:
        """What we show the identity provider, likewise."""
        return self._secret("oidc.client_secret", self.oidc.client_secret, self.oidc.client_secret_file)

    def _secret(self, key: str, given: str, file: str) -> str:
        if not file:
            return given
        try:
            return self.path(file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise BadConfig(
                f"{key}_file: {file} cannot be read: {error.strerror}",
                f"give this user the right to read it, or set {_variable(key)}",
            ) from error


def looked_for(path: Path | None = None, environment: Mapping[str, str] | None = None) -> Path:
    """The file that `read` looks for: the one that is named, else config.toml in the working folder."""
    environment = os.environ if environment is None else environment
    return path or Path(environment.get("ESCALATION_CONFIG", "config.toml"))


def read(path: Path | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of a file (config.toml in the working folder, if there is one) with the environment on top.

    Raises BadConfig naming each wrong key or value, where it stands, and what would be right.
    """
    environment = os.environ if environment is None else environment
    chosen = looked_for(path, environment)
    told = path is not None or "ESCALATION_CONFIG" in environment
    values: dict[str, Any] = {}
    there = _there(chosen)
    if there:
        values = _toml(chosen)
        _refuse_secrets(values, chosen)
    elif told:
        raise BadConfig(f"there is no configuration file {chosen}", "run `escalation init`, or name another with --config")
    origin = {key: str(chosen) for key in _flat(values)}
    for name, value in environment.items():
        if name.startswith(PREFIX) and "__" in name:
            section, _, key = name.removeprefix(PREFIX).lower().partition("__")
            table, place = values.setdefault(section, {}), f"{section}.{key}"
            if section == "channels":
                channel, _, key = key.partition("__")
                table, place = table.setdefault(channel, {}), f"{section}.{channel}.{key}"
            table[key] = value
            origin[place] = name
    try:
        return Settings.model_validate(values | {"root": chosen.parent if there else Path(".")})
    except ValidationError as error:
        raise _explained(error, origin, str(chosen)) from error


def _there(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        hint = "type the command in a folder that this user may use, or name another file"
        raise BadConfig(f"{path} cannot be read: {error.strerror}", hint) from error
    return True


#: What never stands in the file: where it is, and the channels' of every name.
_SECRETS = (("smtp", "password"), ("inbox", "password"), ("oidc", "client_secret"))
_OF_CHANNELS = ("url", "secret")


def _refuse_secrets(values: Mapping[str, Any], file: Path) -> None:
    channels = values.get("channels")
    names = [name for name, table in channels.items() if isinstance(table, dict)] if isinstance(channels, dict) else []
    for *tables, key in (*_SECRETS, *[("channels", name, key) for name in names for key in _OF_CHANNELS]):
        table: Any = values
        for each in tables:
            table = table.get(each, {}) if isinstance(table, dict) else {}
        if isinstance(table, dict) and table.get(key):
            place = ".".join((*tables, key))
            raise BadConfig(
                f"{file}: {place}: a secret does not belong in this file",
                f"set {_variable(place)}, or name a file with {place}_file",
            )


def _variable(place: str) -> str:
    return PREFIX + place.upper().replace(".", "__")


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise BadConfig(f"{path}: {error}", "mend that line; text is quoted, a table is [section]") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfig(f"{path} cannot be read: {error}", "is it a text file in UTF-8 that this user may read?") from error


def _flat(values: Mapping[str, Any]) -> list[str]:
    return [f"{section}.{key}" for section, table in values.items() if isinstance(table, dict) for key in table]


def _explained(error: ValidationError, origin: Mapping[str, str], file: str) -> BadConfig:
    problems = []
    for each in error.errors():
        place = ".".join(str(part) for part in each["loc"])
        where = origin.get(place, file)
        if each["type"] == "extra_forbidden":
            near = get_close_matches(place.rpartition(".")[2], _keys(each["loc"][:-1]), n=1)
            meant = f"; did you mean {near[0]}?" if near else f"; known: {', '.join(_keys(each['loc'][:-1]))}"
            problems.append(f"{where}: unknown key {place}{meant}")
        else:
            # a whole table may hold a secret from the environment
            given = "" if isinstance(each["input"], Mapping) else f" = {each['input']!r}"
            problems.append(f"{where}: {place}{given}: {each['msg'].removeprefix('Value error, ')}")
    return BadConfig("; ".join(problems), "config.toml's comments say what each key takes")


def _keys(path: tuple[int | str, ...]) -> list[str]:
    fields = ChannelSettings.model_fields if path[:1] == ("channels",) else Settings.model_fields
    if path and fields is Settings.model_fields:
        annotation = fields[str(path[0])].annotation if str(path[0]) in fields else None
        fields = annotation.model_fields if isinstance(annotation, type) and issubclass(annotation, BaseModel) else fields
    return [field.alias or name for name, field in fields.items() if name != "root"]
