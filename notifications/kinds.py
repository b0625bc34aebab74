"""The kinds of mails, the facts they speak of, and how the words of the facts read in each language."""

from collections.abc import Mapping

LANGUAGES = ("zh_CN", "en")
KINDS = (
    "dispatch_notice",
    "escalation_notice",
    "escalated_from",
    "due_warning",
    "ack_reminder",
    "report_reminder",
    "intake_notice",
    "intake_reminder",
    "review_request",
    "review_reminder",
    "urge_notice",
    "request_asked",
    "request_decided",
    "request_reminder",
    "reassigned",
    "rework",
    "suspended",
    "resumed",
    "closed",
    "reopened",
    "rejected",
    "withdrawn",
    "merged",
    "supervision_letter",
    "approval_asked",
    "overdue_top",
    "card_proposed",
    "remanded",
    "co_handling",
    "deadline_moved",
    "vacancy",
    "receipt",
    "calendar_missing",
    "address_bounced",
    "reply_refused",
    "stranger_mail",
    "template_broken",
)
#: Every fact that a template may name; all are texts, "" where there is nothing to say.
FACTS = tuple(
    """
    number title project city category severity stage status responsible lead_organ coordinator cooperating description
    progress link due ack_due report_every next_stage next_responsible from_stage from_responsible reason actor actor_role
    until request_kind decision overdue_days letter_number card resume_on recipient_name recipient_role cc now provisional
    due_moment sequence
    """.split()
)

#: Mails that tell of many issues. They have facts of their own, and lists and bars (`grids`) that a template asks for as `#late`.
SUMMARY_KINDS = ("summary_daily", "summary_weekly", "summary_monthly", "circular")
SUMMARY_FACTS = tuple(
    """
    number title scope period as_of made_at day total today late soon unsigned review registered open closed pending_intake
    pending_ack processing pending_review suspended raised escalated escalated_auto escalated_manual resolved closed_then
    reworked reopened overdue by_stage overdue_by_stage common reply_by change attached link coordinator cc recipient_name
    reminders
    """.split()
)

#: How a code among the facts reads: language -> fact -> code -> word. A template names it `<fact>_word`.
WORDS: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "zh_CN": {
        "request_kind": {
            "extension": "延期",
            "suspension": "挂起",
            "objection": "异议",
            "transfer": "转办",
            "escalation": "提级",
            "co_handling": "协办",
            "consultation": "征求意见",
        },
        "decision": {
            "approved": "同意",
            "denied": "不同意",
            "answered": "已答复",
            "lapsed": "已失效",
        },
        "status": {
            "pending_intake": "待受理",
            "pending_ack": "待签收",
            "processing": "办理中",
            "pending_review": "待销号审核",
            "suspended": "挂起",
            "closed": "已销号",
            "rejected": "不予受理",
            "withdrawn": "已撤回",
            "merged": "已并案",
        },
        "card": {"red": "红牌", "yellow": "黄牌"},
        "recipient_role": {
            "responsible": "你单位是该问题的牵头单位",
            "former": "你单位此前牵头办理该问题",
            "liaison": "您是包保省领导联络员",
            "coordinator": "您是该问题的协调员",
            "superior": "您是该问题协调员的上级",
            "reporter": "该问题由你单位上报",
            "target": "你单位受邀协助办理该问题",
            "asker": "该申请由你单位提出",
            "inspection": "你单位负责督查逾期事项",
            "administrator": "您负责系统管理",
        },
    },
    "en": {
        "request_kind": {
            "extension": "extension",
            "suspension": "suspension",
            "objection": "objection",
            "transfer": "transfer",
            "escalation": "escalation",
            "co_handling": "sub-task",
            "consultation": "opinion",
        },
        "decision": {
            "approved": "approved",
            "denied": "denied",
            "answered": "answered",
            "lapsed": "lapsed",
        },
        "status": {
            "pending_intake": "waiting for intake",
            "pending_ack": "waiting for acknowledgement",
            "processing": "in progress",
            "pending_review": "under review",
            "suspended": "suspended",
            "closed": "closed",
            "rejected": "rejected",
            "withdrawn": "withdrawn",
            "merged": "merged",
        },
        "card": {"red": "red", "yellow": "yellow"},
        "recipient_role": {
            "responsible": "your organ leads this issue",
            "former": "your organ led this issue before",
            "liaison": "you are the sponsoring leader's liaison",
            "coordinator": "you coordinate this issue",
            "superior": "this issue's coordinator answers to you",
            "reporter": "your organ raised this issue",
            "target": "your organ was asked to help with this issue",
            "asker": "your organ made this request",
            "inspection": "your office inspects what is overdue",
            "administrator": "you look after this system",
        },
    },
}
#: What is said for a code that has no word.
OTHERWISE: Mapping[str, Mapping[str, str]] = {
    "zh_CN": {"request_kind": "事项", "decision": "已处理", "recipient_role": ""},
    "en": {"request_kind": "request", "decision": "dealt with", "recipient_role": ""},
}
