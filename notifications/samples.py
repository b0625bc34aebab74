"""What each kind of mail says of one issue of the sample ledger, in both languages: templates are checked and tested with it."""

from collections.abc import Mapping
from typing import Any

from notifications.kinds import LANGUAGES

SAMPLE: Mapping[str, Mapping[str, str]] = {
    "zh_CN": {
        "title": "冷库双回路供电方案未确定",
        "project": "绥芬河对俄跨境冷链物流枢纽项目",
        "city": "牡丹江",
        "category": "用电",
        "stage": "厅局级",
        "responsible": "省电力公司",
        "lead_organ": "省电力公司",
        "coordinator": "省商务厅项目协调员",
        "cooperating": "牡丹江市发改委、绥芬河市政府",
        "description": "冷链负荷4.2兆瓦需双回路，单回线路裕度不足，供电方案已三次变更。",
        "progress": "供电方案第四版待会审。",
        "due": "11月26日17:00",
        "ack_due": "11月18日17:00",
        "report_every": "每3个工作日",
        "next_stage": "省级",
        "next_responsible": "包保省领导",
        "from_stage": "市级",
        "from_responsible": "牡丹江市发改委",
        "reason": "",
        "actor": "省商务厅项目协调员",
        "until": "12月4日17:00",
        "resume_on": "12月1日08:30",
        "recipient_name": "省电力公司承办人",
        "cc": "省专班办公室",
        "now": "11月16日17:00",
    },
    "en": {
        "title": "No second power feed for the cold store",
        "project": "Suifenhe cross-border cold chain hub",
        "city": "Mudanjiang",
        "category": "power",
        "stage": "Department",
        "responsible": "Power company",
        "lead_organ": "Power company",
        "coordinator": "Coordinator, Department of Commerce",
        "cooperating": "Mudanjiang DRC, Suifenhe city government",
        "description": "4.2 MW of cooling need two feeds; one line has too little reserve, and the plan has changed three times.",
        "progress": "The fourth plan waits for review.",
        "due": "26 Nov 2026 17:00",
        "ack_due": "18 Nov 2026 17:00",
        "report_every": "every 3 working days",
        "next_stage": "Province",
        "next_responsible": "Sponsoring leader",
        "from_stage": "City",
        "from_responsible": "Mudanjiang DRC",
        "reason": "",
        "actor": "Coordinator, Department of Commerce",
        "until": "4 Dec 2026 17:00",
        "resume_on": "1 Dec 2026 08:30",
        "recipient_name": "Power company",
        "cc": "Province office",
        "now": "16 Nov 2026 17:00",
    },
}
SAME = {
    "number": "WT26-0007",
    "severity": "major",
    "status": "processing",
    "link": "https://tiji.example.com/issues/WT26-0007",
    "actor_role": "department_coordinator",
    "request_kind": "",
    "decision": "",
    "overdue_days": "",
    "letter_number": "",
    "card": "",
    "recipient_role": "responsible",
    "provisional": "",
    "due_moment": "2026-11-26T09:00:00+00:00",
    "sequence": "4",
}
_COORDINATOR = ("省商务厅项目协调员", "Coordinator, Department of Commerce")
_OWNER = ("牡丹江某国际物流有限公司项目负责人", "Mudanjiang Logistics, project owner")
_OFFICE = ("省专班办公室", "Province office")
_COORDINATES: dict[str, Any] = {"recipient_role": "coordinator", "recipient_name": _COORDINATOR}
_OWNS: dict[str, Any] = {"recipient_role": "reporter", "recipient_name": _OWNER}
#: At the top there is no next stage.
_TOP: dict[str, Any] = {
    "stage": ("省级", "Province"),
    "responsible": ("包保省领导", "Sponsoring leader"),
    "coordinator": _OFFICE,
    "next_stage": "",
    "next_responsible": "",
    "ack_due": "",
}
#: What a kind of mail says that the others do not: a text for both languages, or one for each.
OF_KIND: Mapping[str, Mapping[str, Any]] = {
    "dispatch_notice": {"severity": "urgent"},
    "escalation_notice": {"overdue_days": "0"},
    "escalated_from": {
        "recipient_role": "former",
        "recipient_name": ("牡丹江市发改委", "Mudanjiang DRC"),
        "card": "yellow",
    },
    "intake_notice": _COORDINATES | {"status": "pending_intake", "ack_due": ""},
    "intake_reminder": _COORDINATES | {"status": "pending_intake", "ack_due": ""},
    "due_warning": {"ack_due": ""},
    "report_reminder": {"ack_due": ""},
    "review_request": _COORDINATES
    | {
        "status": "pending_review",
        "ack_due": "",
        "reason": ("第四版方案已批复，外线工程已开工。", "The fourth plan is approved; work on the line has begun."),
    },
    "review_reminder": _COORDINATES | {"status": "pending_review", "ack_due": ""},
    "urge_notice": {
        "ack_due": "",
        "reason": ("节点临近，请本周内完成会审。", "The milestone is near; finish the review this week."),
    },
    "request_asked": _COORDINATES
    | {
        "request_kind": "extension",
        "ack_due": "",
        "reason": ("第四版方案须重新计算短路电流。", "The fourth plan needs new short-circuit figures."),
    },
    "request_decided": {
        "request_kind": "extension",
        "decision": "approved",
        "ack_due": "",
        "due": ("12月4日17:00", "4 Dec 2026 17:00"),
        "reason": ("同意延期一次。", "Granted once."),
    },
    "request_reminder": _COORDINATES | {"request_kind": "extension", "ack_due": ""},
    "reassigned": {"reason": ("外线工程属省电力公司职责。", "The line is the power company's duty.")},
    "rework": {"ack_due": "", "reason": ("缺供电方案批复文件。", "The approval of the supply plan.")},
    "suspended": {
        "status": "suspended",
        "ack_due": "",
        "due": "",
        "reason": ("等待国家电网规划批复。", "Waits for the approval of the grid plan."),
    },
    "resumed": {"ack_due": ""},
    "closed": _OWNS | {"status": "closed", "ack_due": "", "reason": ("现场核验属实，同意销号。", "Verified on site.")},
    "reopened": {"ack_due": "", "reason": ("外线工程停工。", "Work on the line has stopped.")},
    "rejected": _OWNS
    | {
        "status": "rejected",
        "ack_due": "",
        "due": "",
        "lead_organ": "",
        "reason": ("属民事合同纠纷，请依法解决。", "A dispute of contract; it belongs in court."),
    },
    "withdrawn": {"status": "withdrawn", "ack_due": "", "due": "", "reason": ("问题已自行解决。", "Solved without help.")},
    "merged": _OWNS | {"status": "merged", "ack_due": "", "reason": ("主问题 WT26-0003", "Main issue WT26-0003")},
    "supervision_letter": _TOP
    | {
        "recipient_name": ("省电力公司", "Power company"),
        "letter_number": "2",
        "overdue_days": "5",
        "now": ("12月3日17:00", "3 Dec 2026 17:00"),
    },
    "approval_asked": _TOP
    | {"recipient_role": "", "recipient_name": _OFFICE, "letter_number": "2", "link": "https://tiji.example.com/admin/approvals"},
    "overdue_top": _TOP | {"card": "red"},
    "card_proposed": _COORDINATES
    | {"card": "yellow", "ack_due": "", "reason": ("连续两次未反馈进展", "two reports missed in a row")},
    "remanded": {
        "ack_due": "",
        "from_stage": ("省级", "Province"),
        "reason": ("请一周内敲定接入点。", "Settle the connection point within a week."),
    },
    "co_handling": {
        "recipient_role": "target",
        "recipient_name": ("牡丹江市发改委", "Mudanjiang DRC"),
        "request_kind": "co_handling",
        "ack_due": "",
        "reason": ("提供外线路由用地意见。", "Your opinion on the land for the line."),
    },
    "deadline_moved": {"ack_due": "", "provisional": ""},
    "vacancy": _COORDINATES
    | {"responsible": "", "lead_organ": _COORDINATOR, "reason": ("省电力公司没有可用的邮箱", "Power company: no mail address")},
    "receipt": _OWNS | {"ack_due": ""},
    "reply_refused": {
        "ack_due": "",
        "reason": ("该问题正在等待销号审核", "the issue waits for its review"),
        "until": ("现在可以：在系统内补充材料。", "What you can do now: add to it in the system."),
    },
    "address_bounced": _COORDINATES | {"ack_due": "", "reason": ""},
    "stranger_mail": _COORDINATES
    | {
        "ack_due": "",
        "reason": ("1) 11月16日17:00 a@example.com: 发件人不在人员表中", "1) 16 Nov 2026 17:00 a@example.com: nobody we know"),
    },
    "calendar_missing": dict.fromkeys([*SAMPLE["en"], *SAME], "")
    | {"recipient_name": _OFFICE, "recipient_role": "administrator", "until": "2027", "due": "2026-11-05"},
    "template_broken": dict.fromkeys([*SAMPLE["en"], *SAME], "")
    | {
        "title": "zh_CN/closed.j2",
        "reason": "line 3: a loop is not allowed in a template",
        "recipient_name": _OFFICE,
        "recipient_role": "administrator",
    },
}


def facts(kind: str, language: str = "zh_CN", **changes: str) -> dict[str, str]:
    """What a mail of this kind says of one issue."""
    special = {
        name: value if isinstance(value, str) else value[LANGUAGES.index(language)]
        for name, value in OF_KIND.get(kind, {}).items()
    }
    return {**SAMPLE[language], **SAME, **special, **changes}
