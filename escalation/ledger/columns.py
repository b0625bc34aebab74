"""The columns of the four kinds of sheet: identifier, the headers offices use, what a cell holds, is it needed."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache

from escalation.ledger import words
from escalation.ledger.lines import AnyLine, AuthorityLine, IssueLine, PartyLine, ProjectLine


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `holds` is the type of its cells; `instead` names columns that may stand in for it."""

    name: str
    headers: tuple[str, ...] = ()
    holds: str = "text"
    #: The column must be there (or one of `instead`).
    required: bool = False
    #: And no cell of it may be empty.
    filled: bool = False
    instead: tuple[str, ...] = ()
    choices: words.Words | None = None
    #: Says where an issue stands: it belongs to the engine once the issue lives here.
    life: bool = False
    #: Known and passed over: computed from the others, or without a place in the store.
    passed_over: bool = False

    @property
    def label(self) -> str:
        """How a person is told of it: `due_on (办结时限)`."""
        return f"{self.name} ({self.headers[0]})" if self.headers else self.name


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of sheet. A sheet is of the first kind whose `key` column it has."""

    name: str
    key: str
    line: type[AnyLine]
    columns: tuple[Column, ...]

    def column(self, name: str) -> Column:
        """The column with this identifier."""
        return next(each for each in self.columns if each.name == name)


def _c(name: str, headers: str = "", holds: str = "text", **more: object) -> Column:
    return Column(name, tuple(headers.split()), holds, **more)  # type: ignore[arg-type]


def _must(name: str, headers: str = "", holds: str = "text", **more: object) -> Column:
    return _c(name, headers, holds, required=True, filled=True, **more)


def _choice(name: str, headers: str, choices: words.Words, **more: object) -> Column:
    return _c(name, headers, "choice", choices=choices, **more)


def _aside(name: str, headers: str = "") -> Column:
    return _c(name, headers, passed_over=True)


PARTY = Kind(
    "party",
    "party_code",
    PartyLine,
    (
        _must("party_code", "主体编号 责任主体编号 单位编号", "code"),
        _must("name", "名称 责任主体 主体名称 单位(职务) 姓名(职务)", "name"),
        _must("level", "层级 级别", "level", choices=words.LEVEL),
        _c("city", "所在市(地) 市(地) 城市", "city"),
        _must("organ", "单位 所在单位 机构", "name"),
        _must("role", "角色 职责", "choice", choices=words.ROLE),
        _c("email", "邮箱 电子邮箱 邮件地址", "email"),
        _c("mail_goes_to", "代收人 邮件代收 代收", "name"),
        _choice("language", "语言", words.LANGUAGE),
        _c("deputy", "代理人 代理", "name"),
        _c("deputy_from", "代理开始 代理开始日期", "date"),
        _c("deputy_until", "代理结束 代理结束日期", "date"),
        _choice("active", "在用 是否在用 状态", words.YES_NO),
        _aside("seq", "序号"),
        _aside("remark", "备注"),
    ),
)

AUTHORITY = Kind(
    "authority",
    "category_code",
    AuthorityLine,
    (
        _must("category_code", "类别编码 问题类别编码 类别代码", "code"),
        _must("category", "问题类别 类别", "name"),
        _c("county_organ", "县级部门 县(市、区)部门", "name"),
        _c("city_organ", "市级部门 市(地)部门 市级事权部门", "name"),
        _c("department_organ", "厅局 省直部门 厅局级事权部门", "name"),
        _c("province_party", "省级 省级责任人", "name"),
        _must("entry_level", "受理层级 起始层级 首办层级", "level", choices=words.LEVEL),
        _c("note", "说明 备注", "long"),
        _aside("seq", "序号"),
    ),
)

PROJECT = Kind(
    "project",
    "project_code",
    ProjectLine,
    (
        _must("project_code", "项目编号 项目编码", "code"),
        _must("project_name", "项目名称", "name"),
        _c("list_type", "项目类别", "name"),
        _c("project_kind", "新建/续建 建设性质", "name"),
        _must("lead_city", "所在市(地) 市(地) 牵头市(地)", "city"),
        _c("cooperating_cities", "配合市(地) 涉及市(地)", "name"),
        _c("county", "县(市、区)", "name"),
        _c("industry_department", "行业主管部门 牵头厅局", "name"),
        _c("construction_content", "建设内容及规模 建设内容", "long"),
        _c("total_investment_wan", "总投资(万元) 总投资 total_investment", "money"),
        _c("annual_plan_wan", "年度计划投资 年度计划投资(万元) annual_plan", "money"),
        _c("completed_ytd_wan", "本年完成 本年完成(万元) 本年完成投资 completed_ytd", "money"),
        _c("planned_to_date_wan", "按计划应完成 按计划应完成(万元) planned_to_date", "money"),
        _c("funds_planned_wan", "计划资金 计划到位资金 funds_planned", "money"),
        _c("funds_arrived_wan", "到位资金 已到位资金 funds_arrived", "money"),
        _c("financing_need_wan", "融资缺口 融资需求 financing_need", "money"),
        _c("planned_start", "计划开(复)工 计划开工 计划开工时间", "date"),
        _c("actual_start", "实际开(复)工 实际开工 实际开工时间", "date"),
        _c("planned_completion", "计划竣工 计划竣工时间", "date"),
        _c("planned_production", "计划投产 计划投产时间", "date"),
        _c("stage", "项目阶段 建设阶段", "name"),
        _c("next_key_node", "下一节点 下一关键节点", "name"),
        _c("next_key_node_due", "下一节点时限 下一节点时间 due", "date"),
        _must("owner_org", "项目单位 业主单位 项目主体", "name"),
        _c("owner_contact_role", "项目单位联系人(职务) 项目联系人", "name"),
        _c("owner_email", "项目单位邮箱", "email"),
        _c("city_coordinator_role", "市(地)协调员 市(地)联系人(职务) city_contact", "name"),
        _c("city_coordinator_email", "市(地)协调员邮箱", "email"),
        _c("department_coordinator_role", "厅局协调员 厅局联系人(职务) dept_contact", "name"),
        _c("department_coordinator_email", "厅局协调员邮箱", "email"),
        _c("sponsor_leader_role", "包保领导(职务) 包保省领导 包保领导 sponsor_role", "name"),
        _c("sponsor_liaison_email", "联络员邮箱 包保领导联络员邮箱", "email"),
        _c("data_as_of", "数据截止日 数据截止日期", "date"),
        _c("remark", "备注", "long"),
        _aside("seq", "序号"),
        _aside("completed_month", "本月完成 本月完成(万元)"),
        _aside("investment_rate", "投资完成率"),
        _aside("funding_rate", "资金到位率"),
        _aside("image_progress", "形象进度"),
        _aside("issues_open", "未销号问题数"),
        _aside("light", "亮灯 灯"),
        _aside("task_force", "专班"),
    ),
)

ISSUE = Kind(
    "issue",
    "issue_code",
    IssueLine,
    (
        _must("issue_code", "问题编号 编号", "code"),
        _must("project_code", "项目编号 项目编码", "code", instead=("project_name",), life=True),
        _c("project_name", "项目名称", "name", life=True),
        _c("city", "市(地) 所在市(地)", "city"),
        _must("title", "问题标题 标题 问题名称", "title", instead=("description",)),
        _c("category", "问题类别 类别", "name", life=True),
        _must("category_code", "类别编码 问题类别编码", "code", instead=("category",), life=True),
        _choice("nature", "问题性质 性质 问题性质(个性/共性/趋势/苗头)", words.NATURE),
        _c("authority_level", "事权层级", "level", choices=words.LEVEL),
        _c("authority_org", "事权部门 事权归属", "name"),
        _must("severity", "严重程度 紧急程度", "choice", choices=words.SEVERITY, life=True),
        _choice("complexity", "复杂度 复杂程度", words.COMPLEXITY),
        _c("description", "问题描述 问题", "long"),
        _c("requested_action", "诉求建议 诉求", "long"),
        _c("responsible_org", "牵头单位 责任单位", "name", required=True, life=True),
        _c("cooperating_orgs", "配合单位 协办单位", "name"),
        _c("handler_role", "承办人(职务) 承办人", "name"),
        _c("reporter_role", "填报人 上报人", "name"),
        _c("source", "问题来源 来源", "name"),
        _must("reported_on", "登记日期 上报日期 填报日期", "date", instead=("reported_at",), life=True),
        _c("reported_at", "登记时间 上报时间", "moment", life=True),
        _c("dispatched_on", "交办日期", "date", required=True, instead=("dispatched_at",), life=True),
        _c("dispatched_at", "交办时间", "moment", life=True),
        _must("current_level", "当前层级", "level", choices=words.LEVEL, life=True),
        _must("state", "当前状态 状态", "choice", choices=words.STATE, life=True),
        _c("escalation_path", "提级次数及时间 提级路径 提级记录", "path", life=True),
        _c("stage_started_on", "本层级交办日期 本级起始日期", "date", life=True),
        _c("ack_due_on", "签收时限", "date", life=True),
        _c("acknowledged_on", "签收日期", "date", life=True),
        _c("limit_working_days", "时限(工作日) 办理时限(工作日)", "integer", life=True),
        _c("due_on", "办结时限 办结期限", "date", required=True, instead=("due_at",), life=True),
        _c("due_at", "办结截止时间", "moment", life=True),
        _c("resolved_submitted_on", "申请销号日期", "date", life=True),
        _c("closed_on", "销号日期", "date", life=True),
        _c("resume_on", "恢复办理日期 挂起至", "date", life=True),
        _c("as_of", "数据截止日 截止日期", "date"),
        _choice("confidentiality", "密级 是否涉密", words.CONFIDENTIALITY),
        _c("progress_note", "最新进展 最新进展及日期 办理进展", "long"),
        _aside("seq", "序号"),
        _aside("working_days_left", "剩余/逾期工作日 剩余工作日"),
        _aside("light", "灯 亮灯"),
        _aside("extensions", "延期次数"),
        _aside("planned_measures", "拟采取措施"),
        _aside("closing_ground", "销号依据"),
        _aside("remark", "备注"),
    ),
)

#: In the order in which a sheet's kind is told: an issue sheet has project and category codes too.
KINDS = (ISSUE, PARTY, PROJECT, AUTHORITY)
#: Columns of a sheet without its key column that still tell what it is meant to be.
ENOUGH = 3


def form(header: str) -> str:
    """A header as it is compared: half width, lower case, without spaces, stars and invisible characters."""
    text = unicodedata.normalize("NFKC", header).lower()
    return re.sub(r"[\s*_：:\-]", "", "".join(each for each in text if unicodedata.category(each) not in ("Cf", "Cc")))


@cache
def by_header(kind_name: str) -> Mapping[str, Column]:
    """Every header of a kind, in the form it is compared in."""
    kind = next(each for each in KINDS if each.name == kind_name)
    return {form(header): column for column in kind.columns for header in (column.name, *column.headers)}


def kind_of(headers: list[str]) -> Kind | None:
    """The kind of a sheet with these headers; None if they tell nothing."""
    forms = {form(header) for header in headers if header}
    for kind in KINDS:
        key = kind.column(kind.key)
        if forms & {form(header) for header in (key.name, *key.headers)}:
            return kind
    known = {kind.name: len(forms & set(by_header(kind.name))) for kind in KINDS}
    best = max(KINDS, key=lambda kind: known[kind.name])
    return best if known[best.name] >= ENOUGH else None


def did_you_mean(kind: Kind, header: str) -> str:
    """` Did you mean …?` for an unknown header, or nothing."""
    near = get_close_matches(form(header), by_header(kind.name), 1, 0.6)
    return f"; did you mean {by_header(kind.name)[near[0]].label}?" if near else ""
