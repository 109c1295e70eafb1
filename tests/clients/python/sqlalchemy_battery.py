"""SQLAlchemy on PyMySQL: its pool, its reflection and its ORM; the wire itself is PyMySQL's."""

import datetime
import decimal

import pymysql
import sqlalchemy
from pymysql.constants import CLIENT
from sqlalchemy import (JSON, BigInteger, Boolean, Column, DateTime, Enum, ForeignKey, Integer, LargeBinary, MetaData,
                        Numeric, String, Table, Text, create_engine, func, inspect, select, text)
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column, relationship

from driver import Driver, Plain, checksum
from statements import ERRORS, SLEEP
from steps import CA, DATABASE, HOST, PASSWORD, PORT, VICTIMS, Battery, file
from virtual import virtual_statements


class Base(DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "authors"
    id = mapped_column(Integer, primary_key=True)
    name = mapped_column(String(50), unique=True)
    books = relationship("Book", back_populates="author", order_by="Book.id")


class Book(Base):
    __tablename__ = "books"
    id = mapped_column(Integer, primary_key=True)
    author_id = mapped_column(ForeignKey("authors.id"))
    title = mapped_column(String(100))
    price = mapped_column(Numeric(10, 2))
    printed = mapped_column(DateTime)
    about = mapped_column(JSON)
    cover = mapped_column(LargeBinary(1 << 24))
    author = relationship("Author", back_populates="books")


def engine(user="root", password="", database=DATABASE, charset="utf8mb4", arguments=None, **options):
    url = sqlalchemy.URL.create("mysql+pymysql", user, password, HOST, PORT, database, {"charset": charset})
    given = {"connect_timeout": 60}
    if CA:
        given |= {"ssl_ca": CA, "ssl_verify_cert": True, "ssl_verify_identity": True}
    return create_engine(url, connect_args=given | (arguments or {}), **options)


def connect(**options):
    return engine(poolclass=sqlalchemy.pool.NullPool, **options).connect()


def ask(c, sql, **parameters):
    if c.in_transaction():
        c.rollback()
    return [list(row) for row in c.execute(text(sql), parameters)]


def told(error):
    """The server's own words; SQLAlchemy's add the statement and its parameters."""
    if hasattr(error, "said"):
        return (error.said,)
    return error.orig.args if getattr(error, "orig", None) else (type(error).__name__, str(error))


def thread_id(c):
    return c.connection.driver_connection.thread_id()


battery = Battery(connect, ask, sqlalchemy.exc.SQLAlchemyError, told)
step = battery.step


@step("login/as root")
def _(c):
    return ask(c, "SELECT CURRENT_USER(), DATABASE()"), c.dialect.server_version_info, c.dialect.name


@step("login/with a password", user=DATABASE, password=PASSWORD)
def _(c):
    return ask(c, "SELECT DATABASE()")


@step("login/wrong password!", user=DATABASE, password="no")
def _(c):
    return "in"


@step("session/isolation level", isolation_level="READ COMMITTED")
def _(c):
    return c.get_isolation_level(), c.default_isolation_level


@step("charset/gbk", charset="gbk")
def _(c):
    return ask(c, "SELECT :text, HEX(:text)", text="漢字")


@step("charset/utf8mb4")
def _(c):
    return ask(c, "SELECT :text, HEX(:text)", text="é漢😀")


@step("types/reflected")
def _(c):
    table = Table("types", MetaData(), autoload_with=c)
    rows = c.execute(select(table).order_by(table.c.id)).all()
    return [f"{column.name} {column.type!r}" for column in table.columns], rows


@step("database/inspected")
def _(c):
    seen = inspect(c)
    names = "get_table_names", "get_view_names"
    of_table = "get_columns", "get_pk_constraint", "get_indexes", "get_unique_constraints", "get_foreign_keys", "get_table_comment"
    return (
        [[name, battery.outcome_of(getattr(seen, name))] for name in names]
        + [[name, battery.outcome_of(lambda: getattr(seen, name)("notes"))] for name in of_table]
        + [DATABASE in seen.get_schema_names(), seen.has_table("notes"), seen.has_table("nothing")]
    )


@step("results/objects")
def _(c):
    Base.metadata.drop_all(c)
    Base.metadata.create_all(c)
    c.commit()
    with Session(c) as session:
        author = Author(name="Ångström")
        author.books = [
            Book(title=f"title {n} 漢", price=decimal.Decimal("12.34") * n, printed=datetime.datetime(2024, 2, n),
                 about={"n": [n, None]}, cover=bytes(range(256)) * n)
            for n in range(1, 20)
        ]
        session.add(author)
        session.commit()
        session.expire_all()
        found = session.scalars(select(Book).join(Author).where(Book.price > 100).order_by(Book.id)).all()
        found[0].title = "changed"
        session.delete(found[-1])
        session.flush()
        left = session.scalar(select(func.count()).select_from(Book))
        session.rollback()
        return [[b.id, b.title, b.price, b.printed, b.about, b.cover] for b in found], left, len(author.books)


@step("results/insert, update, delete")
def _(c):
    notes = Table("notes", MetaData(), autoload_with=c)
    seen = []
    seen.append(c.execute(notes.insert(), {"name": "one"}).inserted_primary_key)
    seen.append(c.execute(notes.insert(), [{"name": f"n{n}", "amount": n} for n in range(500)]).rowcount)
    seen.append(c.execute(notes.update().where(notes.c.amount > 250).values(amount=0)).rowcount)
    seen.append(c.execute(notes.delete().where(notes.c.name.like("n%"))).rowcount)
    return seen


@step("streaming/100k rows")
def _(c):
    many = c.execution_options(stream_results=True, max_row_buffer=1000)
    return checksum(many.execute(text("SELECT n, name FROM many")))


@step("streaming/left in the middle")
def _(c):
    rows = c.execution_options(stream_results=True, max_row_buffer=10).execute(text("SELECT n FROM many ORDER BY n"))
    first = rows.fetchmany(3)
    rows.close()
    return first


@step("multi/results", arguments={"client_flag": CLIENT.MULTI_STATEMENTS})
def _(c):
    cursor = c.connection.cursor()
    cursor.execute("SELECT 1; SELECT 2")
    first = cursor.fetchall()
    cursor.nextset()
    return first, cursor.fetchall()


@step("procedures/call")
def _(c):
    return ask(c, "CALL two_results(2)")


@step("procedures/fails!")
def _(c):
    cursor = c.execute(text("CALL fails_after_a_result()")).cursor
    try:
        cursor.nextset()
    except pymysql.MySQLError as error:
        raise sqlalchemy.exc.DBAPIError("", None, error) from error


for name, sql in ERRORS.items():

    @step(f"errors/{name}!")
    def _(c):
        c.exec_driver_sql(sql)


@step("warnings/show")
def _(c):
    c.execute(text("SELECT CAST('12x' AS SIGNED)")).all()
    return list(c.execute(text("SHOW WARNINGS")))


@step("transactions/nested")
def _(c):
    with c.begin():
        c.execute(text("INSERT INTO notes (name) VALUES ('outer')"))
        with c.begin_nested() as inner:
            c.execute(text("INSERT INTO notes (name) VALUES ('inner')"))
            inner.rollback()
    return ask(c, "SELECT name FROM notes WHERE name IN ('outer', 'inner')")


@step("infile/rows", arguments={"local_infile": True})
def _(c):
    loaded = c.execute(text(f"LOAD DATA LOCAL INFILE '{file('rows.tsv')}' INTO TABLE loaded CHARACTER SET utf8mb4"))
    return loaded.rowcount, list(c.execute(text("SELECT * FROM loaded ORDER BY id")))


@step("blobs/17 MiB")
def _(c):
    big = b"\x00\xff'\n" * (17 << 18)
    c.execute(text("INSERT INTO blobs VALUES (1, :data)"), {"data": big})
    return list(c.execute(text("SELECT data FROM blobs WHERE id = 1")))


@step("reset/a pool")
def _(c):
    pool = engine(pool_size=2, max_overflow=0, pool_pre_ping=True, pool_recycle=3600)
    seen = []
    for _ in range(10):
        with pool.connect() as first, pool.connect() as second:
            seen.append(ask(first, "SELECT 1") + ask(second, "SELECT @left"))
            first.execute(text("INSERT INTO notes (name) VALUES ('left open')"))
    # A connection that was killed in the pool is found out and replaced.
    with pool.connect() as victim:
        id = thread_id(victim)
    c.execute(text(f"KILL {id}"))
    for _ in range(3):
        with pool.connect() as first, pool.connect() as second:
            seen.append(ask(first, "SELECT 3") + ask(second, "SELECT COUNT(*) FROM notes WHERE name = 'left open'"))
    pool.dispose()
    return seen


@step("cancel/KILL QUERY!")
def _(c):
    id = thread_id(c)
    wait = battery.when_running(id, SLEEP, lambda other: other.execute(text(f"KILL QUERY {id}")))
    try:
        return ask(c, SLEEP)
    finally:
        wait()


class Through(Driver):
    """A driver's cursor that is SQLAlchemy's."""

    errors = sqlalchemy.exc.SQLAlchemyError

    def told(self, error):
        return told(error)

    def thread_id(self, connection):
        return thread_id(connection)

    def cursor(self, connection, **options):
        return Executed(connection.execution_options(**options))

    def streaming(self, connection):
        return self.cursor(connection, stream_results=True)


class Executed:
    def __init__(self, connection):
        self.connection = connection

    def execute(self, sql, args=None):
        self.result = self.connection.exec_driver_sql(sql, args)
        self.fetchall = self.result.fetchall if self.result.returns_rows else list
        self.description = self.result.cursor and self.result.cursor.description
        self.rowcount = self.result.rowcount

    def close(self):
        self.result.close()


if VICTIMS:

    @step("console/inspected")
    def _(c):
        seen = inspect(c)
        columns = {column["name"]: column["type"] for column in seen.get_columns("servers", schema="obwarden")}
        return (
            [Plain(name) for name in seen.get_table_names(schema="obwarden")],
            [Plain(name) for name in seen.get_view_names(schema="obwarden")],
            [Plain(f"{name} {columns[name]!r}") for name in ("ip", "port", "latency_ms")],
            seen.get_pk_constraint("servers", schema="obwarden")["constrained_columns"],
            seen.get_indexes("servers", schema="obwarden"),
            seen.get_foreign_keys("servers", schema="obwarden"),
            [seen.has_table(name, schema="obwarden") for name in ("servers", "nothing")],
        )

    @step("console/reflected")
    def _(c):
        ip, *ids = VICTIMS
        sessions = Table("server_sessions", MetaData(), schema="obwarden", autoload_with=c)
        of_victims = (sessions.c.ip == ip) & sessions.c.id.in_([int(id) for id in ids])
        grouped = select(sessions.c.user, func.count().label("n")).where(of_victims).group_by(sessions.c.user)
        by_name = select(sessions).where(of_victims).order_by(sessions.c.id.desc()).limit(1).offset(1)
        return (
            [tuple(row) for row in c.execute(grouped)],
            [str(row.id) == ids[1] for row in c.execute(by_name)],
        )

    virtual_statements(battery, Through())

battery.done()
