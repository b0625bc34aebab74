"""Full text search: which issues contain what was typed, Chinese as it stands, from an index that both databases keep themselves.

Neither database finds two Chinese characters within a text by what it brings along for words; pg_trgm is not everywhere, and
sees no Chinese under the locale C. So SQLite keeps FTS5 with its trigrams (two characters are found as the beginnings of
trigrams), and PostgreSQL keeps pairs of characters in a `tsvector` under a GIN index. Triggers on `issue` keep both (migration
0006), so that no way of writing can forget it; a sweep changes no text and pays nothing. What was found by its parts is then
compared with the text itself.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, TextClause, and_, bindparam, or_, text, true
from sqlmodel import Session

from escalation.queries import ISSUE
from escalation.world import World

#: So many characters are looked at, in so many words.
LONGEST, WORDS = 200, 8
#: What more issues contain than this is not looked up: among so many, going through the list in its order finds a page sooner.
FREQUENT = 10_000
#: The longest word that the index knows exactly; a longer one is compared with the texts.
EXACT = 2
_TEXTS = (ISSUE.c.number, ISSUE.c.title, ISSUE.c.description, ISSUE.c.requested_action, ISSUE.c.progress_note)
_LAST = "\U0010ffff"
#: Where a session remembers what is frequent: a page asks several times.
KNOWN = "searched"


def found(session: Session, q: str, world: World) -> ColumnElement[bool]:
    """The condition that every word of `q` is in the number, a text, or the project of an issue."""
    words = q.replace("\x00", "").encode("utf-8", "replace").decode()[:LONGEST].lower().split()[:WORDS]
    named = {word: _projects(word, world) for word in dict.fromkeys(words)}
    alone = [word for word, projects in named.items() if not projects]
    conditions = [_contained(session, alone, [])] if alone else []
    conditions += [_contained(session, [word], projects) for word, projects in named.items() if projects]
    return and_(true(), *conditions)


def _projects(word: str, world: World) -> list[int]:
    return [each.id for each in world.projects.values() if word in each.name.lower() or word in each.code.lower()]


def _contained(session: Session, words: Sequence[str], projects: list[int]) -> ColumnElement[bool]:
    """Every word is in a text of the issue, or the issue is of one of these projects."""
    connection = session.connection()
    here = [ISSUE.c.project_id.in_(projects)] if projects else []
    if _frequent(session, words):
        return or_(*here, and_(*[_in_texts(word) for word in words]))
    sql, values = _hits(connection, words)
    if projects:
        sql += " UNION ALL SELECT id FROM issue WHERE project_id IN :projects"
        values = [*values, bindparam("projects", projects, expanding=True, unique=True)]
    by_index: Any = text(f"issue.id IN ({sql})").bindparams(*values)
    longer = [word for word in words if len(word) > EXACT]
    return and_(by_index, or_(*here, and_(*[_in_texts(word) for word in longer]))) if longer else and_(by_index)


def _in_texts(word: str) -> ColumnElement[bool]:
    return or_(*[column.icontains(word, autoescape=True) for column in _TEXTS])


def _frequent(session: Session, words: Sequence[str]) -> bool:
    known = session.info.setdefault(KNOWN, {})
    key = tuple(words)
    if key not in known:
        sql, values = _hits(session.connection(), words)
        counting: TextClause = text(f"SELECT count(*) FROM (SELECT 1 FROM ({sql}) AS hits LIMIT {FREQUENT + 1}) AS few")
        known[key] = (session.connection().execute(counting.bindparams(*values)).scalar() or 0) > FREQUENT
    return bool(known[key])


def _hits(connection: Connection, words: Sequence[str]) -> tuple[str, list[BindParameter[Any]]]:
    """The SELECT of the issues that the index has for all these words, and what is bound in it."""
    return _on_sqlite(words) if connection.dialect.name == "sqlite" else _on_postgresql(words)


def _on_sqlite(words: Sequence[str]) -> tuple[str, list[BindParameter[Any]]]:
    trigrams = [word[place : place + 3] for word in words for place in range(len(word) - 2)]
    parts: list[str] = []
    values: list[BindParameter[Any]] = []
    if trigrams:
        parts.append("SELECT rowid FROM issue_search WHERE issue_search MATCH :parts")
        values.append(bindparam("parts", " AND ".join(_quoted(each, '"') for each in dict.fromkeys(trigrams)), unique=True))
    for place, word in enumerate(each for each in words if len(each) <= EXACT):
        # a word of one or two characters has no trigram of its own
        parts.append(f"SELECT doc FROM issue_search_words WHERE term >= :first{place} AND term < :last{place}")
        values.append(bindparam(f"first{place}", word, unique=True))
        values.append(bindparam(f"last{place}", word + _LAST, unique=True))
    return " INTERSECT ".join(parts), values


def _on_postgresql(words: Sequence[str]) -> tuple[str, list[BindParameter[Any]]]:
    pairs = [_lexeme(word[place : place + 2]) for word in words for place in range(len(word) - 1)]
    pairs += [_lexeme(word) + ":*" for word in words if len(word) == 1]
    query: BindParameter[Any] = bindparam("pairs", " & ".join(dict.fromkeys(pairs)), unique=True)
    return "SELECT issue_id FROM issue_search WHERE grams @@ CAST(:pairs AS tsquery)", [query]


def _lexeme(part: str) -> str:
    return _quoted(part.replace("\\", "\\\\"), "'")


def _quoted(part: str, mark: str) -> str:
    return mark + part.replace(mark, mark * 2) + mark


def rebuild(connection: Connection) -> None:
    """Makes the index anew from the issues, for whoever has filled the table past its triggers."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("INSERT INTO issue_search(issue_search) VALUES ('delete-all')")
        connection.exec_driver_sql(f"INSERT INTO issue_search(rowid, text) SELECT id, {TEXT.format('issue')} FROM issue")
        return
    connection.exec_driver_sql("DROP INDEX ix_issue_search_grams")
    connection.exec_driver_sql("TRUNCATE issue_search")
    connection.exec_driver_sql(f"INSERT INTO issue_search SELECT id, issue_grams({TEXT.format('issue')}) FROM issue")
    connection.exec_driver_sql("CREATE INDEX ix_issue_search_grams ON issue_search USING gin (grams)")


#: What is searched in; two characters between texts, so that no part of one reaches into the next.
TEXT = " || '\n\n' || ".join(f"{{0}}.{column.name}" for column in _TEXTS) + " || '\n\n'"
