import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Types;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** obwarden's own statements as DBeaver and SQuirreL send them, and how these read the results. */
final class VirtualConsole {
    private static final String SESSIONS = "SELECT id, info FROM obwarden.server_sessions WHERE ip = '"
            + VirtualStatements.IP + "' AND id IN (" + String.join(", ", VirtualStatements.IDS.stream().map(String::valueOf).toList())
            + ") ORDER BY id";
    private static final String PREFIX = "/* ApplicationName=DBeaver 24.0.0 - Main */ ";

    static void play(Steps steps) {
        steps.step("console/application name", c -> {
            c.setClientInfo("ApplicationName", "DBeaver 24.0.0 - Main");
            int sessions = Steps.rows(c.createStatement().executeQuery(PREFIX + SESSIONS)).size();
            int servers = Steps.rows(c.createStatement().executeQuery(PREFIX + "SHOW SERVERS WHERE Zone = 'z2'")).size();
            return List.of(sessions, servers);
        });
        steps.step("console/setMaxRows", c -> {
            Statement statement = c.createStatement();
            statement.setMaxRows(2);
            int selected = Steps.rows(statement.executeQuery(SESSIONS)).size();
            int shown = Steps.rows(statement.executeQuery("SHOW TABLES FROM obwarden")).size();
            statement.setMaxRows(0);
            return List.of(selected, shown, Steps.rows(statement.executeQuery(SESSIONS)).size());
        });
        // As consoles do that send it themselves.
        steps.step("console/SQL_SELECT_LIMIT", c -> {
            Steps.run(c, PREFIX + "SET SQL_SELECT_LIMIT=2");
            int selected = Steps.rows(c.createStatement().executeQuery(PREFIX + SESSIONS)).size();
            int with = Steps.rows(c.createStatement().executeQuery(PREFIX + SESSIONS + " LIMIT 3")).size();
            int shown = Steps.rows(c.createStatement().executeQuery("SHOW TABLES FROM obwarden")).size();
            Steps.run(c, PREFIX + "SET SQL_SELECT_LIMIT=DEFAULT");
            return List.of(selected, with, shown, Steps.rows(c.createStatement().executeQuery(SESSIONS)).size());
        });
        for (String server : new String[] {"true", "false"}) {
            steps.step("console/fetch size, useServerPrepStmts=" + server, VirtualConsole::leftEarly, "useServerPrepStmts=" + server);
            steps.step("console/metadata, useServerPrepStmts=" + server, VirtualConsole::described, "useServerPrepStmts=" + server);
        }
        steps.step("console/scrolled", c -> {
            Statement statement = c.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_READ_ONLY);
            ResultSet rows = statement.executeQuery(SESSIONS);
            rows.last();
            int count = rows.getRow();
            boolean last = rows.getLong("id") == VirtualStatements.IDS.get(2);
            rows.absolute(2);
            boolean second = rows.getLong(1) == VirtualStatements.IDS.get(1);
            rows.beforeFirst();
            rows.next();
            return List.of(count, last, second, rows.getLong("ID") == VirtualStatements.IDS.get(0));
        });
        steps.step("console/autocommit off", c -> {
            c.setAutoCommit(false);
            Steps.run(c, "INSERT INTO notes (name) VALUES ('open')");
            int sessions = Steps.rows(c.createStatement().executeQuery(SESSIONS)).size();
            boolean stays = !c.getAutoCommit();
            c.rollback();
            c.setAutoCommit(true);
            return List.of(sessions, stays, Steps.number(c, "SELECT COUNT(*) FROM notes WHERE name = 'open'"));
        });
        steps.step("console/parameters' metadata", c -> {
            PreparedStatement prepared = c.prepareStatement("SELECT id, COUNT(*) AS n FROM obwarden.server_sessions WHERE id = ? GROUP BY id LIMIT ?");
            ResultSetMetaData columns = prepared.getMetaData();
            return List.of(prepared.getParameterMetaData().getParameterCount(), columns.getColumnCount(),
                    columns.getColumnLabel(2), columns.getColumnTypeName(2));
        }, "useServerPrepStmts=true");
        steps.step("console/no such table!", c ->
                VirtualStatements.refused(() -> c.createStatement().executeQuery("SELECT * FROM obwarden.nothing")));
        steps.step("console/among the server's tables!", c ->
                VirtualStatements.refused(() -> c.createStatement().executeQuery("SELECT * FROM obwarden.servers, digits")));
    }

    /** Rows are read as they come, and the result is closed before its end. */
    private static Object leftEarly(Connection c) throws SQLException {
        // Two servers: 16,384 rows.
        String servers = IntStream.range(0, 14).mapToObj(n -> "obwarden.servers s" + n).collect(Collectors.joining(", "));
        PreparedStatement many = VirtualStatements.with(c, "SELECT s0.id FROM " + servers + " ORDER BY 1 LIMIT ?", 16_000);
        many.setFetchSize(10);
        ResultSet rows = many.executeQuery();
        long sum = 0;
        for (int n = 0; n < 25 && rows.next(); n++) {
            sum += rows.getLong("id");
        }
        rows.close();
        many.close();
        Statement streamed = c.createStatement();
        streamed.setFetchSize(1);
        ResultSet sessions = streamed.executeQuery("SHOW SERVER SESSIONS");
        boolean begun = sessions.next();
        sessions.close();
        return List.of(sum, begun, Steps.rows(c.createStatement().executeQuery(SESSIONS)).size());
    }

    private static Object described(Connection c) throws SQLException {
        PreparedStatement prepared = VirtualStatements.with(c, "SELECT s.id, s.info AS `What it runs`, s.time / 2 AS half, "
                + "1e0 AS real_one, -1 AS below, NULL AS nothing FROM obwarden.server_sessions s WHERE s.id = ? AND s.ip = ?",
                VirtualStatements.IDS.get(0), VirtualStatements.IP);
        ResultSet rows = prepared.executeQuery();
        ResultSetMetaData columns = rows.getMetaData();
        List<Object> all = new ArrayList<>();
        for (int i = 1; i <= columns.getColumnCount(); i++) {
            all.add(new Steps.Plain(columns.getColumnLabel(i) + " " + columns.getColumnTypeName(i) + " "
                    + (columns.getColumnType(i) == Types.BIGINT ? "as BIGINT" : columns.getColumnClassName(i)) + " "
                    + (columns.isSigned(i) ? "signed" : "unsigned")));
        }
        rows.next();
        all.add(rows.getLong("id") == VirtualStatements.IDS.get(0));
        all.add(rows.getString("What it runs"));
        all.add(rows.getDouble("real_one"));
        all.add(rows.getInt("below"));
        all.add(rows.getBigDecimal("half").scale());
        all.add(rows.getObject("nothing") == null && rows.wasNull());
        return all;
    }
}
