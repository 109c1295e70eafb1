"""A DBA's session with PyMySQL: arguments are obwarden's port, and the session to kill."""

import sys

import pymysql

port, ip, victim = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])


def connect(**options):
    return pymysql.connect(host="127.0.0.1", port=port, user="root", **options)


def error_code(cursor, sql, args=None):
    try:
        cursor.execute(sql, args)
    except pymysql.MySQLError as error:
        return error.args[0]
    raise AssertionError(f"no error: {sql}")


connection = connect(cursorclass=pymysql.cursors.DictCursor, autocommit=False)
cursor = connection.cursor()

cursor.execute("SELECT CONNECTION_ID() AS id, %s AS text, %s AS number", ("it's é", 1.5))
row = cursor.fetchone()
assert row["id"] == connection.thread_id(), row
assert (row["text"], float(row["number"])) == ("it's é", 1.5), row

cursor.execute("SHOW SERVER SESSIONS")
rows = cursor.fetchall()
assert [column[0] for column in cursor.description] == [
    "Ip", "Port", "Zone", "Id", "Tenant", "User", "Host", "Client",
    "db", "Command", "Time", "State", "Info",
], cursor.description
assert {row["Ip"] for row in rows} >= {"127.0.0.1", ip}, rows
listed = [row for row in rows if (row["Ip"], row["Id"]) == (ip, victim)]
assert len(listed) == 1 and listed[0]["Info"] is None and listed[0]["db"] is None, rows
own = [row for row in rows if (row["Ip"], row["Id"]) == ("127.0.0.1", connection.thread_id())]
assert len(own) == 1 and own[0]["Client"].startswith("127.0.0.1:"), rows

# DB-API parameters put the address in quotes, and the id without.
assert cursor.execute("KILL SERVER SESSION %s %s", (ip, victim)) == 0
assert error_code(cursor, "KILL SERVER SESSION %s %s", (ip, victim)) == 1094
assert error_code(cursor, "KILL SERVER SESSION %s %s", (ip, 0)) == 1210
assert error_code(cursor, "KILL SERVER SESSION %s %s", ("10.99.99.99", victim)) == 1210
cursor.execute("SHOW WARNINGS")
assert [row["Code"] for row in cursor.fetchall()] == [1210]

cursor.execute("DROP DATABASE IF EXISTS pymysql_scratch")
cursor.execute("CREATE DATABASE pymysql_scratch")
connection.select_db("pymysql_scratch")
cursor.execute("CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20))")
cursor.executemany("INSERT INTO t VALUES (%s, %s)", [(1, "a"), (2, None), (3, "ü")])
connection.rollback()
cursor.execute("SELECT COUNT(*) AS count FROM t")
assert cursor.fetchone() == {"count": 0}
cursor.executemany("INSERT INTO t VALUES (%s, %s)", [(1, "a"), (2, None), (3, "ü")])
connection.commit()
with connect(database="pymysql_scratch") as second, second.cursor() as other:
    other.execute("SELECT * FROM t WHERE id > %s ORDER BY id", (1,))
    assert other.fetchall() == ((2, None), (3, "ü"))
with connect(cursorclass=pymysql.cursors.SSCursor) as second, second.cursor() as streaming:
    streaming.execute("SHOW SERVER SESSIONS")
    assert len(list(streaming)) >= 3
cursor.execute("DROP DATABASE pymysql_scratch")
connection.ping(reconnect=False)
connection.close()
print("done")
