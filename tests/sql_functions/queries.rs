//! Whole SELECTs.

use crate::{here, there};

/// Runs each SELECT on both sides. Rows of one without an ORDER BY are compared in any order.
async fn compare(queries: &[&str]) {
    let mut conn = there::connect().await;
    let mut differ = Vec::new();
    for text in queries {
        let text = text
            .replace("SESSIONS", "obwarden.server_sessions")
            .replace("SERVERS", "obwarden.servers");
        let theirs = match there::run(&mut conn, &text).await {
            Ok(theirs) => theirs.comparable(),
            Err(error) => {
                differ.push(format!("{text}\n  there: {error}"));
                continue;
            }
        };
        let ours = match here::run(&text) {
            Ok(ours) => ours.comparable(),
            Err(error) => {
                differ.push(format!("{text}\n  here: {error}"));
                continue;
            }
        };
        let (ours, theirs) = if text.contains("ORDER BY") {
            (ours, theirs)
        } else {
            (ours.sorted(), theirs.sorted())
        };
        if !ours.is_like(&theirs) {
            differ.push(format!("{text}\n  here:  {ours:?}\n  there: {theirs:?}"));
        }
    }
    assert!(
        differ.is_empty(),
        "{} differ:\n{}",
        differ.len(),
        differ.join("\n")
    );
}

#[tokio::test]
async fn aggregates() {
    compare(&[
        "SELECT COUNT(*) FROM SESSIONS",
        "SELECT COUNT(*), COUNT(info), COUNT(DISTINCT user), COUNT(DISTINCT ip, port) FROM SESSIONS",
        "SELECT COUNT(DISTINCT user, command) FROM SESSIONS",
        "SELECT SUM(id), SUM(delta), SUM(time), SUM(score), SUM(digits) FROM SESSIONS",
        "SELECT AVG(id), AVG(delta), AVG(time), AVG(score), AVG(digits) FROM SESSIONS",
        "SELECT AVG(id) > 429496733.6666, AVG(time) * 2, AVG(port) / 3 FROM SESSIONS",
        "SELECT SUM(DISTINCT port), AVG(DISTINCT port) FROM SESSIONS",
        "SELECT MIN(id), MAX(id), MIN(time), MAX(time), MIN(score), MAX(delta) FROM SESSIONS",
        "SELECT MAX(digits), MIN(ip), MAX(since) FROM SESSIONS",
        "SELECT COUNT(*), SUM(id), AVG(time), MIN(user), MAX(info), GROUP_CONCAT(user) FROM SESSIONS WHERE id = 99",
        "SELECT SUM(id) FROM SESSIONS WHERE 0 GROUP BY user",
        "SELECT port, COUNT(*) FROM SESSIONS GROUP BY port ORDER BY port",
        "SELECT LOWER(user) u, COUNT(*) n, SUM(time) FROM SESSIONS GROUP BY u ORDER BY n DESC, u",
        "SELECT UPPER(user), COUNT(*) FROM SESSIONS GROUP BY user ORDER BY user",
        "SELECT UPPER(command) c, COUNT(*), AVG(time), MAX(time) FROM SESSIONS GROUP BY command ORDER BY AVG(time) DESC, c",
        "SELECT ip, port, COUNT(*) FROM SESSIONS GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2",
        "SELECT ip, SUM(time > 5) FROM SESSIONS GROUP BY ip ORDER BY ip",
        "SELECT ip, SUM(command = 'Query') q, SUM(command <> 'Query') o FROM SESSIONS GROUP BY ip ORDER BY ip",
        "SELECT ip, SUM(IF(command = 'sleep', 0, 1)) active, COUNT(*) total FROM SESSIONS GROUP BY ip ORDER BY total DESC, ip",
        "SELECT ip, COUNT(*) n FROM SESSIONS GROUP BY ip HAVING n > 1 ORDER BY ip",
        "SELECT ip, COUNT(*) FROM SESSIONS GROUP BY ip HAVING COUNT(*) > 1 AND ip LIKE '10%' ORDER BY ip",
        "SELECT ip FROM SESSIONS GROUP BY ip HAVING MAX(time) > 100 ORDER BY MAX(time)",
        "SELECT ip, MAX(time) - MIN(time) FROM SESSIONS GROUP BY ip ORDER BY ip",
        "SELECT COUNT(*) FROM SESSIONS HAVING COUNT(*) > 100",
        "SELECT id, time t FROM SESSIONS HAVING t > 60 ORDER BY id",
        "SELECT id, user FROM SESSIONS HAVING user = 'APP' ORDER BY id",
        "SELECT id % 2 AS odd, COUNT(*) FROM SESSIONS GROUP BY id % 2 ORDER BY odd",
        "SELECT GROUP_CONCAT(id ORDER BY id) FROM SESSIONS",
        "SELECT ip, GROUP_CONCAT(id ORDER BY id DESC SEPARATOR '; ') FROM SESSIONS GROUP BY ip ORDER BY ip",
        "SELECT GROUP_CONCAT(DISTINCT LOWER(command) ORDER BY LOWER(command)) FROM SESSIONS",
        "SELECT GROUP_CONCAT(DISTINCT port ORDER BY port DESC SEPARATOR '') FROM SESSIONS",
        "SELECT GROUP_CONCAT(user, '@', ip ORDER BY id SEPARATOR ' ') FROM SESSIONS",
        "SELECT GROUP_CONCAT(info ORDER BY id SEPARATOR '''') FROM SESSIONS WHERE info = ''",
        "SELECT LOWER(LEFT(info, 6)) AS head, COUNT(*) c, AVG(time) a, MAX(time) m FROM SESSIONS WHERE info IS NOT NULL GROUP BY head ORDER BY head",
        "SELECT user FROM SESSIONS WHERE user IN ('app', 'zed') GROUP BY user HAVING COUNT(*) = 1",
        "SELECT SUM(time) / COUNT(*) = AVG(time) FROM SESSIONS WHERE time IS NOT NULL",
        "SELECT MAX(LENGTH(info)), MIN(LENGTH(user)) FROM SESSIONS",
        "SELECT IFNULL(SUM(delta), 0), IFNULL(MAX(time), 0) FROM SESSIONS WHERE id > 99999999999",
        "SELECT DISTINCT LOWER(user) FROM SESSIONS ORDER BY 1",
        "SELECT DISTINCT ip, port FROM SESSIONS ORDER BY ip, port",
        "SELECT COUNT(*) FROM (SELECT DISTINCT user FROM SESSIONS) d",
    ])
    .await;
}

#[tokio::test]
async fn orders_and_limits() {
    compare(&[
        "SELECT id FROM SESSIONS ORDER BY time DESC, id",
        "SELECT id FROM SESSIONS ORDER BY user, id",
        "SELECT id FROM SESSIONS ORDER BY user DESC, id DESC",
        "SELECT id, state FROM SESSIONS ORDER BY state, id",
        "SELECT id FROM SESSIONS ORDER BY digits + 0, id",
        "SELECT id FROM SESSIONS ORDER BY digits, id",
        "SELECT id FROM SESSIONS ORDER BY score",
        "SELECT id FROM SESSIONS ORDER BY delta DESC",
        "SELECT id FROM SESSIONS ORDER BY ip, port, id",
        "SELECT id FROM SESSIONS ORDER BY INET_ATON(ip), id",
        "SELECT id FROM SESSIONS ORDER BY info IS NULL, info, id",
        "SELECT id AS time FROM SESSIONS ORDER BY time",
        "SELECT id AS x FROM SESSIONS ORDER BY x DESC",
        "SELECT -delta AS delta, id FROM SESSIONS ORDER BY delta, id",
        "SELECT id, time AS t FROM SESSIONS ORDER BY t + 0 DESC, 1",
        "SELECT id FROM SESSIONS ORDER BY 1 DESC",
        "SELECT id, user FROM SESSIONS ORDER BY CASE WHEN user = 'zed' THEN 0 ELSE 1 END, id",
        "SELECT id FROM SESSIONS ORDER BY FIELD(command, 'query') DESC, id",
        "SELECT id FROM SESSIONS ORDER BY id LIMIT 3",
        "SELECT id FROM SESSIONS ORDER BY id LIMIT 2, 3",
        "SELECT id FROM SESSIONS ORDER BY id LIMIT 3 OFFSET 2",
        "SELECT id FROM SESSIONS ORDER BY id LIMIT 0",
        "SELECT id FROM SESSIONS ORDER BY id LIMIT 18446744073709551615 OFFSET 8",
        "SELECT s.id FROM SESSIONS AS s ORDER BY s.id",
        "SELECT `s`.`id` FROM SESSIONS `s` WHERE `s`.`ID` > 3 ORDER BY s.ID",
        "SELECT obwarden.server_sessions.id FROM SESSIONS WHERE server_sessions.id < 3 ORDER BY obwarden.server_sessions.id",
        "SELECT * FROM SERVERS ORDER BY ip",
        "SELECT s.*, 1 FROM SERVERS s ORDER BY ip",
        "SELECT id Id, USER u FROM SESSIONS ORDER BY ID",
    ])
    .await;
}

#[tokio::test]
async fn joins() {
    compare(&[
        "SELECT s.id, v.zone FROM SESSIONS s JOIN SERVERS v ON s.ip = v.ip ORDER BY s.id",
        "SELECT s.id, v.zone FROM SESSIONS s JOIN SERVERS v ON s.ip = v.ip AND s.port = v.port ORDER BY s.id",
        "SELECT s.id, v.zone FROM SESSIONS s LEFT JOIN SERVERS v ON s.ip = v.ip AND s.port = v.port ORDER BY s.id",
        "SELECT v.ip, s.id FROM SESSIONS s RIGHT JOIN SERVERS v ON s.ip = v.ip ORDER BY v.ip, s.id",
        "SELECT id, zone FROM SESSIONS JOIN SERVERS USING (ip, port) ORDER BY id",
        "SELECT ip, port, id, zone FROM SESSIONS LEFT JOIN SERVERS USING (ip, port) ORDER BY id",
        "SELECT * FROM SERVERS a JOIN SERVERS b USING (ip, port) ORDER BY ip",
        "SELECT a.ip, b.ip FROM SERVERS a, SERVERS b WHERE a.zone = b.zone ORDER BY 1, 2",
        "SELECT a.ip, b.ip FROM SERVERS a CROSS JOIN SERVERS b ORDER BY 1, 2",
        "SELECT a.ip FROM SERVERS a INNER JOIN SERVERS b ON a.ip <> b.ip AND a.zone = b.zone ORDER BY 1",
        "SELECT a.id, b.id FROM SESSIONS a JOIN SESSIONS b ON a.user = b.user AND a.id < b.id ORDER BY 1, 2",
        "SELECT v.zone, COUNT(s.id) n FROM SERVERS v LEFT JOIN SESSIONS s ON s.ip = v.ip GROUP BY v.ip, v.zone ORDER BY n, v.ip",
        "SELECT v.ip FROM SERVERS v LEFT JOIN SESSIONS s ON s.ip = v.ip WHERE s.id IS NULL ORDER BY 1",
        "SELECT a.ip, b.ip, c.ip FROM SERVERS a JOIN SERVERS b ON a.ip = b.ip JOIN SERVERS c ON b.ip = c.ip ORDER BY 1",
        "SELECT a.ip, b.id, c.zone FROM SERVERS a LEFT JOIN SESSIONS b ON a.ip = b.ip LEFT JOIN SERVERS c ON c.port = b.port AND c.ip = b.ip ORDER BY 1, 2",
        "SELECT COUNT(*) FROM (SERVERS a JOIN SERVERS b ON a.ip = b.ip) JOIN SESSIONS s ON s.ip = a.ip",
        "SELECT s.id FROM SESSIONS s JOIN SERVERS v ON s.ip = v.ip AND v.sessions > 5 WHERE s.time > 1 ORDER BY s.id",
        "SELECT s.id FROM SESSIONS s STRAIGHT_JOIN SERVERS v ON s.ip = v.ip ORDER BY s.id",
    ])
    .await;
}

#[tokio::test]
async fn subqueries() {
    compare(&[
        "SELECT id FROM SESSIONS WHERE ip IN (SELECT ip FROM SERVERS WHERE zone = 'ZONE1') ORDER BY id",
        "SELECT id FROM SESSIONS WHERE ip NOT IN (SELECT ip FROM SERVERS) ORDER BY id",
        "SELECT id FROM SESSIONS WHERE port NOT IN (SELECT sessions FROM SERVERS) ORDER BY id",
        "SELECT id FROM SESSIONS WHERE digits IN (SELECT sessions FROM SERVERS) ORDER BY id",
        "SELECT id FROM SESSIONS WHERE (ip, port) IN (SELECT ip, port FROM SERVERS) ORDER BY id",
        "SELECT id FROM SESSIONS WHERE (ip, port) IN (('10.0.0.1', 2882), ('10.0.0.2', 2881)) ORDER BY id",
        "SELECT id FROM SESSIONS WHERE (ip, port) = ('10.0.0.1', 2882) ORDER BY id",
        "SELECT ip FROM SERVERS v WHERE EXISTS (SELECT 1 FROM SESSIONS s WHERE s.ip = v.ip AND s.time > 60) ORDER BY ip",
        "SELECT ip FROM SERVERS v WHERE NOT EXISTS (SELECT * FROM SESSIONS s WHERE s.ip = v.ip) ORDER BY ip",
        "SELECT ip, (SELECT COUNT(*) FROM SESSIONS s WHERE s.ip = v.ip) n FROM SERVERS v ORDER BY ip",
        "SELECT ip, (SELECT MAX(time) FROM SESSIONS s WHERE s.ip = v.ip) m FROM SERVERS v ORDER BY ip",
        "SELECT id FROM SESSIONS WHERE time = (SELECT MAX(time) FROM SESSIONS)",
        "SELECT id FROM SESSIONS WHERE time > (SELECT AVG(time) FROM SESSIONS) ORDER BY id",
        "SELECT id, (SELECT zone FROM SERVERS v WHERE v.ip = s.ip) z FROM SESSIONS s ORDER BY id",
        "SELECT id FROM SESSIONS s WHERE (SELECT zone FROM SERVERS v WHERE v.ip = s.ip) = 'ZONE2' ORDER BY id",
        "SELECT (SELECT 1), (SELECT NULL), (SELECT 'a' FROM SERVERS LIMIT 1)",
        "SELECT a FROM (SELECT id + 1 AS a FROM SESSIONS) d WHERE a < 5 ORDER BY a",
        "SELECT d.user, d.n FROM (SELECT LOWER(user) AS user, COUNT(*) n FROM SESSIONS GROUP BY 1) d WHERE n > 1 ORDER BY 1",
        "SELECT MAX(n), AVG(n) FROM (SELECT COUNT(*) n FROM SESSIONS GROUP BY ip) d",
        "SELECT d.x * 3 FROM (SELECT 1 / 3 AS x) d",
        "SELECT d.a + d.b FROM (SELECT SUM(time) a, AVG(id) b FROM SESSIONS) d",
        "WITH x AS (SELECT ip, COUNT(*) c FROM SESSIONS GROUP BY ip) SELECT x.ip, c, zone FROM x JOIN SERVERS v ON v.ip = x.ip ORDER BY x.ip",
        "WITH a AS (SELECT 1 AS n), b AS (SELECT n + 1 AS n FROM a) SELECT a.n, b.n FROM a, b",
        "WITH x (a, b) AS (SELECT id, user FROM SESSIONS) SELECT b FROM x WHERE a = 3",
        "WITH x AS (SELECT id FROM SESSIONS WHERE id < 4) SELECT COUNT(*) FROM x WHERE id IN (SELECT id + 1 FROM x)",
        "SELECT id FROM SESSIONS WHERE id IN (WITH x AS (SELECT 1 AS i UNION SELECT 3) SELECT i FROM x) ORDER BY id",
    ])
    .await;
}

#[tokio::test]
async fn unions() {
    compare(&[
        "SELECT ip FROM SESSIONS UNION SELECT ip FROM SERVERS ORDER BY ip",
        "SELECT ip FROM SESSIONS UNION ALL SELECT ip FROM SERVERS ORDER BY ip",
        "SELECT ip FROM SERVERS EXCEPT SELECT ip FROM SESSIONS ORDER BY 1",
        "SELECT ip FROM SERVERS INTERSECT SELECT ip FROM SESSIONS ORDER BY 1",
        "SELECT LOWER(user) u FROM SESSIONS WHERE id < 4 UNION SELECT 'root' ORDER BY u",
        "SELECT 1 UNION SELECT 2 UNION ALL SELECT 2 ORDER BY 1",
        "SELECT 1 UNION ALL SELECT 1.50 ORDER BY 1",
        "SELECT 1 UNION ALL SELECT 'x' ORDER BY 1",
        "SELECT id FROM SESSIONS WHERE id < 3 UNION SELECT time FROM SESSIONS WHERE id = 1 ORDER BY 1",
        "SELECT NULL UNION SELECT 5 ORDER BY 1",
        "SELECT 1 UNION SELECT 2 INTERSECT SELECT 2 ORDER BY 1",
        "(SELECT id FROM SESSIONS ORDER BY id DESC LIMIT 1) UNION ALL (SELECT id FROM SESSIONS ORDER BY id LIMIT 1) ORDER BY 1",
        "SELECT id FROM SESSIONS WHERE id < 5 UNION SELECT 100 ORDER BY id DESC LIMIT 2",
        "SELECT ip, 'server' AS what FROM SERVERS UNION ALL SELECT user, 'user' FROM SESSIONS WHERE id = 1 ORDER BY what, ip",
        "SELECT COUNT(*) FROM (SELECT ip FROM SESSIONS UNION SELECT zone FROM SERVERS) u",
        "SELECT (1 / 3) x UNION SELECT 0.3333",
    ])
    .await;
}

#[tokio::test]
async fn windows() {
    compare(&[
        "SELECT id, ROW_NUMBER() OVER (ORDER BY time DESC, id) r FROM SESSIONS ORDER BY id",
        "SELECT id, RANK() OVER (PARTITION BY ip ORDER BY time) r, DENSE_RANK() OVER (ORDER BY user) d FROM SESSIONS ORDER BY id",
        "SELECT id, COUNT(*) OVER (PARTITION BY ip) n, SUM(time) OVER (PARTITION BY ip) s FROM SESSIONS ORDER BY id",
        "SELECT id, SUM(id) OVER (ORDER BY id) running, AVG(time) OVER (ORDER BY id) a FROM SESSIONS ORDER BY id",
        "SELECT id, SUM(delta) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) s FROM SESSIONS ORDER BY id",
        "SELECT id, SUM(time) OVER (ORDER BY id ROWS 2 PRECEDING) s FROM SESSIONS ORDER BY id",
        "SELECT id, LAG(time) OVER (ORDER BY id) l, LEAD(user, 2) OVER (ORDER BY id) n FROM SESSIONS ORDER BY id",
        "SELECT id, FIRST_VALUE(user) OVER (PARTITION BY ip ORDER BY id) f FROM SESSIONS ORDER BY id",
        "SELECT id, LAST_VALUE(id) OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) f FROM SESSIONS ORDER BY id",
        "SELECT id, NTILE(3) OVER (ORDER BY id) n FROM SESSIONS ORDER BY id",
        "SELECT id, MAX(time) OVER w - time gap FROM SESSIONS WINDOW w AS (PARTITION BY ip) ORDER BY id",
        "SELECT ip, COUNT(*) c, SUM(COUNT(*)) OVER () total FROM SESSIONS GROUP BY ip ORDER BY ip",
        "SELECT ip, RANK() OVER (ORDER BY COUNT(*) DESC) r FROM SESSIONS GROUP BY ip ORDER BY ip",
        "SELECT * FROM (SELECT id, ROW_NUMBER() OVER (PARTITION BY ip ORDER BY time DESC, id) r FROM SESSIONS) d WHERE r = 1 ORDER BY id",
        "SELECT id FROM SESSIONS ORDER BY ROW_NUMBER() OVER (ORDER BY time, id)",
        "SELECT id, NTH_VALUE(id, 2) OVER (ORDER BY id) n FROM SESSIONS ORDER BY id",
    ])
    .await;
}
