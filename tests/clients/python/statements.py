"""Statements and what they do to a session, for any client of PEP 249."""

from driver import all_results
from steps import DATABASE, SERVER, file, shown

SLEEP = "SELECT SLEEP(20) FROM notes WHERE id = 1"


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
            if name == "missing!":
                # A client that has no such file may leave without a word: the server is not to wait for long.
                cursor.execute("SET SESSION net_read_timeout = 1")
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
