"""PyMySQL, a client in Python alone."""

import pymysql
from pymysql.constants import CLIENT
from pymysql.cursors import DictCursor, SSCursor

from dbapi import Driver, play
from steps import CA, DATABASE, HOST, PORT


class PyMySQL(Driver):
    errors = pymysql.MySQLError
    several = {"client_flag": CLIENT.MULTI_STATEMENTS}
    files = {"local_infile": True}

    def connect(self, **options):
        given = {"host": HOST, "port": PORT, "user": "root", "database": DATABASE, "charset": "utf8mb4",
                 "connect_timeout": 60}
        if CA:
            given |= {"ssl_ca": CA, "ssl_verify_cert": True, "ssl_verify_identity": True}
        return pymysql.connect(**(given | options))

    def told(self, error):
        return error.args

    def thread_id(self, connection):
        return connection.thread_id()

    def streaming(self, connection):
        return connection.cursor(SSCursor)

    def info(self, cursor):
        result = cursor._result
        return [result.affected_rows, result.insert_id, result.warning_count, result.message, result.server_status]


driver = PyMySQL()


def extra(battery):
    @battery.step("reset/ping")
    def _(c):
        c.ping(reconnect=False)
        return c.get_server_info(), c.server_status, c.character_set_name()

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

    @battery.step("cancel/kill by the connection", autocommit=True)
    def _(c):
        other = driver.connect()
        c.kill(other.thread_id())
        return battery.outcome_of(lambda: driver.ask(other, "SELECT 1"))

    @battery.step("login/found rows", client_flag=CLIENT.FOUND_ROWS)
    def _(c):
        cursor = c.cursor()
        return [cursor.execute("UPDATE digits SET d = d") for _ in range(2)]

    @battery.step("login/init_command", init_command="SET @at_login = 'yes'")
    def _(c):
        return driver.ask(c, "SELECT @at_login")


play(driver, extra)
