"""How codes read on a page, Chinese first and English beside: one word for one thing, as mails have it."""

from collections.abc import Mapping

from notifications.kinds import WORDS

Pairs = Mapping[str, tuple[str, str]]


def _mail(fact: str) -> Pairs:
    chinese, english = WORDS["zh_CN"][fact], WORDS["en"][fact]
    return {code: (chinese[code], english[code]) for code in chinese}


def _pairs(text: str) -> Pairs:
    """`code 中文 English words` a line."""
    lines = (line.split(None, 2) for line in text.strip().splitlines())
    return {code: (chinese, english) for code, chinese, english in lines}


STATUS: Pairs = _mail("status")
REQUEST: Pairs = _mail("request_kind")
REQUEST_STATE: Pairs = {**_mail("decision"), "pending": ("待决定", "waiting")}
CARD: Pairs = {"red": ("红牌", "red card"), "yellow": ("黄牌", "yellow card")}
CARD_STATE: Pairs = {"proposed": ("拟发", "proposed"), "confirmed": ("已确认", "confirmed"), "lifted": ("已撤销", "lifted")}
SEVERITY: Pairs = {"general": ("一般", "general"), "major": ("重要", "major"), "urgent": ("紧急", "urgent")}
LANGUAGE: Pairs = {"zh_CN": ("中文", "Chinese"), "en": ("英文", "English")}
LIGHT: Pairs = {
    "red": ("红灯", "red"),
    "yellow": ("黄灯", "yellow"),
    "green": ("绿灯", "green"),
    "still": ("停表", "clock stopped"),
    "suspended": ("挂起", "suspended"),
    "pending_review": ("待审核", "under review"),
    "closed_on_time": ("按期销号", "closed on time"),
    "closed_late": ("逾期销号", "closed late"),
    "rejected": ("不予受理", "rejected"),
    "withdrawn": ("已撤回", "withdrawn"),
    "merged": ("已并案", "merged"),
}
COMPLEXITY: Pairs = _pairs("""
simple 简单 simple
cross_dept 跨部门 across departments
cross_level 跨层级 across levels
cross_city 跨市 across cities
historical 历史遗留 historical
""")
NATURE: Pairs = _pairs("""
individual 个性问题 individual
common 共性问题 common
trend 趋势性问题 trend
emerging 苗头性问题 emerging
""")
#: What is done to an issue, by people and by time, as the journal names it.
ACTION: Pairs = _pairs("""
raise 上报 Raised
dispatch 交办 Dispatch
reject 不予受理 Reject
merge 并案 Merge
withdraw 撤回 Withdraw
acknowledge 签收 Acknowledge
auto_acknowledge 视同签收 Acknowledged by the system
object 提出异议 Object
reassign 改派 Reassign
transfer 转办 Transfer
agree 同意接办 Agree to take it
delegate 委托 Delegate
co_handle 请求协办 Ask for a sub-task
consult 征求意见 Ask for an opinion
answer 答复 Answer
report_progress 反馈进展 Report progress
submit_plan 提交办理方案 Submit a plan
urge 催办 Urge
request_extension 申请延期 Ask for an extension
request_suspension 申请挂起 Ask for a suspension
request_escalation 申请提级 Ask for escalation
approve 同意 Approve
deny 不同意 Deny
escalate 提级办理 Escalate
escalate_auto 逾期自动提级 Escalated: overdue
escalate_skip 越级提级 Escalate to the top
remand 发回下级 Send down
resolve 申请销号 Report it solved
confirm 确认办结 Confirm
give_opinion 填写业主意见 Give an opinion
close 销号 Close
return_for_rework 退回重办 Send back
suspend 挂起 Suspend
resume 恢复办理 Resume
reopen 重新挂账 Reopen
extend 延长时限 Deadline extended
hold 暂缓提级 Escalation held
warn 临期提醒 Reminder before the deadline
miss_report 未按时反馈 Progress report missed
remind_intake 受理提醒 Intake reminder
remind_review 审核提醒 Review reminder
remind_request 申请待决提醒 Request reminder
supervision_letter 督办函 Supervision letter
overdue_top 省级逾期 Overdue at the top
recount 时限重算 Deadline counted again
ask_extension 申请延期 Extension asked
ask_suspension 申请挂起 Suspension asked
ask_objection 提出异议 Objection made
ask_transfer 申请转办 Transfer asked
ask_escalation 申请提级 Escalation asked
ask_co_handling 请求协办 Sub-task given
ask_consultation 征求意见 Opinion asked
""")
#: How a stay ended.
OUTCOME: Pairs = _pairs("""
dispatched 已交办 dispatched
reassigned 改派 reassigned
transferred 转办 transferred
remanded 发回 sent down
escalated_overdue 逾期提级 escalated, overdue
escalated_by_hand 人工提级 escalated by hand
closed 销号 closed
rejected 不予受理 rejected
withdrawn 撤回 withdrawn
merged 并案 merged
""")
ROLE: Pairs = _pairs("""
project_owner 项目单位 project owner
responsible_party 承办单位 responsible organ
city_coordinator 市(地)协调员 city coordinator
department_coordinator 厅局协调员 department coordinator
province_office 省专班办公室 province office
sponsor_leader 包保省领导 sponsoring leader
sponsor_liaison 包保省领导联络员 sponsor's liaison
inspection_office 督查室 inspection office
observer 观察员 observer
administrator 系统管理员 administrator
""")
HAT: Pairs = _pairs("""
reporter 填报人 the reporter
handler 承办人 the handler
coordinator 本级协调员 the coordinator of this stage
superior 上一级协调员 the coordinator one stage up
province_office 省专班办公室 the province office
liaison 包保省领导联络员 the sponsor's liaison
inspection_office 督查室 the inspection office
target 被征求的单位 the organ that was asked
""")
LEVEL: Pairs = _pairs("""
owner 项目单位 project owners
county 县级 county
city 市级 city
department 厅局级 department
province 省级 province
""")
TASK: Pairs = _pairs("""
overdue 已逾期 overdue
acknowledge 待签收 to acknowledge
decide 待审批的申请 requests to decide
review 待销号审核 to review
intake 待受理交办 to dispatch
due_soon 即将到期 due soon
report 该反馈进展 progress to report
answer 待答复 to answer
chase 逾期待督办 overdue at your stage
processing 正在办理 in progress
""")
MAIL_STATE: Pairs = _pairs("""
draft 待签发 awaits approval
queued 待发送 queued
sending 发送中 being sent
sent 已发出 sent
dead 发送失败 failed
obsolete 已作废 dropped
""")
NODE_STATE: Pairs = _pairs("""
working 运行中 working
held 已暂停提级 escalation held
silent 无响应 silent
stopped 已停止 stopped
""")
MAIL_KIND: Pairs = _pairs("""
intake_notice 受理通知 intake notice
intake_reminder 受理提醒 intake reminder
dispatch_notice 交办通知单 dispatch notice
ack_reminder 签收提醒 acknowledgement reminder
due_warning 临期提醒 reminder before the deadline
report_reminder 反馈提醒 report reminder
escalation_notice 提级办理通知 escalation notice
escalated_from 提级告知 escalated from you
urge_notice 催办通知 urge notice
review_request 销号审核请求 review request
review_reminder 审核提醒 review reminder
request_asked 申请待决定 request to decide
request_decided 申请已决定 request decided
request_reminder 申请提醒 request reminder
reassigned 改派通知 reassigned
rework 退回重办通知 sent back
suspended 挂起通知 suspended
resumed 恢复办理通知 resumed
closed 销号通知 closed
reopened 重新挂账通知 reopened
rejected 不予受理通知 rejected
withdrawn 撤回通知 withdrawn
merged 并案通知 merged
supervision_letter 督办函 supervision letter
overdue_top 省级逾期通知 overdue at the top
card_proposed 拟发牌通知 card proposed
remanded 发回通知 sent down
co_handling 协办通知 sub-task
deadline_moved 时限变更通知 deadline moved
vacancy 无人承办告知 vacancy
receipt 回执 receipt
calendar_missing 日历缺失告知 calendar missing
template_broken 模板有误告知 template broken
summary_daily 日报 daily summary
summary_weekly 周报 weekly summary
summary_monthly 月报 monthly summary
circular 通报 circular
approval_asked 请签发 asked to approve
address_bounced 退信告知 mail came back
reply_refused 回复未能办理 a reply was not taken
stranger_mail 外部来信 mail of a stranger
digest 汇总 several in one
""")
#: How a list is sorted.
SORT: Pairs = _pairs("""
worst 最紧急在前 worst first
due 时限近的在前 due first
-due 时限远的在前 due last
-raised 新上报在前 newest first
raised 早上报在前 oldest first
-changed 新变化在前 changed last
changed 久未变化在前 unchanged longest
number 编号升序 by number
-number 编号降序 by number, down
""")
#: What happens by itself when a clock has run out.
CLOCK: Pairs = _pairs("""
intake 提醒协调员尽快交办 the coordinator is reminded to dispatch it
intake_repeat 告知协调员的上一级 the coordinator's superior is told
acknowledge 视同签收，并计入该单位记录 acknowledged by the system, on the organ's record
warning 发出临期提醒，亮黄灯 the reminder before the deadline; the light turns yellow
report 记一次未按时反馈 the progress report counts as missed
review 审核超期，告知上一级协调员 the review is late; the superior is told
review_repeat 再次告知上一级协调员 the superior is told again
resume 挂起期满，恢复办理 the suspension ends; work goes on
letter 发出下一份督办函 the next supervision letter
request 申请审批超期，告知上一级 the decision is late; the superior is told
""")
#: Why a rule says no.
REFUSAL: Pairs = _pairs("""
wrong_state 问题目前的状态不允许这样办理 not possible where the issue stands
not_allowed 您的岗位不能办理此事项 not for your post
incomplete 还有必填内容没有填写 something needed is missing
too_late 已过规定的时间 too late
too_often 已达到规定的次数 too often
already_asked 同类申请正在等待决定 such a request is waiting already
own_request 不能审批自己提出的申请 nobody decides on their own request
no_request 没有等待处理的申请 no such request is waiting
which_request 有多项申请，请指明是哪一项 several are waiting; say which
own_organ 不能审核本单位承办的问题，由上一级协调员审核 not for the handler's own organ; the coordinator one stage up does it
unconfirmed 须先由包保省领导联络员确认 the liaison has to confirm first
not_agreed 接办单位尚未同意 the organ that would take it has not agreed yet
nobody 没有可以指定的单位 there is no party that it could go to
wrong_party 指定的单位不符合要求 that party does not fit
bad_date 日期不符合规定 that date does not fit
bad_reason 理由不在规定的范围内 that reason is not of the list
wrong_target 主问题不符合要求 that main issue does not fit
open_tasks 还有协办事项未完成，请说明 sub-tasks are still open; say why
archived 问题已归档 it is in the archive
bad_file 附件不能收 this file is not taken
conflict 问题刚刚被他人更新 somebody else changed it first
not_found 没有找到 not found
weak_password 密码过于简单，容易被猜中 that password is easy to guess
usage 请求有误 the request is off
internal 程序出错了，已记入日志 the program is wrong; it is in the log
tampered 链接无效 this link is not one of ours
expired 链接已过期 this link has run out
used 链接已使用过，只能使用一次 this link was used already; it works once
forged 页面已失效，请重新打开 this form is not of your session
not_entered 账号或密码不对，或账号暂时不能使用 login and password do not fit, or the login cannot be used now
not_vouched 统一身份认证未通过，请重试或联系管理员 the office's account was not accepted; try again or ask an administrator
provider 统一身份认证暂时不可用 the identity provider cannot be used now
too_many 尝试次数过多，请稍后再试 too many tries; wait a while
too_fast 操作过于频繁，请稍候再试 too many requests in a short time; wait a moment
database 数据库暂时不可用 the database cannot be used now
contention 系统繁忙，请重试 the database is busy; try again
""")
FIELD: Pairs = _pairs("""
reason 说明 Reason
to 单位 Party
until 日期 Date
into 并入的主问题编号 Main issue's number
note 协办未完成的说明 Why, although a sub-task is open
request 申请 Request
cause 挂起事由 Ground
""")
#: What the reason of an action is called.
REASON: Pairs = _pairs("""
report_progress 进展情况 What has been done
submit_plan 办理方案 The plan
resolve 办理结果 The result
give_opinion 业主意见 Your opinion
answer 答复意见 Your answer
return_for_rework 退回理由 What is still missing
object 异议理由及依据 Why it is not your duty, and on what rule
request_extension 延期理由 Why more time is needed
reject 不予受理的理由 Why it is rejected
close 销号意见 Remark
""")
#: What the date of an action is.
UNTIL: Pairs = _pairs("""
request_extension 申请延至 New deadline
request_suspension 恢复办理日期 Resume on
suspend 恢复办理日期 Resume on
delegate 委托至 Until
reassign 新时限（可不填） New deadline (optional)
remand 办结时限（可不填） Deadline (optional)
co_handle 协办时限（可不填） Sub-task due (optional)
consult 答复时限（可不填） Answer by (optional)
report_progress 预计办结日期（可不填） Expected to be solved on (optional)
""")
#: What the audit has a line for, beside the actions.
AUDIT: Pairs = {
    **ACTION,
    **_pairs("""
login 登录 logged in
login_failed 登录失败 could not log in
logout 退出 logged out
user_added 新增用户 added a user
user_enabled 启用用户 let in again
user_disabled 停用用户 shut out
password_set 重设密码 set a password
confirmed 再次输入密码 gave the password again
sessions_ended 结束其他登录 ended the other logins
token_made 签发令牌 made a token
token_revoked 撤销令牌 revoked a token
outbox_retry 重发邮件 mails sent again
outbox_drop 作废邮件 mails dropped
user_parties 变更用户代表的单位 changed whom a user acts for
party_changed 变更单位 changed a party
calendar_imported 导入日历 imported a calendar
workflow_activated 启用流程版本 activated a workflow version
aside_retry 重试搁置的问题 set-aside issues tried again
"""),
}
#: Why an organ helps beside the one that leads.
HELPS: Pairs = _pairs("""
named 台账列明 named in the ledger
co_handling 协办 a sub-task
consultation 被征求意见 its opinion was asked
before 原承办单位 led before
""")
#: The unit of a limit.
UNIT: Pairs = {"wd": ("个工作日", "working days"), "wh": ("个工作小时", "working hours"), "h": ("小时", "hours")}
#: Days off, as the calendar names them.
DAY_OFF: Pairs = {
    name: (chinese, name)
    for name, chinese in {
        "weekend": "周末",
        "day off": "休息日",
        "New Year's Day": "元旦",
        "Spring Festival": "春节",
        "Tomb-sweeping Day": "清明节",
        "Labour Day": "劳动节",
        "Dragon Boat Festival": "端午节",
        "Mid-autumn Festival": "中秋节",
        "National Day": "国庆节",
    }.items()
}
ENDED: Pairs = _pairs("""
dispatch 已交办 Dispatched.
acknowledge 已签收 Acknowledged.
report_progress 进展已记录 Progress recorded.
resolve 已申请销号，等待审核 Sent for review.
close 已销号 Closed.
return_for_rework 已退回重办 Sent back.
urge 已催办 Urged.
""")
TABLES: Mapping[str, Pairs] = {
    name.lower(): table
    for name, table in globals().items()
    if name.isupper() and isinstance(table, dict) and name not in ("TABLES", "WORDS")
}


def word(table: str, code: str, language: str) -> str:
    """A code in the reader's language; the code itself where it has no word."""
    pair = TABLES[table].get(code)
    return code if pair is None else pair[language == "en"]


def span(text: str, language: str) -> str:
    """A limit in words: `10wd` is ten working days."""
    unit = text.lstrip("0123456789")
    return f"{text.removesuffix(unit)} {word('unit', unit, language)}" if unit in UNIT else text
