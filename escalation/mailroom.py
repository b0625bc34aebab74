"""The mail room: how what stands in the outbox leaves, by mail and by every other way that is configured."""

import asyncio
import os
import socket
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import date, datetime, time, timedelta

from sqlmodel import Session

from escalation.config import Settings
from escalation.database import Store
from escalation.elsewhere import Elsewhere
from escalation.errors import BadConfig
from escalation.links import Links
from escalation.notices import templates_broken
from escalation.summaries import Times
from escalation.summaries.reminders import until_the_daily
from escalation.summaries.rendering import SummaryRenderer
from escalation.world import WorldReader
from notifications import outbox
from notifications.aside import in_a_thread
from notifications.bookkeeping import DispatchCounts, sum_of
from notifications.channels import FolderChannel
from notifications.dispatch import DispatchSettings, by_itself, dispatch_once, nothing
from notifications.lanes import Lane
from notifications.message import Channel
from notifications.rendering import Renderer
from notifications.smtp import SmtpChannel, SmtpSettings
from workflows.calendar import WorkCalendar


class Mailroom:
    """The ways out of one installation."""

    def __init__(
        self, settings: Settings, store: Store, worlds: WorldReader, elsewhere: Elsewhere, links: Links, times: Times
    ) -> None:
        self.settings = settings
        self.store = store
        self.worlds = worlds
        self.elsewhere = elsewhere
        self.links = links
        #: When summaries are made: reminders wait for the daily.
        self.times = times

    async def dispatch(self, now: datetime, *, limit: int = 500) -> DispatchCounts:
        """Sends the mails in the outbox; of templates that could not be used the administrator is told."""
        settings = await in_a_thread(lambda: self.dispatching(now))
        return await self._dispatch(self.channel(), settings, now, limit)

    async def dispatch_elsewhere(self, now: datetime, *, limit: int = 500) -> DispatchCounts:
        """Sends what goes by other channels and to systems that follow by webhooks, each by itself.

        One that is in trouble holds up no other, and no mail.
        """
        due = await in_a_thread(lambda: self._due_elsewhere(now)) if self.elsewhere.names else set()
        ways = [self._post(name, now, limit) for name in self.elsewhere.names if name in due]
        if self.settings.webhooks.to:
            ways.append(self._tell_followers(now))
        return sum_of(await asyncio.gather(*ways))

    async def _post(self, name: str, now: datetime, limit: int) -> DispatchCounts:
        try:
            channel = self.elsewhere.channel(name)
        except BadConfig as trouble:
            return DispatchCounts(stopped=f"{trouble.message}; {trouble.hint}")
        per_minute = self.settings.channels[name].per_minute
        usual = await in_a_thread(lambda: self.dispatching(now))
        settings = replace(usual, lane=Lane(name), per_minute=per_minute, actions=nothing, waits_for=by_itself)
        return await self._dispatch(channel, settings, now, limit)

    async def _dispatch(self, channel: Channel, settings: DispatchSettings, now: datetime, limit: int) -> DispatchCounts:
        done = await dispatch_once(self.session, channel, self.renderer(), settings, now, limit)
        if done.problems:
            await in_a_thread(lambda: self._tell_of_templates(done.problems, now))
        return done

    def _due_elsewhere(self, now: datetime) -> set[str]:
        with self.store.reading() as session:
            return outbox.due_channels(session, now)

    def _tell_of_templates(self, problems: Sequence[str], now: datetime) -> None:
        with self.store.reading() as session:
            drafts = list(templates_broken(self.worlds.read(session), problems, now))
        with self.store.transaction() as session:
            outbox.enqueue(session, drafts, now, self.settings.smtp.domain)

    async def _tell_followers(self, now: datetime) -> DispatchCounts:
        from escalation.outside import deliverer  # noqa: PLC0415  # slow to load, and few have webhooks

        try:
            followers = deliverer(self.settings, self.node)
        except BadConfig as trouble:
            return DispatchCounts(stopped=f"{trouble.message}; {trouble.hint}")
        told = await followers.deliver_once(self.session, now)
        return DispatchCounts(sent=told.sent, retry=told.retry, dead=told.dead, held=told.held, late=told.late)

    @property
    def lanes(self) -> tuple[str, ...]:
        """The ways out beside mail that are open."""
        return (*self.elsewhere.names, *([outbox.WEBHOOK] if self.settings.webhooks.to else []))

    @property
    def node(self) -> str:
        """What this process is called in what it claims."""
        return f"{socket.gethostname()}:{os.getpid()}"

    def session(self) -> AbstractContextManager[Session]:
        """A writing transaction, for the dispatcher."""
        return self.store.transaction()

    def renderer(self) -> Renderer:
        """The templates, with the office's own on top."""
        return SummaryRenderer(self.settings.templates, replies=self.settings.inbox.is_on)

    def channel(self) -> Channel:
        """SMTP where a host is set, a folder of .eml files where not."""
        smtp = self.settings.smtp
        if not smtp.host:
            return FolderChannel(self.settings.path(smtp.folder))
        return SmtpChannel(self.smtp_settings())

    def smtp_settings(self) -> SmtpSettings:
        """The mail server of the configuration. Raises BadConfig when its password file cannot be read."""
        smtp = self.settings.smtp
        return SmtpSettings(
            host=smtp.host,
            port=smtp.port,
            security=smtp.security,
            username=smtp.username,
            password=self.settings.smtp_password,
            ca_file=str(self.settings.path(smtp.ca_file)) if smtp.ca_file else "",
            connections=smtp.connections,
            messages_per_connection=smtp.messages_per_connection,
            total_timeout=smtp.total_seconds,
        )

    def dispatching(self, now: datetime) -> DispatchSettings:
        """Who sends, when and how much mail may go out, and what its readers can do by a link."""
        smtp, mail = self.settings.smtp, self.settings.mail
        calendar = self._calendar()
        return DispatchSettings(
            node=self.node,
            sender=smtp.sender,
            sender_name=smtp.sender_name,
            domain=smtp.domain,
            reply_to=smtp.reply_to,
            may_send=self.may_send,
            waits_for=until_the_daily(calendar, self.times) if mail.reminders_daily else by_itself,
            at_once=2 * smtp.connections,
            merge_over=mail.merge_over,
            per_minute=mail.per_minute,
            per_hour=mail.per_hour,
            lane=Lane(others=self.lanes),
            actions=self.links.signer(now).actions if mail.base_url and self.settings.links.days else nothing,
        )

    def may_send(self, now: datetime, urgent: bool) -> datetime | None:
        """None when mail may go out now; otherwise the moment from which it may (quiet hours, days off)."""
        mail = self.settings.mail
        if urgent or not mail.quiet_hours:
            return None
        calendar = self._calendar()
        return next_office_moment(calendar, now, time.fromisoformat(mail.from_), time.fromisoformat(mail.until))

    def _calendar(self) -> WorkCalendar:
        with self.store.reading() as session:
            return self.worlds.read(session).calendar


def next_office_moment(calendar: WorkCalendar, now: datetime, opens: time, closes: time) -> datetime | None:
    """None within the mail hours of a working day; else the next moment inside them."""
    local = calendar.local(now)
    if calendar.is_working_day(local.date()):
        if opens <= local.timetz().replace(tzinfo=None) < closes:
            return None
        if local.time() < opens:
            return _at(calendar, local.date(), opens)
    return _at(calendar, calendar.add_working_days(local.date(), 1), opens)


def _at(calendar: WorkCalendar, day: date, moment: time) -> datetime:
    midnight = calendar.opening(day) - timedelta(hours=calendar.opens.hour, minutes=calendar.opens.minute)
    return midnight + timedelta(hours=moment.hour, minutes=moment.minute)
