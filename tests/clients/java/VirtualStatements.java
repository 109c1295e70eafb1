import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** obwarden's own statements: through the proxy only. */
final class VirtualStatements {
    static final String IP = Steps.VICTIMS[0];
    static final List<Long> IDS = Arrays.stream(Steps.VICTIMS).skip(1).map(Long::valueOf).toList();

    private static final String PREPARES = "useServerPrepStmts=true";
    private static final String PICKED =
            "SHOW SERVER SESSIONS WHERE Ip = ? AND Id IN (?, ?, ?) ORDER BY Id DESC LIMIT ?";
    /** As a dashboard asks. */
    private static final String GROUPED = "SELECT user, COUNT(*) AS sessions, AVG(id = ?) AS share, MAX(info) AS info, "
            + "MIN(COALESCE(info, '-')) AS said FROM obwarden.server_sessions WHERE ip = ? AND id IN (?, ?, ?) "
            + "GROUP BY user ORDER BY sessions DESC LIMIT ?";
    /** It would take hours. */
    private static final String ENDLESS = "SELECT COUNT(*) FROM " + IntStream.range(0, 30)
            .mapToObj(n -> "obwarden.server_sessions AS s" + n).collect(Collectors.joining(", "));

    static void play(Steps steps) {
        lists(steps);
        selects(steps);
        smallTables(steps);
        kills(steps);
    }

    private static void lists(Steps steps) {
        steps.step("sessions/text", c -> {
            Statement statement = c.createStatement();
            statement.setFetchSize(1);
            return list(c, statement.executeQuery("SHOW SERVER SESSIONS"));
        });
        steps.step("sessions/prepared", c -> {
            PreparedStatement prepared = c.prepareStatement("SHOW SERVER SESSIONS");
            prepared.executeQuery();
            return list(c, prepared.executeQuery());
        }, PREPARES);
        steps.step("sessions/full", c -> {
            long id = Steps.threadId(c);
            ResultSet result = c.createStatement().executeQuery("SHOW FULL SERVER SESSIONS");
            String warden = "nowhere";
            while (result.next()) {
                if (result.getString("Ip").equals("127.0.0.1") && result.getLong("Id") == id) {
                    warden = result.getString("Warden");
                }
            }
            return new Steps.Plain("Warden is " + warden);
        });
        twice(steps, "sessions/picked", c -> {
            ResultSet rows = with(c, PICKED, IP, IDS.get(0), IDS.get(1), IDS.get(2), 2).executeQuery();
            List<Object> seen = new ArrayList<>();
            while (rows.next()) {
                seen.add(IDS.indexOf(rows.getLong("Id")));
            }
            return listed(seen);
        });
    }

    private static void selects(Steps steps) {
        twice(steps, "select/grouped", c -> {
            ResultSet rows = with(c, GROUPED, IDS.get(0), IP, IDS.get(0), IDS.get(1), IDS.get(2), 10).executeQuery();
            ResultSetMetaData columns = rows.getMetaData();
            List<Object> names = new ArrayList<>();
            for (int i = 1; i <= columns.getColumnCount(); i++) {
                // The client tells texts apart by their length.
                names.add(columns.getColumnLabel(i) + " " + columns.getColumnTypeName(i).replace("MEDIUMTEXT", "TEXT"));
            }
            rows.next();
            List<Object> cells = new ArrayList<>(List.of(rows.getString("user"), rows.getLong("sessions"), rows.getBigDecimal("share")));
            cells.add(rows.getString("info"));
            cells.add(rows.getString("said"));
            return new Steps.Plain(listed(names) + ": " + listed(cells) + (rows.next() ? "; more" : ""));
        });
        steps.step("select/interrupted!", c -> {
            Statement statement = c.createStatement();
            String running = "SELECT COUNT(*) FROM obwarden.clients WHERE id = " + Steps.threadId(c)
                    + " AND statement LIKE 'SELECT COUNT(*)%'";
            Thread canceller = Steps.when(running, other -> {
                statement.cancel();
                return null;
            });
            try {
                return refused(() -> statement.executeQuery(ENDLESS));
            } finally {
                canceller.join();
            }
        });
    }

    private static void smallTables(Steps steps) {
        steps.step("servers/picked", c ->
                chosen(with(c, "SHOW SERVERS WHERE Zone = ? AND Reachable = ?", "z2", "YES"), "Zone", "Reachable"));
        steps.step("warden/clients", c ->
                chosen(with(c, "SHOW WARDEN CLIENTS WHERE Id = ? AND Zone = ?", Steps.threadId(c), "z1"), "User", "Zone"));
        steps.step("warden/status", c ->
                chosen(with(c, "SHOW WARDEN STATUS LIKE ?", "node_connections%"), "Variable_name", "Value"));
        steps.step("tables/names", c -> {
            List<Object> names = new ArrayList<>();
            ResultSet rows = c.createStatement().executeQuery("SHOW TABLES FROM obwarden");
            while (rows.next()) {
                names.add(rows.getString(1));
            }
            return listed(names);
        });
        steps.step("tables/columns", c -> {
            List<Object> cells = new ArrayList<>();
            ResultSet rows = c.createStatement().executeQuery("DESCRIBE obwarden.server_sessions");
            while (rows.next()) {
                if (List.of("ip", "id").contains(rows.getString("Field"))) {
                    cells.addAll(List.of(rows.getString("Field"), rows.getString("Type")));
                }
            }
            return listed(cells);
        });
        steps.step("tables/created", c -> {
            ResultSet rows = c.createStatement().executeQuery("SHOW CREATE TABLE obwarden.server_sessions");
            rows.next();
            return new Steps.Plain(rows.getString(2).split("\n")[0]);
        });
        steps.step("tables/used!", c -> refused(() -> c.createStatement().execute("USE obwarden")));
    }

    private static void kills(Steps steps) {
        kill(steps, "no such server!", "10.99.99.99", 5);
        steps.step("kill/explained", c -> chosen(with(c, "EXPLAIN KILL SERVER SESSION ? ?", IP, IDS.get(0)), "Verdict"));
        kill(steps, "victim", IP, IDS.get(0));
        kill(steps, "again!", IP, IDS.get(0));
        steps.step("kill/prepared", c -> with(c, "KILL SERVER SESSION ? ?", IP, IDS.get(1)).executeUpdate(), PREPARES);
        steps.step("kill/where", c ->
                with(c, "KILL SERVER SESSIONS WHERE Ip = ? AND Id = ?", IP, IDS.get(2)).executeUpdate());
    }

    private static Object list(Connection c, ResultSet result) throws SQLException {
        List<String> names = new ArrayList<>();
        for (int i = 1; i <= result.getMetaData().getColumnCount(); i++) {
            names.add(result.getMetaData().getColumnLabel(i));
        }
        List<String> seen = new ArrayList<>();
        while (result.next()) {
            seen.add(result.getString("Ip") + " " + result.getLong("Id"));
        }
        String own = "127.0.0.1 " + Steps.threadId(c);
        String victim = IP + " " + IDS.get(0);
        return new Steps.Plain(String.join(",", names) + "; own " + seen.stream().filter(own::equals).count()
                + ", victim " + seen.stream().filter(victim::equals).count());
    }

    private static void kill(Steps steps, String name, String ip, long id) {
        steps.step("kill/" + name, c -> {
            PreparedStatement kill = with(c, "KILL SERVER SESSION ? ?", ip, id); // with its values in the text
            try {
                return kill.executeUpdate();
            } catch (SQLException error) {
                ResultSet warnings = c.createStatement().executeQuery("SHOW WARNINGS");
                warnings.next();
                throw new Refused(error.getErrorCode() + ", warnings " + warnings.getInt("Code"));
            }
        });
    }

    /** A step with values in the text, and one prepared on the server, which runs two times. */
    private static void twice(Steps steps, String name, Steps.Body body) {
        steps.step(name, body);
        steps.step(name + ", prepared", c -> {
            body.on(c);
            return body.on(c);
        }, PREPARES);
    }

    static PreparedStatement with(Connection c, String sql, Object... values) throws SQLException {
        PreparedStatement prepared = c.prepareStatement(sql);
        for (int i = 0; i < values.length; i++) {
            prepared.setObject(i + 1, values[i]);
        }
        return prepared;
    }

    /** Some columns of the only row. */
    private static Object chosen(PreparedStatement prepared, String... names) throws SQLException {
        ResultSet rows = prepared.executeQuery();
        List<Object> cells = new ArrayList<>();
        while (rows.next()) {
            for (String name : names) {
                cells.add(rows.getString(name));
            }
        }
        return listed(cells);
    }

    static Steps.Plain listed(List<Object> cells) {
        return new Steps.Plain(cells.stream().map(cell -> cell == null ? "NULL" : cell.toString()).collect(Collectors.joining(", ")));
    }

    /** The same error, told by its code alone. */
    static Object refused(java.util.concurrent.Callable<Object> body) throws Exception {
        try {
            return body.call();
        } catch (SQLException error) {
            throw new Refused(String.valueOf(error.getErrorCode()));
        }
    }

    /** Told as it is. */
    static final class Refused extends SQLException {
        Refused(String said) {
            super(said);
        }
    }
}
