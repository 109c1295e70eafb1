"""Logins and values, in and out: what goes over the wire, for any client of PEP 249."""

import datetime
import decimal

from driver import checksum, described
from steps import DATABASE, PASSWORD

BIG = bytes(range(256)) * (20 * 4096)  # 20 MiB: more than a packet of the protocol holds

# One of every kind that goes into a parameter, for the columns of a row.
PARAMETERS = [
    ("c_bigint", -(2**63)), ("c_int", None), ("c_bool", True),
    ("c_decimal", decimal.Decimal("-1.0000000001")), ("c_double", 1.5),
    ("c_date", datetime.date(2024, 2, 29)), ("c_time", datetime.timedelta(hours=-100, microseconds=5)),
    ("c_datetime", datetime.datetime(2024, 2, 29, 1, 2, 3, 456789)),
    ("c_varchar", "it's \"é\" \\ 漢 😀 %s ?"), ("c_varbinary", b"\x00\xff'\\\n"), ("c_text", ""),
    ("c_longblob", b"x" * 70_000), ("c_enum", "grün"), ("c_set", "a,c"), ("c_json", '{"k": 1}'),
]


def logins(battery, driver):
    ask = driver.ask

    @battery.step("login/as root")
    def _(c):
        return ask(c, "SELECT CURRENT_USER(), DATABASE(), @@character_set_client, @@autocommit, VERSION()")

    @battery.step("login/with a password", user=DATABASE, password=PASSWORD)
    def _(c):
        return ask(c, "SELECT USER() LIKE '%@%', DATABASE()")

    @battery.step("login/wrong password!", user=DATABASE, password="no")
    def _(c):
        return "in"

    @battery.step("login/no such database!", database="nowhere")
    def _(c):
        return "in"

    @battery.step("session/variables")
    def _(c):
        cursor = c.cursor()
        for sql in ["SET @mine = 'é', @other = 5", "SET time_zone = '+03:00'", "SET SESSION sql_mode = ''"]:
            cursor.execute(sql)
        return ask(c, "SELECT @mine, @other, @@time_zone, @@sql_mode, FROM_UNIXTIME(0)")

    @battery.step("session/thread id")
    def _(c):
        return ask(c, "SELECT CONNECTION_ID()")[0][0] == driver.thread_id(c)


def charsets(battery, driver):
    for name, text in [("utf8mb4", "é漢😀"), ("latin1", "é"), ("gbk", "漢字")]:

        @battery.step(f"charset/{name}", charset=name)
        def _(c):
            rows = driver.ask(c, "SELECT %s, HEX(%s), @@character_set_client, @@character_set_results", (text, text))
            return rows, rows[0][0] == text


def types(battery, driver):
    @battery.step("types/text")
    def _(c):
        cursor = c.cursor()
        cursor.execute("SET time_zone = '+00:00'")
        cursor.execute("SELECT * FROM types ORDER BY id")
        return described(cursor), cursor.fetchall()

    @battery.step("types/computed")
    def _(c):
        cursor = c.cursor()
        cursor.execute("SELECT 1, 1.5, 1e10, NULL, 'x', x'00ff', DATE '2024-01-01', TIME '01:02:03', 1 = 1, REPEAT('y', 70000)")
        return described(cursor), cursor.fetchall()

    @battery.step("types/parameters")
    def _(c):
        return inserted(c, c.cursor(), driver, 100)

    @battery.step("types/many rows by one call")
    def _(c):
        cursor = c.cursor()
        cursor.executemany("INSERT INTO loaded VALUES (%s, %s)", [(n, f"n{n}") for n in range(1000, 3000)])
        c.commit()
        return cursor.rowcount, driver.ask(c, "SELECT COUNT(*), SUM(CRC32(name)) FROM loaded WHERE id >= 1000")


def inserted(c, cursor, driver, id):
    parameters = [*PARAMETERS, ("c_bigint_u", driver.number_max)]
    columns = ", ".join(name for name, _ in parameters)
    marks = ", ".join(["%s"] * (len(parameters) + 1))
    cursor.execute(f"INSERT INTO types (id, {columns}) VALUES ({marks})", [id, *(value for _, value in parameters)])
    c.commit()
    return driver.ask(c, f"SELECT {columns} FROM types WHERE id = {id}")


def prepared(battery, driver):
    @battery.step("prepared/types")
    def _(c):
        c.cursor().execute("SET time_zone = '+00:00'")
        cursor = driver.prepared(c)
        cursor.execute(f"SELECT {driver.binary_columns} FROM types WHERE id < %s ORDER BY id", (100,))
        return described(cursor), cursor.fetchall()

    @battery.step("prepared/parameters")
    def _(c):
        return inserted(c, driver.prepared(c), driver, 200)

    @battery.step("prepared/again with other types")
    def _(c):
        cursor = driver.prepared(c)
        results = []
        for value in [1, "text", None, 2.5, b"\x00\xff", datetime.date(2024, 2, 29), decimal.Decimal("1.10"), -1]:
            cursor.execute("SELECT %s AS it, HEX(%s) AS hex", (value, value))
            results.append(cursor.fetchall())
        return results

    @battery.step("prepared/many at once")
    def _(c):
        cursors = [driver.prepared(c) for _ in range(30)]
        results = []
        for n, cursor in enumerate(cursors):
            cursor.execute(f"SELECT %s + {n}", (n,))
            results.append(cursor.fetchall())
        for cursor in cursors:
            cursor.close()
        return results

    @battery.step("prepared/syntax!")
    def _(c):
        driver.prepared(c).execute("SELEC %s", (1,))

    @battery.step("prepared/duplicate!")
    def _(c):
        driver.prepared(c).execute("INSERT INTO notes (id, name) VALUES (%s, %s)", (1, "again"))

    @battery.step("prepared/20 MiB")
    def _(c):
        cursor = driver.prepared(c)
        cursor.execute("INSERT INTO blobs VALUES (%s, %s)", (2, BIG))
        c.commit()
        cursor = driver.prepared(c)
        cursor.execute("SELECT data FROM blobs WHERE id = %s", (2,))
        return cursor.fetchall()


def streaming(battery, driver):
    @battery.step("streaming/100k rows")
    def _(c):
        cursor = driver.streaming(c)
        cursor.execute("SELECT n, name FROM many")
        return checksum(iter(cursor.fetchone, None))

    @battery.step("streaming/100k rows at once")
    def _(c):
        return checksum(driver.ask(c, "SELECT n, name FROM many"))

    @battery.step("streaming/left in the middle")
    def _(c):
        cursor = driver.streaming(c)
        cursor.execute("SELECT n, name FROM many ORDER BY n LIMIT 50000")
        rows = [cursor.fetchone() for _ in range(3)]
        battery.outcome_of(cursor.close)
        return rows

    @battery.step("streaming/no rows")
    def _(c):
        cursor = driver.streaming(c)
        cursor.execute("SELECT * FROM notes WHERE 1 = 0")
        return described(cursor), cursor.fetchall()


def blobs(battery, driver):
    @battery.step("blobs/20 MiB")
    def _(c):
        c.cursor().execute("INSERT INTO blobs VALUES (%s, %s)", (1, BIG))
        c.commit()
        return driver.ask(c, "SELECT LENGTH(data), data FROM blobs WHERE id = 1")

    for size in [0xFFFFFF - 9, 0xFFFFFF - 8, 0xFFFFFF - 6, 0xFFFFFF - 5, 0xFFFFFF - 4]:

        @battery.step(f"blobs/a value of {size}")
        def _(c):
            # Around where the row, and the statement, just fills a packet of the protocol.
            return driver.ask(c, f"SELECT REPEAT('x', {size})"), driver.ask(c, "SELECT LENGTH(%s)", ("y" * (size - 10),))
