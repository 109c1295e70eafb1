"""What the batteries in Python share: where the server is, and how a step is told."""

import collections.abc
import datetime
import decimal
import os
import sys
import threading
import time
import zlib

HOST = os.environ["BATTERY_HOST"]
PORT = int(os.environ["BATTERY_PORT"])
SERVER = os.environ["BATTERY_SERVER"]
DATABASE = os.environ["BATTERY_DATABASE"]
FILES = os.environ["BATTERY_FILES"]
# An address and ids of sessions there; through obwarden only.
VICTIMS = os.environ["BATTERY_VICTIMS"].split()
# Of the server's certificate, where there is to be TLS.
CA = os.environ["BATTERY_CA"]
PASSWORD = "pass word"

LONG = 200


def file(name):
    return os.path.join(FILES, name)


def shown(value):
    """A value as one line; a long one as its length and checksum."""
    if isinstance(value, collections.abc.Sequence) and not isinstance(value, (str, bytes, bytearray, memoryview)):
        text = "[" + ", ".join(shown(item) for item in value) + "]"
        return text if len(text) < 20_000 else f"<{len(text)} characters {zlib.crc32(text.encode()):08x}>"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {shown(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (set, frozenset)):
        return "set" + shown(sorted(value))
    if isinstance(value, (bytearray, memoryview)):
        value = bytes(value)
    if isinstance(value, (bytes, str)) and len(value) > LONG:
        data = value if isinstance(value, bytes) else value.encode()
        return f"<{type(value).__name__} of {len(value)}, {zlib.crc32(data):08x}>"
    if isinstance(value, (datetime.date, datetime.time, datetime.timedelta, decimal.Decimal)):
        return f"{type(value).__name__} {value}"
    return repr(value)


class Battery:
    """Steps, each on a connection of its own, after which the connection is asked whether it lives.

    `connect()` gives a connection; `ask(connection, sql)` the rows of a query; `told(error)` the
    code, state and text of an error of `errors`.
    """

    def __init__(self, connect, ask, errors, told):
        self.connect, self.ask, self.errors, self.told = connect, ask, errors, told
        self.count = 0
        self.names = (f"{HOST}:{PORT}", "HOST:PORT"), (f"({PORT})", "(PORT)")

    def step(self, name, ends=False, **options):
        """Runs the function at once, with a connection that was opened with `options`.

        With `ends` the server is to end the session: whether it still says why is chance.
        """

        def run(function):
            connection = None
            try:
                connection = self.connect(**options)
                outcome = "ok " + shown(function(connection))
            except self.errors as error:
                outcome = "error " + self.described(error)
            except Exception as error:  # the client's own mistake, or ours
                outcome = f"broken {type(error).__name__} {error}"
            if connection is not None:
                outcome += " | " + self.state(connection)
            if ends and outcome.startswith("error") and " | lost" in outcome:
                outcome = "error ended"
            self.say(name, outcome)
            return function

        return run

    def say(self, name, outcome):
        for found, replacement in self.names:
            outcome = outcome.replace(found, replacement)
        outcome = outcome.replace("\r", "\\r").replace("\n", "\\n")
        print(f"{name}: {outcome}", flush=True)
        self.count += 1

    def described(self, error):
        return " ".join(str(part) for part in self.told(error)).strip()

    def state(self, connection):
        """Whether the connection goes on after what was done on it."""
        try:
            alive = [list(row) for row in self.ask(connection, "SELECT 'still', 'here'")]
            state = "alive" if alive in ([["still", "here"]], [[b"still", b"here"]]) else f"mixed up: {alive!r}"
        except self.errors as error:
            state = "lost " + self.described(error)
        except Exception as error:
            state = f"broken {type(error).__name__} {error}"
        try:
            connection.close()
        except Exception as error:
            state += f", and not closed: {error}"
        return state

    def outcome_of(self, function):
        """What a step tells of one of several parts."""
        try:
            return function()
        except self.errors as error:
            return "error " + self.described(error)

    def when_running(self, thread_id, sql, act, listed="oceanbase.V$OB_PROCESSLIST", text="INFO"):
        """In a thread of its own: waits until that session runs `sql`, then `act(connection)`.

        What runs is seen in the table `listed`, in its column `text`. Returns what to call for its end.
        """

        def watch():
            connection = self.connect()
            end = time.monotonic() + 20
            running = f"SELECT COUNT(*) FROM {listed} WHERE ID = {thread_id} AND {text} LIKE '{sql[:20]}%'"
            while self.ask(connection, running)[0][0] == 0:
                if time.monotonic() > end:
                    sys.exit("the statement does not run")
                time.sleep(0.01)
            act(connection)
            connection.close()

        thread = threading.Thread(target=watch)
        thread.start()
        return thread.join

    def done(self):
        print(f"done: {self.count}", flush=True)
