"""What a person is told whose reply was not recorded: why, and what may be done instead."""

from workflows.actions import ACTIONS

#: Why a reply was not recorded, by the code of the refusal.
WHY = {
    "zh_CN": {
        "not_allowed": "进展由该问题当前的承办单位反馈，你目前不是承办人",
        "wrong_state": "该问题当前的状态不能反馈进展",
        "incomplete": "回复的文字为空或太短（引用的原文和签名不计），请写明做了什么、下一步何时完成",
        "archived": "该问题已办结并归档",
        "not_found": "系统中已没有该问题",
        "several": "这封通知不针对单件问题，无法判断回复的是哪一件；请在主题中写明编号再发，或回复该问题自己的通知",
        "unreadable": "邮件太大或格式无法读取；请减小附件后重发，或在系统中办理",
    },
    "en": {
        "not_allowed": "progress is reported by whoever handles the issue now, and that is not you",
        "wrong_state": "no progress can be reported while the issue stands as it does",
        "incomplete": "the text is empty or too short, without quotations and signature: say what was done, and what comes when",
        "archived": "the issue is over and in the archive",
        "not_found": "there is no such issue any more",
        "several": "that mail was not about one issue: name its number in the subject, or answer the issue's own mail",
        "unreadable": "the mail is too large or cannot be read: send it again with smaller files",
    },
}
OTHERWISE = {"zh_CN": "规则不允许", "en": "a rule says no"}
MAY = {"zh_CN": ("你现在可以：", "、"), "en": ("What you may do now: ", ", ")}
NOTHING = {
    "zh_CN": "目前没有需要你办理的事项；如有情况说明，请联系该问题的协调员。",
    "en": "There is nothing for you to do now; if you have something to say, please tell the issue's coordinator.",
}
_ACTION = dict(
    line.split(None, 1)
    for line in """
dispatch 交办
reject 不予受理
merge 并案
withdraw 撤回
acknowledge 签收
object 提出异议
reassign 改派
transfer 转办
agree 同意接办
delegate 委托
co_handle 请求协办
consult 征求意见
answer 答复
report_progress 反馈进展
submit_plan 提交办理方案
urge 催办
request_extension 申请延期
request_suspension 申请挂起
request_escalation 申请提级
approve 同意
deny 不同意
escalate 提级办理
escalate_skip 越级提级
remand 发回下级
resolve 申请销号
confirm 确认结果
give_opinion 填写意见
close 销号
return_for_rework 退回重办
suspend 挂起
resume 恢复办理
reopen 重新打开
""".strip().splitlines()
)
assert set(_ACTION) == set(ACTIONS), "an action has no Chinese word"


def why(code: str, language: str) -> str:
    """A refusal as a sentence."""
    return WHY[language].get(code, OTHERWISE[language])


def instead(allowed: tuple[str, ...], language: str) -> str:
    """What this person may do now."""
    if not allowed:
        return NOTHING[language]
    head, comma = MAY[language]
    return head + comma.join(_ACTION[each] if language == "zh_CN" else each.replace("_", " ") for each in allowed)
