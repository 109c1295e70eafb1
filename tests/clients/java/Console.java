import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.ParameterMetaData;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLWarning;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;

/** What a JDBC console asks before and around a user's statements. */
final class Console {
    private interface Asked {
        ResultSet of(DatabaseMetaData data) throws Exception;
    }

    static void play(Steps steps) {
        steps.step("database/product", c -> {
            DatabaseMetaData data = c.getMetaData();
            return List.of(data.getDatabaseProductName(), data.getDatabaseProductVersion(), data.getDriverVersion(),
                    data.getUserName(), data.getMaxConnections(), data.getSQLKeywords(), data.getStringFunctions(),
                    data.getIdentifierQuoteString(), data.getDefaultTransactionIsolation(), c.getCatalog(), c.isReadOnly(),
                    c.getTransactionIsolation(), c.getAutoCommit(), c.getHoldability());
        });
        String db = Steps.DATABASE;
        metadata(steps, "getTables", data -> data.getTables(db, null, "%", null));
        metadata(steps, "getTables of a kind", data -> data.getTables(db, null, "t%", new String[] {"TABLE"}));
        metadata(steps, "getTableTypes", data -> data.getTableTypes());
        metadata(steps, "getColumns", data -> data.getColumns(db, null, "%", "%"));
        metadata(steps, "getPrimaryKeys", data -> data.getPrimaryKeys(db, null, "notes"));
        metadata(steps, "getImportedKeys", data -> data.getImportedKeys(db, null, "notes"));
        metadata(steps, "getExportedKeys", data -> data.getExportedKeys(db, null, "notes"));
        metadata(steps, "getProcedures", data -> data.getProcedures(db, null, "%"));
        metadata(steps, "getProcedureColumns", data -> data.getProcedureColumns(db, null, "doubled", "%"));
        metadata(steps, "getFunctions", data -> data.getFunctions(db, null, "%"));
        metadata(steps, "getTypeInfo", data -> data.getTypeInfo());
        metadata(steps, "getBestRowIdentifier", data -> data.getBestRowIdentifier(db, null, "notes", 0, true));
        metadata(steps, "getTablePrivileges", data -> data.getTablePrivileges(db, null, "notes"));
        metadata(steps, "getVersionColumns", data -> data.getVersionColumns(db, null, "notes"));
        metadata(steps, "getClientInfoProperties", data -> data.getClientInfoProperties());
        // obwarden's own tables are none of the server's: these questions go to it, and it knows of none.
        metadata(steps, "getTables of obwarden", data -> data.getTables("obwarden", null, "%", null));
        metadata(steps, "getColumns of obwarden", data -> data.getColumns("obwarden", null, "%", "%"));
        metadata(steps, "getPrimaryKeys of obwarden", data -> data.getPrimaryKeys("obwarden", null, "server_sessions"));
        metadata(steps, "getIndexInfo of obwarden", data -> data.getIndexInfo("obwarden", null, "servers", false, true));
        metadata(steps, "getTables of any database", data -> data.getTables(null, null, "server_sessions", null));
        steps.step("database/getIndexInfo", c -> {
            // Without CARDINALITY, which is an estimate.
            List<Object> rows = new ArrayList<>();
            ResultSet keys = c.getMetaData().getIndexInfo(db, null, "notes", false, true);
            while (keys.next()) {
                rows.add(List.of(keys.getString("INDEX_NAME"), keys.getString("COLUMN_NAME"), keys.getBoolean("NON_UNIQUE")));
            }
            return rows;
        });
        steps.step("database/getCatalogs", c -> {
            List<Object> names = Steps.rows(c.getMetaData().getCatalogs());
            return List.of(names.toString().contains(db), names.toString().contains("oceanbase"));
        });
        steps.step("database/setCatalog", c -> {
            c.setCatalog("oceanbase");
            return List.of(c.getCatalog(), Steps.query(c, "SELECT DATABASE()"));
        });
        steps.step("database/setCatalog to nothing!", c -> {
            c.setCatalog("nothing");
            return "there";
        });
        steps.step("results/metadata", c -> {
            ResultSetMetaData columns = c.createStatement().executeQuery("SELECT t.*, 1 + 1 AS two FROM types t WHERE 1 = 0").getMetaData();
            List<Object> all = new ArrayList<>();
            for (int i = 1; i <= columns.getColumnCount(); i++) {
                all.add(List.of(columns.getColumnLabel(i), columns.getColumnTypeName(i), columns.getColumnType(i),
                        columns.getPrecision(i), columns.getScale(i), columns.isNullable(i), columns.isSigned(i),
                        columns.isAutoIncrement(i), columns.getTableName(i), columns.getColumnDisplaySize(i)));
            }
            return all;
        });
        steps.step("results/setMaxRows and setFetchSize", c -> {
            Statement statement = c.createStatement();
            statement.setMaxRows(5);
            statement.setFetchSize(2);
            List<Object> five = Steps.rows(statement.executeQuery("SELECT n FROM many ORDER BY n"));
            statement.setMaxRows(0);
            statement.setFetchSize(0);
            int all = Steps.rows(statement.executeQuery("SELECT n FROM many")).size();
            return List.of(five, all, statement.getMaxRows());
        });
        steps.step("results/scrolled and updated", c -> {
            Statement statement = c.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE);
            ResultSet rows = statement.executeQuery("SELECT id, name, amount FROM notes WHERE id < 3 ORDER BY id");
            rows.last();
            rows.updateInt("amount", 77);
            rows.updateRow();
            rows.first();
            return List.of(rows.getString("name"), Steps.query(c, "SELECT amount FROM notes WHERE id = 2"));
        });
        steps.step("warnings/getWarnings", c -> {
            Statement statement = c.createStatement();
            statement.executeQuery("SELECT CAST('12x' AS SIGNED), 1 / 0");
            List<Object> seen = new ArrayList<>();
            for (SQLWarning warning = statement.getWarnings(); warning != null; warning = warning.getNextWarning()) {
                seen.add(Steps.told(warning));
            }
            statement.clearWarnings();
            return List.of(seen, Steps.query(c, "SHOW COUNT(*) WARNINGS"));
        });
        steps.step("reset/isValid", c -> List.of(c.isValid(2), c.isClosed()));
        steps.step("session/client info", c -> {
            c.setClientInfo("ApplicationName", "battery");
            return Steps.query(c, "/* ApplicationName=battery */ SELECT 1 AS one");
        });
        steps.step("session/read only and isolation", c -> {
            c.setReadOnly(true);
            c.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
            return List.of(c.isReadOnly(), c.getTransactionIsolation());
        });
        steps.step("prepared/its parameters", c -> {
            PreparedStatement prepared = c.prepareStatement("SELECT ?, name FROM notes WHERE id = ?");
            ParameterMetaData parameters = prepared.getParameterMetaData();
            ResultSetMetaData columns = prepared.getMetaData();
            return List.of(parameters.getParameterCount(), columns.getColumnCount(), columns.getColumnName(2));
        }, "useServerPrepStmts=true");
    }

    private static void metadata(Steps steps, String name, Asked asked) {
        steps.step("database/" + name, c -> Steps.table(asked.of(c.getMetaData())));
    }
}
