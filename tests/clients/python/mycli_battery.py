"""mycli, a console: statements given by option, and what it does on a terminal."""

import os
import subprocess
import sys

import pymysql

from mycli_terminal import Terminal
from statements import ERRORS, SLEEP
from steps import CA, DATABASE, HOST, PASSWORD, PORT, SERVER, VICTIMS, Battery, file, shown
from virtual import ENDLESS, GROUPED

PROGRAM = os.path.join(os.path.dirname(os.path.dirname(pymysql.__file__)), "bin", "mycli")
# Longer outcomes are told by their checksum.
LONG = 1000
STILL = "SELECT 'still', 'here'"

# Its settings are in a file of their own, and so is whatever it keeps.
SETTINGS = f"""
[main]
prompt = 'mycli> '
enable_pager = False
destructive_warning = False
history_file = {file("mycli-history")}
log_file = {file("mycli.log")}
table_format = ascii
"""


def words(user="root", password="", database=DATABASE):
    with open(file("myclirc"), "w") as settings:
        settings.write(SETTINGS)
    options = ["--myclirc", file("myclirc"), "-h", HOST, "-P", str(PORT), "-u", user, "-D", database]
    options += ["--use-keyring", "false", f"--password={password}"]
    options += ["--ssl-mode", "on", "--ssl-ca", CA, "--ssl-verify-server-cert"] if CA else ["--ssl-mode", "off"]
    return [sys.executable, "-W", "ignore", PROGRAM, *options]


def environment():
    return os.environ | {"HOME": os.environ["BATTERY_FILES"], "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}


class Refused(Exception):
    pass


def said(*statements, options=(), **login):
    """What it prints, run to its end."""
    command = [*words(**login), *options, "--execute", ";\n".join(statements)]
    ended = subprocess.run(command, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    if ended.returncode != 0:
        raise Refused(ended.stderr.replace("Ignoring STDIN since --execute was also given.", "").strip())
    return ended.stdout


def watcher(**options):
    """A session beside mycli's."""
    given = {"host": HOST, "port": PORT, "user": "root", "connect_timeout": 60}
    if CA:
        given |= {"ssl_ca": CA, "ssl_verify_cert": True, "ssl_verify_identity": True}
    return pymysql.connect(**(given | options))


def ask(connection, sql):
    cursor = connection.cursor()
    cursor.execute(sql)
    return cursor.fetchall()


battery = Battery(watcher, ask, pymysql.MySQLError, lambda error: error.args)


# What that looks like, in a table and without one.
STILL_SHOWN = "+-------+------+\n| still | here |\n", "still\there\n"


def step(name):
    """What comes after the answer to `STILL` is left out: only that it came is told."""

    def run(body):
        try:
            printed, state = body(), "ended"
            for shown_so in STILL_SHOWN:
                if shown_so in printed:
                    printed, state = printed.split(shown_so)[0], "alive"
            outcome = f"ok {printed.strip() if len(printed) < LONG else shown(printed)} | {state}"
        except Refused as error:
            outcome = f"error {error} | ended"
        battery.say(name, outcome)

    return run


def typed(name, *statements, options=("--table",), alive=True, **login):
    @step(name)
    def _():
        return said(*statements, *([STILL] if alive else []), options=options, **login)


typed("login/as root", "SELECT CURRENT_USER(), DATABASE(), @@character_set_client, @@autocommit")
typed("login/with a password", "SELECT DATABASE()", user=DATABASE, password=PASSWORD)
typed("login/wrong password!", "SELECT 1", user=DATABASE, password="no")
typed("login/no such database!", "SELECT 1", database="nowhere")
typed("session/variables", "SET @mine = 'é', @other = 5", "SELECT @mine, @other", options=("--init-command", "SET @x = 1"))
typed("charset/utf8mb4", "SELECT 'é漢😀', HEX('é漢😀')")
typed("types/csv", "SET time_zone = '+00:00'", "SELECT * FROM types ORDER BY id", options=("--format", "csv"), alive=False)
typed("types/vertical", "SELECT * FROM notes WHERE id < 3 ORDER BY id\\G", alive=False)
typed("streaming/100k rows", "SELECT n, name FROM many ORDER BY n", options=("--unbuffered", "--format", "tsv"))
typed("multi/results", "SELECT 1 AS a", "SET @x = 1", "UPDATE notes SET amount = amount WHERE id < 3", "SELECT @x")
typed("multi/error in the middle!", "SELECT 1", "SELECT * FROM nothing", "SELECT 3")
typed("procedures/call", "CALL two_results(2)")
for name in ["syntax", "kill nobody"]:
    typed(f"errors/{name}!", ERRORS[name])
typed("warnings/shown by the client", "SELECT CAST('12x' AS SIGNED)", options=("--table", "--show-warnings"))
typed("transactions/rollback", "BEGIN", "INSERT INTO notes (name) VALUES ('tx')", "ROLLBACK",
      "SELECT COUNT(*) FROM notes WHERE name = 'tx'")
load = f"LOAD DATA LOCAL INFILE '{file('rows.tsv')}' INTO TABLE loaded CHARACTER SET utf8mb4"
typed("infile/rows", load, "SELECT * FROM loaded ORDER BY id", options=("--table", "--local-infile", "true"))
typed("infile/not allowed!", load, options=("--table", "--local-infile", "false"))
typed("database/use", "USE oceanbase", "SELECT DATABASE()")
typed("database/tables", "\\dt", alive=False)
typed("database/described", "DESCRIBE notes", "SHOW CREATE TABLE digits")
typed("results/insert, update, delete", "INSERT INTO notes (name) VALUES ('r1')", "UPDATE notes SET amount = 7 WHERE name = 'r1'",
      "DELETE FROM notes WHERE name = 'r1'", "SELECT ROW_COUNT()")


def cancelled(terminal, sql, listed="oceanbase.V$OB_PROCESSLIST", text="INFO"):
    """A statement that Ctrl-C ends, and one behind it."""
    running = f"SELECT id FROM {listed} WHERE {text} LIKE '{sql[:20]}%'"
    other = watcher()
    terminal.type(f"{sql};\r")
    terminal.until(lambda: ask(other, running))
    other.close()
    terminal.shows_upon("\x03", "Query cancelled")
    terminal.type(f"{STILL};\r")
    terminal.shows("| still | here |")


def on_a_terminal(name, body):
    @step(name)
    def _():
        with Terminal(words(), environment()) as terminal:
            terminal.shows("mycli>")
            body(terminal)
        return "as it should be"


on_a_terminal("database/completed", lambda terminal: terminal.completes("SELECT * FROM dig", "digits"))
on_a_terminal("cancel/Ctrl-C", lambda terminal: cancelled(terminal, SLEEP))


def virtual_statements():
    ip, *ids = VICTIMS
    victims = f"Ip = '{ip}' AND Id IN ({', '.join(ids)})"
    values = [ids[0], f"'{ip}'", *ids, "10"]

    @step("sessions/picked")
    def _():
        sql = f"SHOW SERVER SESSIONS WHERE {victims} ORDER BY Id DESC LIMIT 2"
        lines = said(sql, options=("--format", "tsv")).splitlines()
        return ", ".join(str(ids.index(line.split("\t")[3])) for line in lines[1:])

    typed("select/grouped", GROUPED % tuple(values))
    typed("servers/selected", "SELECT zone, reachable FROM obwarden.servers ORDER BY zone")
    typed("warden/status", "SHOW WARDEN STATUS LIKE 'node_connections%'")
    typed("tables/names", "SHOW TABLES FROM obwarden")

    @step("tables/used!")
    def _():
        try:
            return said("USE obwarden")
        except Refused as error:
            raise Refused(str(error).split(",")[0]) from error

    def listed_and_cancelled(terminal):
        terminal.type(f"SHOW SERVER SESSIONS WHERE {victims};\r")
        terminal.shows("3 rows in set")
        terminal.type("SHOW SERVER SESSION;\r")
        terminal.shows("(1064, ")
        cancelled(terminal, ENDLESS, "obwarden.clients", "statement")

    on_a_terminal("console/on a terminal", listed_and_cancelled)

    @step("kill/explained")
    def _():
        lines = said(f"EXPLAIN KILL SERVER SESSIONS WHERE {victims}", options=("--format", "tsv")).splitlines()
        return ", ".join(line.split("\t")[-1] for line in lines)

    typed("kill/where", f"KILL SERVER SESSIONS WHERE {victims} COMMENT 'by mycli'", options=("--table", "-v"))


if VICTIMS:
    virtual_statements()
battery.done()
