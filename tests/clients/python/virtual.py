"""obwarden's own statements, for any client of PEP 249: through the proxy only."""

from driver import Plain
from steps import VICTIMS

# Kinds of columns by the protocol's numbers, which all clients give as they come.
KINDS = {5: "DOUBLE", 8: "BIGINT", 246: "DECIMAL", 252: "TEXT", 253: "VARCHAR"}

PICKED = "SHOW SERVER SESSIONS WHERE Ip = %s AND Id IN (%s, %s, %s) ORDER BY Id DESC LIMIT %s"

# As a dashboard asks.
GROUPED = (
    "SELECT user, COUNT(*) AS sessions, AVG(id = %s) AS share, MAX(info) AS info, MIN(COALESCE(info, '-')) AS said "
    "FROM obwarden.server_sessions WHERE ip = %s AND id IN (%s, %s, %s) GROUP BY user ORDER BY sessions DESC LIMIT %s"
)

# It would take hours.
ENDLESS = "SELECT COUNT(*) FROM " + ", ".join(f"obwarden.server_sessions AS s{n}" for n in range(30))


def virtual_statements(battery, driver):
    ip, *victims = VICTIMS
    victims = [int(id) for id in victims]
    lists(battery, driver, ip, victims)
    selects(battery, driver, ip, victims)
    small_tables(battery, driver)
    kills(battery, driver, ip, victims)


def lists(battery, driver, ip, victims):
    def list_of(c, cursor):
        cursor.execute("SHOW SERVER SESSIONS")
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row)) for row in cursor.fetchall()]
        ids = [(plain(row["Ip"]), row["Id"]) for row in rows]
        own = ids.count(("127.0.0.1", driver.thread_id(c)))
        return Plain(f"{','.join(names)}; own {own}, victim {ids.count((ip, victims[0]))}")

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
        cursor = driver.cursor(c)
        cursor.execute("SHOW FULL SERVER SESSIONS")
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row)) for row in cursor.fetchall()]
        own = [row for row in rows if (plain(row["Ip"]), row["Id"]) == ("127.0.0.1", driver.thread_id(c))]
        return Plain(f"Warden is {plain(own[0]['Warden'])}")

    def picked(cursor):
        cursor.execute(PICKED, (ip, *victims, 2))
        at = [column[0] for column in cursor.description].index("Id")
        return listed(victims.index(row[at]) for row in cursor.fetchall())

    twice(battery, driver, "sessions/picked", picked)


def selects(battery, driver, ip, victims):
    def grouped(cursor):
        cursor.execute(GROUPED, (victims[0], ip, *victims, 10))
        columns = listed(f"{name} {KINDS[kind]}" for name, kind, *_ in cursor.description)
        return Plain(f"{columns}: {'; '.join(map(listed, cursor.fetchall()))}")

    twice(battery, driver, "select/grouped", grouped)

    @battery.step("select/interrupted!")
    def _(c):
        id = driver.thread_id(c)

        def kill(other):
            driver.cursor(other).execute(f"KILL QUERY {id}")

        wait = battery.when_running(id, ENDLESS, kill, listed="obwarden.clients", text="statement")
        try:
            return refused(battery, driver, lambda: driver.ask(c, ENDLESS))
        finally:
            wait()


def small_tables(battery, driver):
    @battery.step("servers/picked")
    def _(c):
        return chosen(c, driver, "SHOW SERVERS WHERE Zone = %s AND Reachable = %s", ("z2", "YES"), "Zone", "Reachable")

    @battery.step("warden/clients")
    def _(c):
        id = driver.thread_id(c)
        return chosen(c, driver, "SHOW WARDEN CLIENTS WHERE Id = %s AND Zone = %s", (id, "z1"), "User", "Zone")

    @battery.step("warden/status")
    def _(c):
        return listed(driver.ask(c, "SHOW WARDEN STATUS LIKE %s", ("node_connections%",))[0])

    @battery.step("tables/names")
    def _(c):
        return listed(name for name, in driver.ask(c, "SHOW TABLES FROM obwarden"))

    @battery.step("tables/columns")
    def _(c):
        rows = driver.ask(c, "DESCRIBE obwarden.server_sessions")
        return listed(cell for row in rows if plain(row[0]) in ("ip", "id") for cell in row[:2])

    @battery.step("tables/created")
    def _(c):
        return Plain(plain(driver.ask(c, "SHOW CREATE TABLE obwarden.server_sessions")[0][1]).splitlines()[0])

    @battery.step("tables/used!")
    def _(c):
        return refused(battery, driver, lambda: driver.cursor(c).execute("USE obwarden"))


def kills(battery, driver, ip, victims):
    def killing(name, ip, id):
        @battery.step(f"kill/{name}")
        def _(c):
            # The client's parameters put the address in quotes, and the id without.
            cursor = driver.cursor(c)
            try:
                cursor.execute("KILL SERVER SESSION %s %s", (ip, id))
            except battery.errors as error:
                seen = driver.ask(c, "SHOW WARNINGS")
                error.said = f"{driver.told(error)[0]}, warnings {','.join(str(row[1]) for row in seen)}"
                raise
            return cursor.rowcount

    killing("no such server!", "10.99.99.99", 5)

    @battery.step("kill/explained")
    def _(c):
        return chosen(c, driver, "EXPLAIN KILL SERVER SESSION %s %s", (ip, victims[0]), "Verdict")

    killing("victim", ip, victims[0])
    killing("again!", ip, victims[0])

    if driver.prepares:

        @battery.step("kill/prepared")
        def _(c):
            cursor = driver.prepared(c)
            cursor.execute("KILL SERVER SESSION %s %s", (ip, victims[1]))
            return cursor.rowcount

    @battery.step("kill/where")
    def _(c):
        cursor = driver.cursor(c)
        cursor.execute("KILL SERVER SESSIONS WHERE Ip = %s AND Id = %s", (ip, victims[2]))
        return cursor.rowcount


def twice(battery, driver, name, body):
    """A step in text and, where the client has it, one prepared on the server, which runs two times."""

    @battery.step(name)
    def _(c):
        return body(driver.cursor(c))

    if driver.prepares:

        @battery.step(f"{name}, prepared")
        def _(c):
            cursor = driver.prepared(c)
            body(cursor)
            return body(cursor)


def chosen(c, driver, sql, args, *names):
    """Some columns of the only row."""
    cursor = driver.cursor(c)
    cursor.execute(sql, args)
    (row,) = cursor.fetchall()
    cells = dict(zip([column[0] for column in cursor.description], row))
    return listed(cells[name] for name in names)


def refused(battery, driver, function):
    """The same error, told by its code alone."""
    try:
        return function()
    except battery.errors as error:
        error.said = driver.told(error)[0]
        raise


def listed(cells):
    return Plain(", ".join("NULL" if cell is None else str(plain(cell)) for cell in cells))


def plain(value):
    return value.decode() if isinstance(value, bytearray) else value
