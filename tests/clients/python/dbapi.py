"""The battery of clients that have Python's database interface (PEP 249)."""

from driver import Driver
from statements import cancelled, databases, errors, load_data, results, several_results, transactions
from steps import VICTIMS, Battery
from values import blobs, charsets, logins, prepared, streaming, types
from virtual import virtual_statements

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
    if VICTIMS:
        virtual_statements(battery, driver)
    battery.done()
