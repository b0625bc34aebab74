"""The closed lists of words that a cell may hold: identifiers, and what offices write for them."""

import unicodedata
from collections.abc import Mapping

#: word as it is compared -> identifier
Words = Mapping[str, str]


def _words(**choices: str) -> Words:
    """identifier="word word" -> every word and every identifier, as they are compared, pointing at the identifier."""
    return {compared(word): key for key, text in choices.items() for word in (key, *text.split())}


def compared(word: str) -> str:
    """Half width and lower case."""
    return unicodedata.normalize("NFKC", word).casefold()


SEVERITY = _words(general="一般", major="重要 重大", urgent="紧急 特急")
COMPLEXITY = _words(
    simple="简单",
    cross_dept="跨部门",
    cross_level="跨层级",
    cross_city="跨市 跨市(地) 跨区域",
    historical="历史遗留",
)
NATURE = _words(
    individual="个性 个性问题",
    common="共性 共性问题",
    trend="趋势 趋势性 趋势性问题",
    emerging="苗头 苗头性 苗头性问题",
)
#: Stages are data: a word that is not here is taken as the stage's own key.
LEVEL = _words(
    owner="项目单位 业主 企业",
    county="县级 县(市、区) 县(市、区)级 县区级",
    city="市级 市(地)级 市地级 市(地) 行署",
    department="厅局级 厅局 省直厅局 省直部门 部门",
    province="省级 省 包保省领导",
)
STATE = _words(
    pending_intake="待受理 待交办",
    pending_ack="待签收",
    processing="办理中 在办 正在办理",
    pending_review="待销号审核 待审核 待确认",
    suspended="挂起 挂账 暂缓",
    closed="已销号 销号 已办结 办结",
    rejected="不予受理",
    withdrawn="已撤回",
    merged="已并案",
)
ROLE = _words(
    project_owner="项目单位 项目主体 业主 填报人",
    responsible_party="责任单位 牵头单位 承办人 承办单位",
    city_coordinator="市(地)协调员 市协调员",
    department_coordinator="厅局协调员",
    province_office="省专班办公室 省重大项目办",
    sponsor_leader="包保省领导",
    sponsor_liaison="包保省领导联络员 联络员",
    inspection_office="督查室",
    observer="观察员 抄送人",
    administrator="管理员 系统管理员",
)
LANGUAGE = _words(zh_CN="zh zh-cn 中文 简体中文", en="en-us 英文 英语 english")
CONFIDENTIALITY = _words(non_classified="非涉密 否")
YES_NO = _words(yes="是 y true 1 在用 有效 启用", no="否 n false 0 停用 无效")
