"""The battery of clients that have Python's database interface (PEP 249)."""

import datetime
import decimal
import zlib

from steps import DATABASE, PASSWORD, SERVER, VICTIM, Battery, file, shown

SLEEP = "SELECT SLEEP(20) FROM notes WHERE id = 1"
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


class Driver:
    """How a client is spoken to beyond the interface; each client says what it has."""

    errors = Exception
    prepares = False
    # For the columns of `types` that it reads in the binary protocol.
    binary_columns = "*"
    # The greatest number that it takes for a parameter of a prepared statement.
    number_max = 2**64 - 1
    # How to connect for these.
    several = {}
    files = {}
    no_files = {}

    def connect(self, **options):
        raise NotImplementedError

    def told(self, error):
        """Code, SQLSTATE where the client knows it, text."""
        raise NotImplementedError

    def thread_id(self, connection):
        raise NotImplementedError

    def streaming(self, connection):
        """A cursor that reads rows as they come."""
        raise NotImplementedError

    def prepared(self, connection):
        """A cursor that prepares on the server, or None."""
        return None

    def info(self, cursor):
        """What the client keeps of an OK."""
        return [cursor.rowcount, cursor.lastrowid]

    def ask(self, connection, sql, args=None):
        with_cursor = connection.cursor()
        with_cursor.execute(sql, args) if args is not None else with_cursor.execute(sql)
        rows = with_cursor.fetchall()
        with_cursor.close()
        return rows


def all_results(cursor):
    """Every result of a statement: rows, or the number of affected ones."""
    results = []
    while True:
        if cursor.description:
            results.append([[column[0] for column in cursor.description], cursor.fetchall()])
        else:
            results.append(cursor.rowcount)
        if not cursor.nextset():
            return results


def checksum(rows):
    """Of rows in any order: how many, and a sum."""
    count = total = 0
    for row in rows:
        count += 1
        total += zlib.crc32(repr(tuple(row)).encode())
    return count, total


def described(cursor):
    return [tuple(column) for column in cursor.description]


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


def several_results(battery, driver):
    options = driver.several

    @battery.step("multi/results", **options)
    def _(c):
        cursor = c.cursor()
        cursor.execute(
            "SELECT 1 AS a; SELECT id, name FROM notes WHERE id < 3 ORDER BY id; SET @x = 1; "
            "UPDATE notes SET amount = amount + 1 WHERE id < 3; SELECT * FROM notes WHERE 1 = 0; SELECT 'end'"
        )
        return all_results(cursor)

    @battery.step("multi/error in the middle!", **options)
    def _(c):
        cursor = c.cursor()
        cursor.execute("SELECT 1; SELECT * FROM nothing; SELECT 3")
        return all_results(cursor)

    @battery.step("multi/left unread", **options)
    def _(c):
        cursor = c.cursor()
        cursor.execute("SELECT 1; SELECT 2; SELECT 3")
        cursor.fetchall()
        cursor.close()

    @battery.step("procedures/several results", **options)
    def _(c):
        cursor = c.cursor()
        cursor.execute("CALL two_results(2)")
        return all_results(cursor)

    @battery.step("procedures/error after a result!", **options)
    def _(c):
        cursor = c.cursor()
        cursor.execute("CALL fails_after_a_result()")
        return all_results(cursor)

    @battery.step("procedures/callproc", **options)
    def _(c):
        cursor = c.cursor()
        cursor.execute("SET @_doubled_2 = ''")
        args = cursor.callproc("no_result", (1,))
        return list(args)


ERRORS = {
    "syntax": "SELEC 1",
    "no such table": "SELECT * FROM nothing",
    "no such column": "SELECT nothing FROM notes",
    "duplicate": "INSERT INTO notes (id, name) VALUES (1, 'x')",
    "null": "INSERT INTO notes (name, amount) VALUES ('x', NULL)",
    "too long": "INSERT INTO notes (name) VALUES (REPEAT('x', 21))",
    "bad number": "INSERT INTO notes (name, amount) VALUES ('x', 'abc')",
    "no such function": "SELECT nothing(1)",
    "subquery of two rows": "SELECT (SELECT id FROM notes)",
    "no such variable": "SET nothing_of_this_name = 1",
    "access": "DROP TABLE mysql.user_that_is_not",
    "kill nobody": "KILL 4294967294",
}


def errors(battery, driver):
    def run(cursor, sql):
        cursor.execute(sql)
        return cursor.fetchall()

    for name, sql in ERRORS.items():

        @battery.step(f"errors/{name}!")
        def _(c):
            run(c.cursor(), sql)

    @battery.step("errors/one after the other")
    def _(c):
        cursor = c.cursor()
        return [battery.outcome_of(lambda: run(cursor, sql)) for sql in ERRORS.values()]

    @battery.step("warnings/show")
    def _(c):
        cursor = c.cursor()
        cursor.execute("SELECT CAST('12x' AS SIGNED), 1 / 0")
        rows = cursor.fetchall()
        return rows, driver.ask(c, "SHOW WARNINGS"), driver.ask(c, "SELECT @@warning_count")

    @battery.step("warnings/of an insert")
    def _(c):
        cursor = c.cursor()
        cursor.execute("INSERT IGNORE INTO notes (id, name) VALUES (1, 'x'), (2, REPEAT('y', 30))")
        return driver.ask(c, "SHOW WARNINGS"), driver.ask(c, "SHOW COUNT(*) WARNINGS")


def transactions(battery, driver):
    def count(c, name):
        return driver.ask(c, "SELECT COUNT(*) FROM notes WHERE name = %s", (name,))[0][0]

    @battery.step("transactions/rollback and commit")
    def _(c):
        cursor, seen = c.cursor(), []
        c.rollback()
        for end in [c.rollback, c.commit]:
            cursor.execute("INSERT INTO notes (name) VALUES ('in transaction')")
            other = battery.connect()
            seen += [count(c, "in transaction"), count(other, "in transaction")]
            end()
            other.rollback()
            seen.append(count(other, "in transaction"))
            other.close()
        return seen

    @battery.step("transactions/autocommit and savepoint")
    def _(c):
        c.autocommit(True) if callable(c.autocommit) else setattr(c, "autocommit", True)
        cursor = c.cursor()
        for sql in ["INSERT INTO notes (name) VALUES ('kept')", "BEGIN", "INSERT INTO notes (name) VALUES ('also')",
                    "SAVEPOINT here", "DELETE FROM notes", "ROLLBACK TO SAVEPOINT here", "COMMIT"]:
            cursor.execute(sql)
        return count(c, "kept"), count(c, "also"), driver.ask(c, "SELECT @@autocommit")

    @battery.step("transactions/left open at the end")
    def _(c):
        other = battery.connect()
        other.cursor().execute("INSERT INTO notes (name) VALUES ('left open')")
        other.close()
        return count(c, "left open")


def load_data(battery, driver):
    for name in ["rows", "empty", "many", "missing!", "bad!"]:

        @battery.step(f"infile/{name}", **driver.files)
        def _(c):
            cursor = c.cursor()
            cursor.execute("DELETE FROM loaded")
            path = file(name.strip("!") + ".tsv")
            cursor.execute(f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE loaded CHARACTER SET utf8mb4")
            if name == "bad!":  # a warning, as LOCAL is lenient
                raise_as_error(driver, c)
            info = driver.info(cursor)
            c.commit()
            return info, driver.ask(c, "SELECT COUNT(*), SUM(CRC32(name)), SUM(id) FROM loaded")

    @battery.step("infile/not allowed!", **driver.no_files)
    def _(c):
        c.cursor().execute(f"LOAD DATA LOCAL INFILE '{file('rows.tsv')}' INTO TABLE loaded")


def raise_as_error(driver, c):
    seen = driver.ask(c, "SHOW WARNINGS")
    c.cursor().execute("SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = %s", (shown(seen)[:100],))


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


def databases(battery, driver):
    @battery.step("database/use")
    def _(c):
        before = driver.ask(c, "SELECT DATABASE()")
        c.cursor().execute("USE oceanbase")
        between = driver.ask(c, "SELECT DATABASE()")
        c.cursor().execute(f"USE {DATABASE}")
        return before, between, driver.ask(c, "SELECT COUNT(*) FROM digits")

    @battery.step("database/use nothing!")
    def _(c):
        c.cursor().execute("USE nothing")


def results(battery, driver):
    @battery.step("results/insert, update, delete")
    def _(c):
        cursor, seen = c.cursor(), []
        for sql in [
            "INSERT INTO notes (name) VALUES ('r1')", "INSERT INTO notes (name) VALUES ('r2'), ('r3')",
            "UPDATE notes SET amount = 7 WHERE name LIKE 'r_'", "UPDATE notes SET amount = 7 WHERE name LIKE 'r_'",
            "REPLACE INTO notes (name, amount) VALUES ('r1', 8)", "DELETE FROM notes WHERE name LIKE 'r_'",
            "CREATE TABLE t (a INT)", "INSERT INTO t SELECT n FROM many", "DROP TABLE t", "SET @a = 1",
        ]:
            cursor.execute(sql)
            seen.append(driver.info(cursor))
        return seen

    @battery.step("results/metadata")
    def _(c):
        return [battery.outcome_of(lambda: driver.ask(c, sql)) for sql in [
            "SHOW TABLES", "DESCRIBE notes", "SHOW CREATE TABLE digits", "SHOW VARIABLES LIKE 'autocommit'",
            "SHOW FULL COLUMNS FROM notes",
        ]]


def cancelled(battery, driver):
    @battery.step("cancel/KILL QUERY!")
    def _(c):
        id = driver.thread_id(c)
        wait = battery.when_running(id, SLEEP, lambda other: other.cursor().execute(f"KILL QUERY {id}"))
        try:
            return driver.ask(c, SLEEP)
        finally:
            wait()

    @battery.step("cancel/KILL!", ends=True)
    def _(c):
        id = driver.thread_id(c)
        wait = battery.when_running(id, SLEEP, lambda other: other.cursor().execute(f"KILL {id}"))
        try:
            return driver.ask(c, SLEEP)
        finally:
            wait()

    @battery.step("cancel/by a time limit!")
    def _(c):
        c.cursor().execute("SET max_statement_time = 0.1" if SERVER == "mariadb" else "SET ob_query_timeout = 100000")
        try:
            return driver.ask(c, SLEEP)
        finally:
            c.cursor().execute("SET max_statement_time = 0" if SERVER == "mariadb" else "SET ob_query_timeout = 60000000")


def virtual_statements(battery, driver):
    """Through the proxy only."""
    ip, victim = VICTIM

    def list_of(c, cursor):
        cursor.execute("SHOW SERVER SESSIONS")
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row)) for row in cursor.fetchall()]
        ids = [(plain(row["Ip"]), row["Id"]) for row in rows]
        own = ids.count(("127.0.0.1", driver.thread_id(c)))
        return Plain(f"{','.join(names)}; own {own}, victim {ids.count((ip, int(victim)))}")

    @battery.step("sessions/text")
    def _(c):
        return list_of(c, driver.streaming(c))

    if driver.prepares:

        @battery.step("sessions/prepared")
        def _(c):
            cursor = driver.prepared(c)
            list_of(c, cursor)
            return list_of(c, cursor)

    @battery.step("sessions/full")
    def _(c):
        cursor = c.cursor()
        cursor.execute("SHOW FULL SERVER SESSIONS")
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row)) for row in cursor.fetchall()]
        own = [row for row in rows if (plain(row["Ip"]), row["Id"]) == ("127.0.0.1", driver.thread_id(c))]
        return Plain(f"Warden is {plain(own[0]['Warden'])}")

    def killing(name, ip, id):
        @battery.step(f"kill/{name}")
        def _(c):
            # The client's parameters put the address in quotes, and the id without.
            cursor = c.cursor()
            try:
                cursor.execute("KILL SERVER SESSION %s %s", (ip, id))
            except battery.errors as error:
                seen = driver.ask(c, "SHOW WARNINGS")
                error.said = f"{driver.told(error)[0]}, warnings {','.join(str(row[1]) for row in seen)}"
                raise
            return cursor.rowcount

    killing("no such server!", "10.99.99.99", 5)
    killing("victim", ip, int(victim))
    killing("again!", ip, int(victim))


def plain(value):
    return bytes(value).decode() if isinstance(value, (bytes, bytearray)) else value


class Plain(str):
    """Shown without quotes."""

    def __repr__(self):
        return str(self)


def play(driver, extra):
    """All of it, and what a client has beyond the interface."""

    def told(error):
        return (error.said,) if hasattr(error, "said") else driver.told(error)

    battery = Battery(driver.connect, driver.ask, driver.errors, told)
    logins(battery, driver)
    charsets(battery, driver)
    types(battery, driver)
    if driver.prepares:
        prepared(battery, driver)
    streaming(battery, driver)
    several_results(battery, driver)
    errors(battery, driver)
    transactions(battery, driver)
    load_data(battery, driver)
    blobs(battery, driver)
    databases(battery, driver)
    results(battery, driver)
    cancelled(battery, driver)
    extra(battery)
    if VICTIM:
        virtual_statements(battery, driver)
    battery.done()
