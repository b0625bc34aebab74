"""What the program says when it says no, in Chinese: the sentences themselves are English, where they are raised."""

from collections.abc import Mapping
from datetime import date
from string import Formatter
from typing import Any

from escalation.web import words
from workflows.sentence import Sentence, Several

CHINESE: Mapping[str, str] = {
    # ---- of the rules
    "{action} is not possible while an issue is {status}": "问题处于“{status:status}”状态，不能{action:action}",
    "{action} is not possible from {stage}.{status}": "问题在{stage_name:level}处于“{status:status}”状态，不能{action:action}",
    "{action} is for the {who}; {name} is not": "“{action:action}”由{who:hat}办理，{name}没有此权限",
    "{action} needs {options}": "“{action:action}”还有必填项：{missing:field}",
    "{action} is no longer possible for {number}": "{number}已不能“{action:action}”",
    "an issue cannot be merged into itself; name another with --into": "问题不能并入自身，请填写另一个问题的编号",
    "{into} is not an open issue; name an open one with --into": "{into}不是在办问题，请填写一个在办问题的编号",
    "{into} is of another project and this is not a common problem": "{into}属于其他项目，类别也不相同，不能并案",
    "{count} sub-task(s) are still open; say why with --note": "还有 {count} 项协办未完成，请填写“协办未完成的说明”",
    "this stage is closed without a confirmation": "本级问题销号不需要确认",
    "it is confirmed already": "已经确认过了",
    "nobody closes what their own organ handled; the coordinator one level up does": (
        "不能销号本单位承办的问题，由上一级协调员销号"
    ),
    "nobody reviews what their own organ handled; the coordinator one level up does": (
        "不能审核本单位承办的问题，由上一级协调员审核"
    ),
    "the {confirmed_by} has to confirm first (`act {number} confirm`)": "须先由{confirmed_by:role}确认",
    "it was closed over {within_days} days ago; raise a new issue": "销号已超过 {within_days} 天，请另行上报新问题",
    "{name} is not of level {stage}; name an organ of that level": (
        "{name}不是{stage_name:level}单位，请选择{stage_name:level}单位"
    ),
    "{name} already leads; name another organ": "{name}已是牵头单位，请另选单位",
    "{name} is not a colleague in {organ}": "只能委托给{organ}的其他承办人，不能委托给{name}",
    "{until} is past; give an end date from today on": "{until}已过，截止日期须为今天或以后",
    "say what has been done, in {least} characters or more": "请写明已经做了什么，至少 {least} 个字",
    "it has been urged today; the next time is the next working day": "今天已经催办过，下一个工作日可再次催办",
    "this is the last stage; there is nowhere to go": "已是最高一级，不能再提级",
    "only issues that are {allowed} may skip a stage": "只有{allowed:severity}问题可以越级提级",
    "{name} is of no stage; name an organ of a lower one": "{name}不属于任何办理层级，请选择下级单位",
    "{key!r} is no reason for a pause; the list: {known}": "“{key}”不是规定的挂起事由；可选：{names}",
    "{until} is not ahead; give a later date to resume": "恢复日期{until}须晚于今天",
    "a pause for {key} ends by {last}; give an earlier date to resume": "此类挂起最迟到{last}，请填写更早的恢复日期",
    "the new deadline {until} is not ahead; give a later --until": "新时限{until}已过，请填写更晚的日期",
    "the deadline {until} is not ahead; give a later --until": "时限{until}已过，请填写更晚的日期",
    "a request for {kind} is waiting for a decision already": "已有一项“{kind:request}”申请在等待决定",
    "an extension is asked for {ask_before} before the deadline at the latest": "延期最迟须在到期前 {ask_before:span}申请",
    "it has been extended {extensions} time(s); no more are granted": "已延期 {extensions} 次，不能再延",
    "the new deadline lies after the old one and by {last} at the latest": "新时限须晚于原时限，最迟到{last}",
    "an objection is made within {within} of the dispatch": "异议须在交办后 {within:span}内提出",
    "this organ has objected to this issue before; the coordinator's decision stands": (
        "本单位已对此问题提出过异议，以协调员的决定为准"
    ),
    "{name} is not another organ of level {level}": "转办须选择{level:level}的其他单位，{name}不符合",
    "no such request is waiting": "没有等待处理的此类申请",
    "several are waiting: {listed}; name one with --request": "有多项申请在等待：第 {numbers} 项，请选定其中一项",
    "it has been agreed already; the coordinator decides now": "已经同意接办，等待协调员决定",
    "nobody decides on their own request": "不能审批自己提出的申请",
    "this {kind} is decided by the coordinator at stage {stage}": "此项“{kind:request}”由{stage_name:level}协调员审批",
    "the date that was asked for has passed; deny it, or reassign with a new deadline": (
        "申请的日期已过，请选择“不同意”，或改派并另定时限"
    ),
    "the date to resume has passed; deny it": "申请的恢复日期已过，请选择“不同意”",
    "whose duty is it then? name the organ with --to": "应由哪个单位承办？请选择单位",
    "the organ that would take it has not agreed yet (`act NUMBER agree`)": "接办单位尚未同意接办",
    "there is no party that it could go to": "没有可以选择的单位",
    "allowed now: {actions}": "现在可以办理：{actions:action}",
    "nothing is allowed for this party now": "现在没有可以办理的事项",
    # ---- of issues, projects and parties
    "there is no issue {number}": "没有编号为{number}的问题",
    "`escalation list` shows all numbers": "请核对编号，问题列表中有全部编号",
    "{number} is over and in the archive; raise a new issue that names it": "{number}已结束并归档，请另行上报并写明此编号",
    "{number} is over and in the archive; its texts stay as they were": "{number}已结束并归档，内容不再更改",
    "there is no project {code!r} in the ledger": "台账中没有项目“{code}”",
    "raise it for one of your own projects": "请选择本单位的项目",
    "see the list of projects": "请在项目列表中查找",
    "there is no category {text!r}": "没有类别“{text}”",
    "category {text} means several: {keys}": "类别“{text}”对应多个代码：{keys}",
    "name one of them": "请写明其中一个",
    "did you mean {either}?": "是否指：{near}",
    "`escalation list` and the ledger show what there is": "请在问题列表和台账中查找",
    "severity {severity!r} is unknown": "没有严重程度“{severity}”",
    "a severity is one of {known}": "可选：{known:severity}",
    "use one of {known}": "可选：{known}",
    "an issue needs a title": "请填写标题",
    "say in one line what is stuck": "用一句话写明卡在哪里",
    "the title is too long": "标题过长",
    "200 characters at most; the rest belongs into the text": "标题最多 200 字，其余写入问题描述",
    "say that nothing in it is classified": "请确认内容不涉密",
    "this system carries nothing classified": "本系统不得填报涉密内容",
    "{number} was changed meanwhile (version {version}, not {seen})": (
        "{number}刚刚被他人更新（现为第{version}版，您看到的是第{seen}版）"
    ),
    "somebody else changed an issue meanwhile": "问题刚刚被他人更新",
    "look at it again": "请重新查看",
    "look at it again and repeat": "请重新查看后再办理",
    "{until} is more than {years} years away": "{until}距今超过 {years} 年",
    "check the year": "请核对年份",
    "{text!r} is no date": "“{text}”不是日期",
    "write it as 2026-11-30": "请按 2026-11-30 的格式填写",
    "{name} is no number": "表单中的“{name}”不是数字",
    "go back and load the page again": "请返回并重新打开页面",
    "there is no party {text!r}": "没有单位“{text}”",
    "there is no party {code!r}": "没有单位“{code}”",
    "`escalation party list` shows them": "请在单位列表中查找",
    "{until} is before {start}": "{until}早于{start}",
    "mend one of the two dates": "请更正其中一个日期",
    "{text!r} is no mail address": "“{text}”不是邮箱地址",
    "write one like name@example.com, or leave it empty": "请按 name@example.com 的格式填写，或留空",
    "{name} cannot stand in for itself": "{name}不能做自己的代理人",
    "name another party, or nobody": "请另选单位，或不选",
    "{about} is over: a letter about it says what is no longer true; decline it": "{about}已结束，此函内容已不符合实际，请退回",
    "declining needs --reason": "请填写退回理由",
    "approving is for the province office; {name} is not of it": "签发由省专班办公室办理，{name}不属于该办公室",
    "nothing called {name!r} waits for approval": "没有名为“{name}”的待签发文稿",
    "`escalation approval list` shows what does": "请在待签发列表中查看",
    # ---- of lists
    "limit {limit} is out of range": "每页 {limit} 条超出范围",
    "1 to {most}": "1 至 {most} 条",
    "there is no sorting {sort!r}": "没有排序方式“{sort}”",
    "there is no {name} {value!r}": "筛选条件“{value}”无效",
    "this cursor is not of this list": "翻页位置不属于此列表",
    "begin again without a cursor": "请从第一页重新开始",
    "there is no such thing to do to several issues": "没有这样的批量操作",
    "urge, or export": "可以批量催办或导出",
    "no issue is ticked": "没有勾选问题",
    "{count} issues are too many at once": "一次勾选了 {count} 个问题，过多",
    "tick 1 to {most}": "请勾选 1 至 {most} 个问题",
    "a name has 1 to {longest} characters": "名称为 1 至 {longest} 个字",
    "say in a word or two what is in it": "请用一两个词写明列表内容",
    "there are {most} lists with a name already": "已保存 {most} 个列表",
    "take one away first": "请先删除一个",
    # ---- of files
    "{name}: files of this kind are not taken": "{name}：不接收此类文件",
    "allowed: {listed}": "可以上传：{kinds}",
    "{name} is empty": "{name}是空文件",
    "choose it again": "请重新选择",
    "{name} is larger than {megabytes} MB": "{name}超过 {megabytes} MB",
    "make it smaller, or split it": "请压缩或拆分",
    "{name} is not what its name says, or has macros": "{name}的内容与扩展名不符，或含有宏",
    "save it again under the right kind, without macros": "请另存为正确的格式，不要带宏",
    "there is no such file": "没有这个附件",
    "the issue's page lists its files": "问题页面列有全部附件",
    "{per_user} files wait to be sent already": "已有 {per_user} 个附件待提交",
    "send or remove some of them first": "请先提交或移除一部分",
    "the issue has {per_issue} files already": "此问题已有 {per_issue} 个附件",
    "put what is new into one of them": "请将新内容并入已有附件",
    "{count} files are too many at once": "一次上传了 {count} 个附件，过多",
    "{most} at most": "最多 {most} 个",
    "file {digest} was not brought": "附件{digest}没有上传",
    # ---- of users and logins
    "there is no user {login!r}": "没有用户“{login}”",
    "`escalation user list` shows them": "请在用户列表中查找",
    "{login!r} cannot be a login": "“{login}”不能作为账号",
    "2 to 64 of a-z, 0-9 and . _ @ -, beginning with a letter or digit": (
        "账号为 2 至 64 个字符，可用 a-z、0-9 和 . _ @ -，以字母或数字开头"
    ),
    "there is a user {login} already": "已有用户{login}",
    "name another login": "请换一个账号",
    "there is no language {language!r}": "没有语言“{language}”",
    "too many wrong passwords from here": "此网络地址输错密码次数过多",
    "wait {minutes} minutes": "请等待 {minutes} 分钟",
    "too many requests in a short time": "短时间内操作过多",
    "wait {seconds} seconds, then go on": "请等待 {seconds} 秒后继续",
    "this password is easy to guess": "此密码容易被猜中",
    "a sentence of your own is easy to remember and hard to guess": "用一句自己的话，好记又难猜",
    "a sentence is easy to remember and hard to guess": "用一句话，好记又难猜",
    "a password has {shortest} to {longest} characters": "密码为 {shortest} 至 {longest} 个字符",
    "this password was chosen by somebody else": "此密码由他人设定",
    "choose one of your own first": "请先设定自己的密码",
    "that is not your password": "密码不对",
    "type the one that you logged in with": "请输入登录时使用的密码",
    "the two new passwords differ": "两次输入的新密码不一致",
    "type the same one twice": "请输入两次相同的密码",
    "there is no scope {name!r}": "没有权限“{name}”",
    "a token needs a scope": "令牌须至少有一项权限",
    "use some of {known}": "可选：{known}",
    "there is no token {number}": "没有第 {number} 号令牌",
    "this token has no scope {scope}": "此令牌没有权限“{scope}”",
    "make one that has: `escalation user token`": "请另签发有此权限的令牌",
    "`escalation user token --list` shows them": "请在令牌列表中查看",
    "you do not act for {code!r}": "您不代表单位“{code}”",
    "you act for nobody": "您尚未代表任何单位",
    "an administrator says whom a user acts for": "由管理员设定您代表的单位",
    "nobody is logged in": "尚未登录",
    "log in": "请登录",
    "the session is over": "登录已过期",
    "log in again": "请重新登录",
    "nobody here goes by that name, or they are shut out": "没有对应的用户，或用户已停用",
    "ask an administrator": "请联系管理员",
    "the identity provider cannot be asked: {error}": "统一身份认证无法连接：{error}",
    "try again, or log in by password": "请重试，或用密码登录",
    "the identity provider's answer is not good: {kind}: {error}": "统一身份认证的答复无效：{kind}：{error}",
    "this login was not begun in this browser, or too long ago": "此次登录不是在本浏览器中开始的，或已超时",
    "the identity provider sent back {reason!r}": "统一身份认证返回“{reason}”",
    "log in by password": "请用密码登录",
    # ---- of pages, forms and links
    "there is no such page": "没有这个页面",
    "go back to your to-do": "请回到待办",
    "this form is not of your session": "此表单不属于本次登录",
    "load the page again and repeat it": "请重新打开页面后再办理",
    "this form comes from another site": "此表单来自其他网站",
    "open the page itself and repeat it": "请直接打开本页面后再办理",
    "this login form is too old": "登录页面已失效",
    "load the page again": "请重新打开页面",
    "the address or the form is not right": "网址或表单内容有误",
    "go back and try again": "请返回后重试",
    "this link is not one of ours, or its key is no longer in use": "链接不是本系统发出的，或签发密钥已停用",
    "this link was good until {at} and has run out": "链接有效期至{at}",
    "this link was used already; it works once": "链接已使用过，只能使用一次",
    "log in and open the issue, or ask its coordinator": "请登录后打开问题，或联系协调员",
    "this link was sent to somebody else": "此链接是发给他人的",
    "open your own to-do, or log out first": "请打开自己的待办，或先退出登录",
    "this is a mistake of the program": "程序出错了",
    "tell the administrator; the log says where": "请告知管理员，日志中记有位置",
    "the database is busy with others ({name})": "数据库正忙（{name}）",
    "repeat it": "请重试",
    # ---- of the administration
    "there is no workflow version {version!r}": "没有流程版本“{version}”",
    "there are {known}": "现有：{known}",
    "see the list of versions": "请在版本列表中查找",
    "{place} cannot be used: {problem}": "{place}不能使用：{problem}",
    "`escalation workflow check` names everything": "请先检查，页面会列出全部问题",
    "{place} cannot be read: {error}": "{place}无法读取，请核对格式",
    "there are none": "目前没有流程版本",
    "{place}: {error}": "{place}：{error}",
    "line {number}: {text!r} is no date": "第 {number} 行：“{text}”不是日期",
    "line {number}: {text!r} is neither working nor holiday": "第 {number} 行：“{text}”既不是“上班”也不是“放假”",
    'a CSV line is "2027-02-05,holiday,Spring Festival"; JSON has "days"': "CSV每行如“2027-02-05,放假,春节”；JSON须有“days”",
}


class _Chinese(Formatter):
    """`{status:status}` is a code of that table of words; a day, a span of time and several of a kind are said as people do."""

    def format_field(self, value: Any, format_spec: str) -> str:
        if isinstance(value, Several):
            return "、".join(self.format_field(each, format_spec) for each in value)
        if isinstance(value, Sentence):
            return in_chinese(value) or value
        if isinstance(value, date):
            return f"{value.year}年{value.month}月{value.day}日"
        if format_spec == "span":
            return words.span(str(value), "zh_CN")
        if format_spec:
            return words.word(format_spec, str(value), "zh_CN")
        return str(value)


_CHINESE = _Chinese()


def in_chinese(said: str) -> str:
    """A sentence in Chinese; the empty text where nobody has said it in Chinese yet (what a library says, a program's own)."""
    if not isinstance(said, Sentence):
        return CHINESE.get(said, "")
    return _CHINESE.vformat(CHINESE.get(said.template, ""), (), said.values)
