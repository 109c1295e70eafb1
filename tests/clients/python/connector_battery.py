"""mysql-connector-python: `pure`, or `c` on Oracle's C library."""

import sys

if sys.argv[1] == "c":
    # First of all: it needs the OpenSSL that it brings, and Python's own would be taken once it is loaded.
    import _mysql_connector  # noqa: F401

import mysql.connector

from dbapi import Driver, play
from steps import CA, DATABASE, HOST, PASSWORD, PORT

PURE = {"pure": True, "c": False}[sys.argv[1]]


# Oracle's C library has errors of its own.
ERRORS = mysql.connector.Error if PURE else (mysql.connector.Error, _mysql_connector.MySQLError)


class Connector(Driver):
    errors = ERRORS
    prepares = True
    files = {"allow_local_infile": True}
    no_files = {"allow_local_infile": False}
    if not PURE:
        number_max = 2**63 - 1
    # It takes a binary YEAR for a text, straight from the server, too.
    binary_columns = ("id, c_tinyint, c_tinyint_u, c_smallint, c_mediumint, c_int, c_int_u, c_bigint, c_bigint_u, "
                      "c_decimal, c_float, c_double, c_bit, c_bool, c_date, c_time, c_datetime, c_timestamp, c_char, "
                      "c_varchar, c_binary, c_varbinary, c_tinytext, c_text, c_longtext, c_blob, c_longblob, c_enum, "
                      "c_set, c_json")

    def connect(self, **options):
        given = {"host": HOST, "port": PORT, "user": "root", "database": DATABASE, "charset": "utf8mb4"}
        given |= {"use_pure": PURE, "connection_timeout": 60}
        if CA:
            given |= {"ssl_ca": CA, "ssl_verify_cert": True, "ssl_verify_identity": True}
        else:
            given["ssl_disabled"] = True
        return mysql.connector.connect(**(given | options))

    def told(self, error):
        return error.errno, error.sqlstate, getattr(error, "msg", error)

    def thread_id(self, connection):
        return connection.connection_id

    def streaming(self, connection):
        return connection.cursor(buffered=False)

    def prepared(self, connection):
        return connection.cursor(prepared=True)

    def info(self, cursor):
        return [cursor.rowcount, cursor.lastrowid, cursor.warning_count]


driver = Connector()


def extra(battery):
    @battery.step("reset/ping")
    def _(c):
        c.ping(reconnect=False)
        return c.server_info if hasattr(c, "server_info") else None, c.is_connected()

    @battery.step("reset/change user")
    def _(c):
        c.cursor().execute("SET @before = 1")
        c.cmd_change_user(DATABASE, PASSWORD, DATABASE)
        return driver.ask(c, "SELECT USER() LIKE '%battery%', @before, DATABASE()")

    @battery.step("reset/change user, wrong password!")
    def _(c):
        c.cmd_change_user(DATABASE, "no", DATABASE)

    @battery.step("reset/reset_connection")
    def _(c):
        c.cursor().execute("SET @before = 1")
        c.cmd_reset_connection()
        return driver.ask(c, "SELECT @before, DATABASE()")

    @battery.step("reset/reset_session")
    def _(c):
        c.cursor().execute("SET @before = 1")
        c.reset_session(user_variables={"after": 2})
        return driver.ask(c, "SELECT @before, @after")

    @battery.step("database/init_db")
    def _(c):
        c.database = "oceanbase"
        return c.database

    @battery.step("database/init_db nothing!")
    def _(c):
        c.cmd_init_db("nothing")

    @battery.step("results/rows as dictionaries")
    def _(c):
        cursor = c.cursor(dictionary=True)
        cursor.execute("SELECT * FROM digits ORDER BY d LIMIT 2")
        return cursor.fetchall()

    @battery.step("results/raw")
    def _(c):
        cursor = c.cursor(raw=True)
        cursor.execute("SELECT * FROM notes WHERE id < 3 ORDER BY id")
        return cursor.fetchall()

    @battery.step("results/statistics")
    def _(c):
        return type(c.cmd_statistics()).__name__

    @battery.step("warnings/fetched by the client", get_warnings=True)
    def _(c):
        cursor = c.cursor()
        cursor.execute("SELECT CAST('12x' AS SIGNED)")
        return cursor.fetchall(), cursor.warnings

    @battery.step("procedures/with OUT")
    def _(c):
        cursor = c.cursor()
        args = cursor.callproc("doubled", (21, 0, "text"))
        return list(args.values()) if isinstance(args, dict) else args, [r.fetchall() for r in cursor.stored_results()]

    @battery.step("cancel/cmd_process_kill")
    def _(c):
        other = driver.connect()
        c.cmd_process_kill(other.connection_id)
        return battery.outcome_of(lambda: driver.ask(other, "SELECT 1"))


play(driver, extra)
