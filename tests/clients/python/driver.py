"""What a client is to the batteries of Python's database interface (PEP 249)."""

import zlib


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

    def cursor(self, connection):
        """A cursor as the client has it of itself."""
        return connection.cursor()

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
        with_cursor = self.cursor(connection)
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


class Plain(str):
    """Shown without quotes."""

    def __repr__(self):
        return str(self)
