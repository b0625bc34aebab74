"""Full text search: which issues contain what was typed, Chinese as it stands, from an index that both databases keep themselves.

Neither database finds two Chinese characters within a text by what it brings along for words; pg_trgm is not everywhere, and
sees no Chinese under the locale C. So SQLite keeps FTS5 with its trigrams (two characters are found as the beginnings of
trigrams), and PostgreSQL keeps pairs of characters in a `tsvector` under a GIN index. Triggers on `issue` keep both (migration
0006), so that no way of writing can forget it; a sweep changes no text and pays nothing. What was found by its parts is then
compared with the text itself.
"""

from typing import Any

from sqlalchemy import Boolean, ColumnElement, Connection, and_, false, literal, or_, true
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from escalation.queries import ISSUE
from escalation.world import World

#: So many characters are looked at, in so many words.
LONGEST, WORDS = 200, 8
_TEXTS = (ISSUE.c.number, ISSUE.c.title, ISSUE.c.description, ISSUE.c.requested_action, ISSUE.c.progress_note)
_LAST = "\U0010ffff"


class _Found(FunctionElement[bool]):
    """Is an issue (the first argument) among those that the index finds, or does the last argument, a condition, hold for it?"""

    type = Boolean()
    inherit_cache = True


@compiles(_Found, "sqlite")
def _on_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    mine, first, last, parts, _, or_else = (compiler.process(each, **options) for each in element.clauses)
    # a word of one or two characters has no trigram of its own
    short = f"SELECT doc FROM issue_search_words WHERE term >= {first} AND term < {last}"
    whole = f"SELECT rowid FROM issue_search WHERE issue_search MATCH {parts}"
    is_short = element.clauses.clauses[3].value == ""
    return f"{mine} IN ({short if is_short else whole} UNION ALL SELECT id FROM issue WHERE {or_else})"


@compiles(_Found, "postgresql")
def _on_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    mine, _, _, _, pairs, or_else = (compiler.process(each, **options) for each in element.clauses)
    whole = f"SELECT issue_id FROM issue_search WHERE grams @@ CAST({pairs} AS tsquery)"
    return f"{mine} IN ({whole} UNION ALL SELECT id FROM issue WHERE {or_else})"


def found(q: str, world: World) -> ColumnElement[bool]:
    """The condition that every word of `q` is in the number, a text, or the project of an issue."""
    words = q.replace("\x00", "").encode("utf-8", "replace").decode()[:LONGEST].split()[:WORDS]
    return and_(true(), *[_word(word, world) for word in dict.fromkeys(words)])


def _word(word: str, world: World) -> ColumnElement[bool]:
    word = word.lower()
    named = [each.id for each in world.projects.values() if word in each.name.lower() or word in each.code.lower()]
    in_project = ISSUE.c.project_id.in_(named) if named else false()
    trigrams = " AND ".join(_quoted(word[place : place + 3], '"') for place in range(len(word) - 2))
    pairs = " & ".join(_quoted(word[place : place + 2].replace("\\", "\\\\"), "'") for place in range(len(word) - 1))
    by_index = _Found(
        ISSUE.c.id,
        literal(word),
        literal(word + _LAST),
        literal(trigrams),
        literal(pairs or _quoted(word.replace("\\", "\\\\"), "'") + ":*"),
        in_project,
    )
    if len(word) <= 2:  # what the index knows exactly
        return by_index
    return and_(by_index, or_(in_project, *[column.icontains(word, autoescape=True) for column in _TEXTS]))


def _quoted(text: str, mark: str) -> str:
    return mark + text.replace(mark, mark * 2) + mark


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
