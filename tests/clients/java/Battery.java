import java.io.ByteArrayInputStream;
import java.math.BigDecimal;
import java.sql.CallableStatement;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Timestamp;
import java.sql.Types;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** MariaDB Connector/J. */
public final class Battery {
    private static final Steps steps = new Steps();

    public static void main(String[] args) {
        logins();
        types();
        for (String server : new String[] {"true", "false"}) {
            prepared(server.equals("true") ? "on the server" : "by the client", "useServerPrepStmts=" + server);
        }
        streaming();
        severalResults();
        procedures();
        errors();
        transactions();
        files();
        blobs();
        results();
        cancelled();
        Batches.play(steps);
        Console.play(steps);
        if (Steps.THROUGH) {
            VirtualConsole.play(steps);
            VirtualStatements.play(steps);
        }
        steps.done();
        System.exit(0); // whatever threads the driver has
    }

    private static void logins() {
        steps.step("login/as root", c -> Steps.query(c, "SELECT CURRENT_USER(), DATABASE(), @@autocommit"));
        steps.step("login/without waiting", c -> {
            for (int attempt = 1; ; attempt++) {
                try (Connection hasty = Steps.connect("usePipelineAuth=true")) {
                    return Steps.query(hasty, "SELECT DATABASE(), @@autocommit");
                } catch (SQLException error) {
                    if (attempt == 10 || !error.getSQLState().startsWith("08")) {
                        throw error;
                    }
                }
            }
        });
        steps.step("login/with a password", c -> Steps.query(c, "SELECT DATABASE()"),
                "user=" + Steps.DATABASE, "password=" + Steps.PASSWORD);
        steps.step("login/wrong password!", c -> "in", "user=" + Steps.DATABASE, "password=no");
        steps.step("login/no such database!", c -> "in", "database=nowhere");
        steps.step("session/variables", c -> Steps.query(c, "SELECT @@time_zone, @@sql_mode, @mine"),
                "sessionVariables=time_zone='+03:00',sql_mode='ANSI',@mine='é'");
        steps.step("session/attributes", c -> Steps.query(c, "SELECT 1"), "connectionAttributes=program_name:battery");
        steps.step("charset/utf8mb4", c -> {
            PreparedStatement prepared = c.prepareStatement("SELECT ?, HEX(?), @@character_set_client");
            prepared.setString(1, "é漢😀");
            prepared.setString(2, "é漢😀");
            return Steps.table(prepared.executeQuery());
        });
        steps.step("charset/gbk", c -> {
            Steps.run(c, "SET character_set_results = gbk");
            return Steps.query(c, "SELECT HEX(CONVERT('漢字' USING gbk)), CAST('漢字' AS BINARY)");
        });
    }

    private static void types() {
        for (String server : new String[] {"true", "false"}) {
            String name = server.equals("true") ? "prepared/types" : "types/text";
            steps.step(name, c -> {
                Steps.run(c, "SET time_zone = '+00:00'");
                PreparedStatement prepared = c.prepareStatement("SELECT * FROM types WHERE id < ? ORDER BY id");
                prepared.setInt(1, 100);
                ResultSet result = prepared.executeQuery();
                int columns = result.getMetaData().getColumnCount();
                List<Object> rows = new ArrayList<>();
                while (result.next()) {
                    List<Object> row = new ArrayList<>();
                    for (int i = 1; i <= columns; i++) {
                        int column = i;
                        row.add(Steps.outcomeOf(() -> result.getObject(column)));
                        row.add(Steps.outcomeOf(() -> result.getString(column)));
                    }
                    rows.add(row);
                }
                return rows;
            }, "useServerPrepStmts=" + server);
        }
    }

    private static void prepared(String where, String option) {
        steps.step("prepared/parameters " + where, c -> {
            PreparedStatement insert = c.prepareStatement("INSERT INTO types (id, c_bigint, c_bigint_u, c_int, c_bool, "
                    + "c_decimal, c_double, c_date, c_time, c_datetime, c_varchar, c_varbinary, c_text, c_longblob, c_enum) "
                    + "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
            int id = option.endsWith("true") ? 100 : 200;
            byte[] blob = new byte[70_000];
            Arrays.fill(blob, (byte) 'x');
            Object[] values = {id, Long.MIN_VALUE, new BigDecimal("18446744073709551615"), null, true,
                new BigDecimal("-1.0000000001"), 1.5, java.sql.Date.valueOf("2024-02-29"), java.sql.Time.valueOf("01:02:03"),
                Timestamp.valueOf("2024-02-29 01:02:03.456789"), "it's \"é\" \\ 漢 😀 ?", new byte[] {0, -1, 39, 92, 10}, ""};
            for (int i = 0; i < values.length; i++) {
                insert.setObject(i + 1, values[i]);
            }
            insert.setBinaryStream(14, new ByteArrayInputStream(blob));
            insert.setString(15, "grün");
            return List.of(insert.executeUpdate(), Steps.query(c, "SELECT * FROM types WHERE id = " + id));
        }, option);
        steps.step("prepared/again with other types " + where, c -> {
            PreparedStatement prepared = c.prepareStatement("SELECT ? AS it, HEX(?) AS hex");
            List<Object> seen = new ArrayList<>();
            for (Object value : new Object[] {1, "text", null, 2.5, new byte[] {0, -1}, new Timestamp(0), -1L, new BigDecimal("1.10")}) {
                prepared.setObject(1, value);
                prepared.setObject(2, value);
                seen.add(Steps.outcomeOf(() -> Steps.table(prepared.executeQuery())));
            }
            return seen;
        }, option);
        steps.step("prepared/many " + where, c -> {
            List<Object> seen = new ArrayList<>();
            List<PreparedStatement> open = new ArrayList<>();
            for (int n = 0; n < 40; n++) {
                PreparedStatement prepared = c.prepareStatement("SELECT ? + " + n);
                open.add(prepared);
                prepared.setInt(1, n);
                seen.add(Steps.rows(prepared.executeQuery()));
            }
            for (PreparedStatement prepared : open) {
                prepared.close();
            }
            return seen;
        }, option);
        steps.step("prepared/syntax " + where + "!", c -> c.prepareStatement("SELEC ?").executeQuery(), option);
        steps.step("prepared/duplicate " + where + "!", c -> {
            PreparedStatement prepared = c.prepareStatement("INSERT INTO notes (id, name) VALUES (?, ?)");
            prepared.setInt(1, 1);
            prepared.setString(2, "again");
            return prepared.executeUpdate();
        }, option);
        steps.step("streaming/prepared " + where, c -> {
            PreparedStatement prepared = c.prepareStatement("SELECT n, name FROM many WHERE n >= ? ORDER BY n");
            prepared.setFetchSize(100);
            prepared.setInt(1, 5);
            return sum(prepared.executeQuery(), Integer.MAX_VALUE);
        }, option);
    }

    private static String sum(ResultSet result, int most) throws SQLException {
        long count = 0;
        long sum = 0;
        while (count < most && result.next()) {
            count++;
            sum = sum * 31 + result.getLong(1) + result.getString(2).hashCode();
        }
        return count + " rows, " + sum;
    }

    private static void streaming() {
        for (int size : new int[] {0, 1, 1000, Integer.MIN_VALUE}) {
            steps.step("streaming/100k rows, fetch size " + size, c -> {
                Statement statement = c.createStatement();
                return Steps.outcomeOf(() -> {
                    statement.setFetchSize(size);
                    return sum(statement.executeQuery("SELECT n, name FROM many ORDER BY n"), Integer.MAX_VALUE);
                });
            });
        }
        steps.step("streaming/left in the middle", c -> {
            Statement statement = c.createStatement();
            statement.setFetchSize(10);
            ResultSet result = statement.executeQuery("SELECT n, name FROM many ORDER BY n");
            String first = sum(result, 25);
            List<Object> between = List.of(Steps.query(c, "SELECT 'between'"));
            return List.of(first, between, sum(result, 25));
        });
    }

    private static void severalResults() {
        String sql = "SELECT 1 AS a; SELECT id, name FROM notes WHERE id < 3 ORDER BY id; SET @x = 1; "
                + "UPDATE notes SET amount = amount + 1 WHERE id < 3; SELECT * FROM notes WHERE 1 = 0; SELECT 'end'";
        steps.step("multi/results", c -> {
            Statement statement = c.createStatement();
            return Steps.results(statement, statement.execute(sql));
        }, "allowMultiQueries=true");
        steps.step("multi/results, streamed", c -> {
            Statement statement = c.createStatement();
            statement.setFetchSize(1);
            return Steps.results(statement, statement.execute(sql));
        }, "allowMultiQueries=true");
        steps.step("multi/error in the middle!", c -> {
            Statement statement = c.createStatement();
            return Steps.results(statement, statement.execute("SELECT 1; SELECT * FROM nothing; SELECT 3"));
        }, "allowMultiQueries=true");
        steps.step("multi/not allowed", c -> Steps.outcomeOf(() -> {
            Steps.run(c, "SELECT 1; SELECT 2");
            return "in";
        }));
        steps.step("multi/left unread", c -> {
            Statement statement = c.createStatement();
            statement.setFetchSize(1);
            return statement.execute(sql);
        }, "allowMultiQueries=true");
    }

    private static void procedures() {
        steps.step("procedures/several results", c -> {
            Statement statement = c.createStatement();
            return Steps.results(statement, statement.execute("CALL two_results(2)"));
        });
        steps.step("procedures/error after a result!", c -> {
            Statement statement = c.createStatement();
            return Steps.results(statement, statement.execute("CALL fails_after_a_result()"));
        });
        if (!Steps.MARIADB) {
            return; // seekdb does not stand CALL prepared
        }
        steps.step("procedures/with OUT", c -> {
            CallableStatement call = c.prepareCall("{call doubled(?, ?, ?)}");
            call.setInt(1, 21);
            call.registerOutParameter(2, Types.INTEGER);
            call.setString(3, "text");
            call.registerOutParameter(3, Types.VARCHAR);
            List<Object> results = Steps.results(call, call.execute());
            return List.of(results, call.getInt(2), call.getString(3));
        });
        steps.step("procedures/prepared, several results", c -> {
            CallableStatement call = c.prepareCall("{call two_results(?)}");
            call.setInt(1, 1);
            return Steps.results(call, call.execute());
        });
        steps.step("procedures/prepared, error after a result!", c -> {
            CallableStatement call = c.prepareCall("{call fails_after_a_result()}");
            return Steps.results(call, call.execute());
        });
    }

    private static void errors() {
        Map<String, String> errors = new LinkedHashMap<>();
        errors.put("syntax", "SELEC 1");
        errors.put("no such table", "SELECT * FROM nothing");
        errors.put("no such column", "SELECT nothing FROM notes");
        errors.put("duplicate", "INSERT INTO notes (id, name) VALUES (1, 'x')");
        errors.put("null", "INSERT INTO notes (name, amount) VALUES ('x', NULL)");
        errors.put("too long", "INSERT INTO notes (name) VALUES (REPEAT('x', 21))");
        errors.put("no such variable", "SET nothing_of_this_name = 1");
        errors.put("kill nobody", "KILL 4294967294");
        errors.forEach((name, sql) -> steps.step("errors/" + name + "!", c -> {
            Steps.run(c, sql);
            return "done";
        }));
        steps.step("errors/one after the other", c -> {
            List<Object> seen = new ArrayList<>();
            for (String sql : errors.values()) {
                seen.add(Steps.outcomeOf(() -> {
                    Steps.run(c, sql);
                    return "done";
                }));
            }
            return seen;
        });
    }

    private static void transactions() {
        steps.step("transactions/rollback, commit and savepoint", c -> {
            List<Object> seen = new ArrayList<>();
            c.setAutoCommit(false);
            try (Connection other = Steps.connect()) {
                String count = "SELECT COUNT(*) FROM notes WHERE name LIKE 'tx_'";
                Steps.run(c, "INSERT INTO notes (name) VALUES ('tx1')");
                seen.add(Steps.number(other, count));
                c.rollback();
                Steps.run(c, "INSERT INTO notes (name) VALUES ('tx2')");
                Savepoint savepoint = c.setSavepoint("here");
                Steps.run(c, "INSERT INTO notes (name) VALUES ('tx3')");
                c.rollback(savepoint);
                c.commit();
                seen.add(Steps.number(other, count));
            }
            c.setAutoCommit(true);
            return seen;
        });
    }

    private static void files() {
        for (String name : new String[] {"rows", "empty", "many", "missing!"}) {
            steps.step("infile/" + name, c -> load(c, name.replace("!", "") + ".tsv"), "allowLocalInfile=true");
        }
        steps.step("infile/not allowed!", c -> load(c, "rows.tsv"), "allowLocalInfile=false");
    }

    private static Object load(Connection c, String name) throws SQLException {
        Steps.run(c, "DELETE FROM loaded");
        int count = c.createStatement().executeUpdate(
                "LOAD DATA LOCAL INFILE '" + Steps.file(name) + "' INTO TABLE loaded CHARACTER SET utf8mb4");
        return List.of(count, Steps.query(c, "SELECT COUNT(*), SUM(id) FROM loaded"));
    }

    private static void blobs() {
        byte[] big = new byte[20 << 20];
        for (int i = 0; i < big.length; i++) {
            big[i] = (byte) (i % 251);
        }
        for (String server : new String[] {"true", "false"}) {
            steps.step("blobs/20 MiB, " + (server.equals("true") ? "prepared" : "text"), c -> {
                PreparedStatement insert = c.prepareStatement("REPLACE INTO blobs VALUES (1, ?)");
                insert.setBytes(1, big);
                int count = insert.executeUpdate();
                PreparedStatement select = c.prepareStatement("SELECT data, LENGTH(data) FROM blobs WHERE id = ?");
                select.setInt(1, 1);
                return List.of(count, Steps.table(select.executeQuery()));
            }, "useServerPrepStmts=" + server);
        }
    }

    private static void results() {
        steps.step("results/insert, update, delete", c -> {
            List<Object> seen = new ArrayList<>();
            for (String sql : new String[] {
                "INSERT INTO notes (name) VALUES ('r1')", "INSERT INTO notes (name) VALUES ('r2'), ('r3')",
                "UPDATE notes SET amount = 7 WHERE name LIKE 'r_'", "UPDATE notes SET amount = 7 WHERE name LIKE 'r_'",
                "REPLACE INTO notes (name, amount) VALUES ('r1', 8)", "DELETE FROM notes WHERE name LIKE 'r_'",
                "CREATE TABLE t (a INT)", "INSERT INTO t SELECT n FROM many", "DROP TABLE t"}) {
                Statement statement = c.createStatement();
                seen.add(statement.executeUpdate(sql, Statement.RETURN_GENERATED_KEYS));
                seen.add(Steps.rows(statement.getGeneratedKeys()));
            }
            return seen;
        });
    }

    private static void cancelled() {
        steps.step("cancel/setQueryTimeout!", c -> {
            Statement statement = c.createStatement();
            statement.setQueryTimeout(1);
            return Steps.table(statement.executeQuery("SELECT SLEEP(5) FROM notes WHERE id = 1"));
        });
        steps.step("cancel/Statement.cancel!", c -> {
            Statement statement = c.createStatement();
            Thread canceller = Steps.whenSleeping(Steps.threadId(c), other -> {
                statement.cancel();
                return null;
            });
            try {
                return Steps.table(statement.executeQuery(Steps.SLEEP));
            } finally {
                canceller.join();
            }
        });
        for (String kill : new String[] {"KILL QUERY", "KILL"}) {
            steps.step("cancel/" + kill + "!", kill.equals("KILL"), c -> {
                long id = Steps.threadId(c);
                Thread killer = Steps.whenSleeping(id, other -> {
                    Steps.run(other, kill + " " + id);
                    return null;
                });
                try {
                    return Steps.query(c, Steps.SLEEP);
                } finally {
                    killer.join();
                }
            });
        }
    }
}
