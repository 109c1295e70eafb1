import java.sql.PreparedStatement;
import java.sql.Statement;
import java.util.List;

/** A batch goes out without waiting for replies, as one statement, or in bulk. */
final class Batches {
    static void play(Steps steps) {
        for (String options : new String[] {
            "useBatchMultiSend=true", "useBatchMultiSend=true useServerPrepStmts=true", "rewriteBatchedStatements=true",
            "useBulkStmts=true", "useBulkStmts=true useServerPrepStmts=true", "useBatchMultiSend=false"}) {
            String[] all = options.split(" ");
            steps.step("pipelining/batch, " + options, c -> {
                Steps.run(c, "DELETE FROM loaded");
                PreparedStatement insert = c.prepareStatement("INSERT INTO loaded VALUES (?, ?)");
                for (int n = 0; n < 1500; n++) {
                    insert.setInt(1, n);
                    insert.setString(2, n % 7 == 0 ? null : "name " + n);
                    insert.addBatch();
                }
                int[] counts = insert.executeBatch();
                return List.of(counts, Steps.query(c, "SELECT COUNT(*), SUM(id), COUNT(name) FROM loaded"));
            }, all);
            steps.step("pipelining/batch that fails, " + options + "!", c -> {
                PreparedStatement insert = c.prepareStatement("INSERT INTO digits VALUES (?)");
                for (int n : new int[] {100, 5, 101}) {
                    insert.setInt(1, n);
                    insert.addBatch();
                }
                try {
                    return insert.executeBatch();
                } finally {
                    Steps.run(c, "DELETE FROM digits WHERE d >= 100");
                }
            }, all);
        }
        steps.step("pipelining/batch of different statements", c -> {
            Statement statement = c.createStatement();
            for (int n = 0; n < 200; n++) {
                statement.addBatch("INSERT INTO notes (name, amount) VALUES ('batch " + n + "', " + n + ")");
                statement.addBatch("UPDATE notes SET amount = amount + 1 WHERE name = 'batch " + n + "'");
            }
            return List.of(statement.executeBatch(), Steps.query(c, "SELECT COUNT(*), SUM(amount) FROM notes"));
        });
    }
}
