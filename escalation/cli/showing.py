"""The page that `demo --open` ends on: served on this machine alone until Ctrl-C, opened where there is a display."""

import asyncio
import os
import sys
import webbrowser

from escalation import logs
from escalation.cli.shared import say, show_json, show_table
from escalation.clock import system_clock
from escalation.demo import Story, desk

ROLES = {
    "city_coordinator": "市(地)协调员 city coordinator",
    "responsible_party": "承办单位 responsible organ",
    "project_owner": "项目单位 project owner",
    "department_coordinator": "厅局协调员 department coordinator",
    "province_office": "省专班办公室 province office",
    "sponsor_liaison": "包保省领导联络员 sponsor's liaison",
    "sponsor_leader": "包保省领导 sponsoring leader",
    "inspection_office": "督查室 inspection office",
    "observer": "观察员 observer",
    "administrator": "系统管理员 administrator",
}


def show(story: Story, *, as_json: bool) -> None:
    """Says where the page is and who may log in, and serves it; the clock goes on from where the demo ended."""
    # the web's libraries take a second to load; no other command needs them
    from escalation.web.serving import answer, listening  # noqa: PLC0415

    app = desk.opened(story.folder)
    try:
        logs.configure(app.settings.log.format, "warning")
        since = system_clock()
        people = desk.logins(app, story.ended)
        app.secret()
        taken = listening("127.0.0.1", 0)
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        _tell(story, url, people, as_json=as_json)
        if not as_json and _has_display():
            webbrowser.open(url)
        asyncio.run(answer(app, lambda: story.ended + (system_clock() - since), taken))
    finally:
        app.close()


def _tell(story: Story, url: str, people: list[desk.Login], *, as_json: bool) -> None:
    if as_json:
        show_json(story.as_json() | {"folder": str(story.folder), "url": url, "logins": [each._asdict() for each in people]})
    else:
        rows = [[each.login, each.password, ROLES[each.role], each.party] for each in people]
        columns = ["账号 login", "密码 password", "角色 role", "代表 acts for"]
        show_table("一个角色一个账号 One login a role", columns, rows)
        say(f"网页 page: {url}  (Ctrl-C 结束 ends it)")
    sys.stdout.flush()


def _has_display() -> bool:
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
