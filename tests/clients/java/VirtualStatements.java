import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;

/** obwarden's own statements: through the proxy only. */
final class VirtualStatements {
    static void play(Steps steps) {
        steps.step("sessions/text", c -> {
            Statement statement = c.createStatement();
            statement.setFetchSize(1);
            return list(c, statement.executeQuery("SHOW SERVER SESSIONS"));
        });
        steps.step("sessions/prepared", c -> {
            PreparedStatement prepared = c.prepareStatement("SHOW SERVER SESSIONS");
            prepared.executeQuery();
            return list(c, prepared.executeQuery());
        }, "useServerPrepStmts=true");
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
        kill(steps, "no such server!", "10.99.99.99", "5");
        kill(steps, "victim", Steps.VICTIM[0], Steps.VICTIM[1]);
        kill(steps, "again!", Steps.VICTIM[0], Steps.VICTIM[1]);
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
        String victim = String.join(" ", Steps.VICTIM);
        return new Steps.Plain(String.join(",", names) + "; own " + seen.stream().filter(own::equals).count()
                + ", victim " + seen.stream().filter(victim::equals).count());
    }

    private static void kill(Steps steps, String name, String ip, String id) {
        steps.step("kill/" + name, c -> {
            PreparedStatement kill = c.prepareStatement("KILL SERVER SESSION ? ?"); // with its values in the text
            kill.setString(1, ip);
            kill.setLong(2, Long.parseLong(id));
            try {
                return kill.executeUpdate();
            } catch (SQLException error) {
                ResultSet warnings = c.createStatement().executeQuery("SHOW WARNINGS");
                warnings.next();
                throw new Refused(error.getErrorCode() + ", warnings " + warnings.getInt("Code"));
            }
        });
    }

    /** Told as it is. */
    static final class Refused extends SQLException {
        Refused(String said) {
            super(said);
        }
    }
}
