"""mysqlclient (MySQLdb), on MariaDB's C library."""

import MySQLdb
from MySQLdb.constants import CLIENT
from MySQLdb.cursors import DictCursor, SSCursor

from dbapi import Driver, play
from steps import CA, DATABASE, HOST, PASSWORD, PORT


class Mysqlclient(Driver):
    errors = MySQLdb.Error
    files = {"local_infile": 1}
    no_files = {"local_infile": 0}

    def connect(self, **options):
        given = {"host": HOST, "port": PORT, "user": "root", "database": DATABASE, "charset": "utf8mb4",
                 "connect_timeout": 60}
        if CA:
            given["ssl"] = {"ca": CA}
        return MySQLdb.connect(**(given | options))

    def told(self, error):
        return error.args

    def thread_id(self, connection):
        return connection.thread_id()

    def streaming(self, connection):
        return connection.cursor(SSCursor)

    def info(self, cursor):
        connection = cursor.connection
        return [cursor.rowcount, cursor.lastrowid, connection.warning_count(), connection.info()]


driver = Mysqlclient()


def extra(battery):
    @battery.step("reset/ping")
    def _(c):
        return c.ping(), c.get_server_info(), c.character_set_name(), c.get_character_set_info()

    @battery.step("reset/change user")
    def _(c):
        c.cursor().execute("SET @before = 1")
        c.change_user(DATABASE, PASSWORD, DATABASE)
        return driver.ask(c, "SELECT USER() LIKE '%battery%', @before, DATABASE()")

    @battery.step("reset/change user, wrong password!")
    def _(c):
        c.change_user(DATABASE, "no", DATABASE)

    @battery.step("reset/set charset")
    def _(c):
        c.set_character_set("latin1")
        return driver.ask(c, "SELECT @@character_set_client, @@character_set_results")

    @battery.step("database/select_db")
    def _(c):
        c.select_db("oceanbase")
        return driver.ask(c, "SELECT DATABASE()")

    @battery.step("database/select_db nothing!")
    def _(c):
        c.select_db("nothing")

    @battery.step("results/rows as dictionaries", cursorclass=DictCursor)
    def _(c):
        return driver.ask(c, "SELECT * FROM digits ORDER BY d LIMIT 2")

    @battery.step("results/statistics")
    def _(c):
        return c.stat().split(":")[0]

    @battery.step("login/found rows", client_flag=CLIENT.FOUND_ROWS)
    def _(c):
        cursor = c.cursor()
        return [cursor.execute("UPDATE digits SET d = d") for _ in range(2)]

    @battery.step("multi/off", multi_statements=False)
    def _(c):
        return battery.outcome_of(lambda: c.cursor().execute("SELECT 1; SELECT 2"))


play(driver, extra)
