"""The battery of clients that have Python's database interface (PEP 249)."""

from driver import Driver, Plain
from statements import cancelled, databases, errors, load_data, results, several_results, transactions
from steps import VICTIM, Battery
from values import blobs, charsets, logins, prepared, streaming, types

__all__ = ["Driver", "play"]


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
