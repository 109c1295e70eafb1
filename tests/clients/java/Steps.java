import java.io.File;
import java.nio.charset.StandardCharsets;
import java.sql.Blob;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Properties;
import java.util.TimeZone;
import java.util.zip.CRC32;

/** Where the server is, and how a step is told: each on a connection of its own. */
final class Steps {
    static final String HOST = System.getenv("BATTERY_HOST");
    /** Of the server's certificate, where there is to be TLS. */
    static final String CA = System.getenv("BATTERY_CA");
    static final String PORT = System.getenv("BATTERY_PORT");
    static final String DATABASE = System.getenv("BATTERY_DATABASE");
    static final boolean MARIADB = System.getenv("BATTERY_SERVER").equals("mariadb");
    /** An address and ids of sessions there; through obwarden only. */
    static final String[] VICTIMS = System.getenv("BATTERY_VICTIMS").split(" ");
    static final boolean THROUGH = VICTIMS.length > 1;
    static final String PASSWORD = "pass word";
    static final String SLEEP = "SELECT SLEEP(20) FROM notes WHERE id = 1";
    private static final int LONG = 200;

    private int count;

    interface Body {
        Object on(Connection connection) throws Exception;
    }

    /** Shown without quotes. */
    record Plain(String text) {
        @Override
        public String toString() {
            return text;
        }
    }

    static {
        TimeZone.setDefault(TimeZone.getTimeZone("UTC"));
    }

    static String file(String name) {
        return new File(System.getenv("BATTERY_FILES"), name).getPath();
    }

    /** Options are `name=value`; `user`, `password` and `database` among them. */
    static Connection connect(String... options) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", "root");
        // Its login without waits gives a server half a second: too little on a busy machine.
        properties.setProperty("usePipelineAuth", "false");
        if (!CA.isEmpty()) {
            properties.setProperty("useSsl", "true");
            properties.setProperty("serverSslCert", CA);
        }
        String database = DATABASE;
        for (String option : options) {
            String[] parts = option.split("=", 2);
            if (parts[0].equals("database")) {
                database = parts[1];
            } else {
                properties.setProperty(parts[0], parts[1]);
            }
        }
        return DriverManager.getConnection("jdbc:mariadb://" + HOST + ":" + PORT + "/" + database, properties);
    }

    void step(String name, Body body, String... options) {
        step(name, false, body, options);
    }

    /** With `ends` the server is to end the session: whether it still says why is chance. */
    void step(String name, boolean ends, Body body, String... options) {
        Connection connection = null;
        String outcome;
        try {
            connection = connect(options);
            outcome = "ok " + shown(body.on(connection));
        } catch (SQLException error) {
            outcome = "error " + told(error);
        } catch (Exception error) {
            outcome = "broken " + error;
        }
        if (connection != null) {
            outcome += " | " + state(connection);
        }
        if (ends && outcome.startsWith("error") && outcome.contains(" | lost")) {
            outcome = "error ended";
        }
        outcome = outcome.replaceAll("\\(conn=-?\\d+\\) ", "").replaceAll("(?s)\nQuery is:.*?java thread: \\S+", "");
        outcome = outcome.replace(HOST + ":" + PORT, "HOST:PORT").replace("port=" + PORT, "port=PORT");
        System.out.println(name + ": " + outcome.replace("\r", "\\r").replace("\n", "\\n"));
        count++;
    }

    void done() {
        System.out.println("done: " + count);
    }

    /** Whether the connection goes on after what was done on it. */
    private static String state(Connection connection) {
        String state;
        try {
            String rows = shown(query(connection, "SELECT 'still' AS a, 'here' AS b"));
            state = rows.equals("[a, b] [[\"still\", \"here\"]]") ? "alive" : "mixed up: " + rows;
        } catch (SQLException error) {
            state = "lost " + told(error);
        }
        try {
            connection.close();
        } catch (SQLException error) {
            state += ", and not closed: " + told(error);
        }
        return state;
    }

    static String told(SQLException error) {
        if (error instanceof VirtualStatements.Refused) {
            return error.getMessage();
        }
        return error.getErrorCode() + " " + error.getSQLState() + " " + error.getMessage();
    }

    static Object outcomeOf(java.util.concurrent.Callable<Object> body) throws Exception {
        try {
            return body.call();
        } catch (SQLException error) {
            return new Plain("error " + told(error));
        }
    }

    /** Names and rows of a result. */
    static Plain table(ResultSet result) throws SQLException {
        ResultSetMetaData columns = result.getMetaData();
        List<Object> names = new ArrayList<>();
        for (int i = 1; i <= columns.getColumnCount(); i++) {
            names.add(new Plain(columns.getColumnLabel(i)));
        }
        return new Plain(shown(names) + " " + shown(rows(result)));
    }

    static List<Object> rows(ResultSet result) throws SQLException {
        List<Object> rows = new ArrayList<>();
        int columns = result.getMetaData().getColumnCount();
        while (result.next()) {
            List<Object> row = new ArrayList<>();
            for (int i = 1; i <= columns; i++) {
                row.add(result.getObject(i));
            }
            rows.add(row);
        }
        return rows;
    }

    static Plain query(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            return table(statement.executeQuery(sql));
        }
    }

    static void run(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }

    static long number(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement(); ResultSet result = statement.executeQuery(sql)) {
            result.next();
            return result.getLong(1);
        }
    }

    /** Every result of what has just been executed. */
    static List<Object> results(Statement statement, boolean isRows) throws SQLException {
        List<Object> results = new ArrayList<>();
        while (isRows || statement.getUpdateCount() != -1) {
            results.add(isRows ? table(statement.getResultSet()) : statement.getUpdateCount());
            isRows = statement.getMoreResults();
        }
        return results;
    }

    static long threadId(Connection connection) throws SQLException {
        return number(connection, "SELECT CONNECTION_ID()");
    }

    /** Waits in another thread until session `id` sleeps, then does `act`. */
    static Thread whenSleeping(long id, Body act) {
        return when("SELECT COUNT(*) FROM oceanbase.V$OB_PROCESSLIST WHERE ID = " + id + " AND INFO LIKE 'SELECT SLEEP%'", act);
    }

    /** Waits in another thread until the query `running` counts something, then does `act`. */
    static Thread when(String running, Body act) {
        Thread thread = new Thread(() -> {
            try (Connection other = connect()) {
                long end = System.nanoTime() + 20_000_000_000L;
                while (number(other, running) == 0 && System.nanoTime() < end) {
                    Thread.sleep(10);
                }
                act.on(other);
            } catch (Exception error) {
                System.out.println("cannot cancel: " + error);
            }
        });
        thread.start();
        return thread;
    }

    /** A value as one line; a long one as its length and checksum. */
    static String shown(Object value) throws SQLException {
        if (value instanceof List<?> list) {
            List<String> items = new ArrayList<>();
            for (Object item : list) {
                items.add(shown(item));
            }
            String text = "[" + String.join(", ", items) + "]";
            return text.length() < 20_000 ? text : "<list of " + text.length() + ", " + checksum(text) + ">";
        }
        if (value instanceof int[] numbers) {
            return java.util.Arrays.stream(numbers).boxed().toList().toString();
        }
        if (value instanceof Blob blob) {
            value = blob.getBytes(1, (int) blob.length());
        }
        if (value instanceof byte[] bytes) {
            String hex = HexFormat.of().formatHex(bytes);
            return bytes.length > LONG ? "<" + bytes.length + " bytes, " + checksum(hex) + ">" : "x'" + hex + "'";
        }
        if (value instanceof String text) {
            return text.length() > LONG ? "<" + text.length() + " characters, " + checksum(text) + ">" : "\"" + text + "\"";
        }
        return String.valueOf(value);
    }

    static String checksum(String text) {
        CRC32 crc = new CRC32();
        crc.update(text.getBytes(StandardCharsets.UTF_8));
        return Long.toHexString(crc.getValue());
    }
}
