"""The channels beside mail that the configuration names: what goes there too, and the way out to each."""

from collections.abc import Sequence

from escalation.audience import Also, also
from escalation.config import Settings
from escalation.errors import BadConfig
from notifications.channels import webhook
from notifications.message import Channel


class Elsewhere:
    """Off unless `[channels.NAME]` stands in config.toml. Raises BadConfig for a policy that means nothing."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.also: tuple[Also, ...] = tuple(
            also(name, each.kinds, each.parties, each.audiences) for name, each in settings.channels.items()
        )
        self._made: dict[str, Channel] = {}

    @property
    def names(self) -> Sequence[str]:
        """The channels, in the order of the configuration."""
        return tuple(self.settings.channels)

    def channel(self, name: str) -> Channel:
        """Made at its first use, and kept: it knows of threads that a server has not let go. Raises BadConfig."""
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def _make(self, name: str) -> Channel:
        settings, chosen = self.settings, self.settings.channels[name]
        url, secret = settings.channel_url(name), settings.channel_secret(name)
        if secret and chosen.kind not in ("dingtalk", "feishu"):
            raise BadConfig(f"channels.{name}.secret: {chosen.kind} signs nothing", "leave it out")
        try:
            return webhook(chosen.kind, url, secret, chosen.seconds)
        except ValueError as error:
            raise BadConfig(
                f"channels.{name}.url: {error}", f"set ESCALATION_CHANNELS__{name.upper()}__URL, or name a file with url_file"
            ) from error
