-- The battery of MariaDB's command line: a header says a step's name, a program and its options, and what
-- follows are its statements. {database}, {password} and {files} stand for their values.

-- step login/as root: mysql
SELECT CURRENT_USER(), DATABASE(), @@character_set_client;
-- step login/with a password: mysql --user={database} --password={password}
SELECT DATABASE();
-- step login/wrong password!: mysql --user={database} --password=no
SELECT 1;
-- step login/no such database!: mysql --database=nowhere
SELECT 1;
-- step login/ping: mysqladmin ping
-- step session/variables: mysql --init-command=SET\ @at_login\ =\ 'yes'
SET @mine = 'é', @other = 5;
SET time_zone = '+03:00', SESSION sql_mode = '';
SELECT @at_login, @mine, @other, @@time_zone, @@sql_mode, FROM_UNIXTIME(0);
-- step charset/utf8mb4: mysql
SELECT 'é漢😀', HEX('é漢😀');
-- step charset/gbk: mysql --default-character-set=gbk
SELECT @@character_set_client, HEX(CONVERT(_utf8mb4 x'E6BCA2E5AD97' USING gbk));
-- step types/text: mysql --column-type-info --binary-as-hex
SET time_zone = '+00:00';
SELECT * FROM types ORDER BY id;
-- step types/vertical: mysql --vertical
SELECT * FROM types WHERE id < 3 ORDER BY id;
-- step types/batch: mysql --batch --raw
SELECT c_varchar, c_text, c_decimal, c_longtext FROM types ORDER BY id;
-- step types/xml: mysql --xml
SELECT c_varchar, c_text, c_decimal FROM types ORDER BY id;
-- step session/PREPARE as a statement: mysql
PREPARE s FROM 'SELECT ? + ?, name FROM notes WHERE id = ?';
SET @a = 1, @b = 2.5, @id = 1;
EXECUTE s USING @a, @b, @id;
EXECUTE s USING @b, @b, @id;
DEALLOCATE PREPARE s;
-- step streaming/100k rows: mysql --quick --batch
SELECT n, name FROM many ORDER BY n;
-- step streaming/100k rows at once: mysql --batch
SELECT n, name FROM many ORDER BY n;
-- step multi/results: mysql --delimiter=//
SELECT 1 AS a; SELECT id, name FROM notes WHERE id < 3 ORDER BY id; SET @x = 1;
UPDATE notes SET amount = amount + 1 WHERE id < 3; SELECT * FROM notes WHERE 1 = 0; SELECT 'end'//
delimiter ;
-- step multi/error in the middle!: mysql --delimiter=//
SELECT 1; SELECT * FROM nothing; SELECT 3//
delimiter ;
-- step procedures/several results: mysql
CALL two_results(2);
SET @text = 'text';
CALL doubled(21, @twice, @text);
SELECT @twice, @text;
-- step procedures/error after a result!: mysql
CALL fails_after_a_result();
-- step errors/all!: mysql
SELEC 1;
SELECT * FROM nothing;
SELECT nothing FROM notes;
INSERT INTO notes (id, name) VALUES (1, 'x');
INSERT INTO notes (name, amount) VALUES ('x', NULL);
INSERT INTO notes (name) VALUES (REPEAT('x', 21));
SET nothing_of_this_name = 1;
KILL 4294967294;
-- step warnings/shown by the client: mysql --show-warnings
SELECT CAST('12x' AS SIGNED), 1 / 0;
INSERT IGNORE INTO notes (id, name) VALUES (1, 'x');
-- step transactions/rollback and commit: mysql
BEGIN;
INSERT INTO notes (name) VALUES ('tx1');
ROLLBACK;
SET autocommit = 0;
INSERT INTO notes (name) VALUES ('tx2');
SAVEPOINT here;
DELETE FROM notes;
ROLLBACK TO SAVEPOINT here;
COMMIT;
SELECT name FROM notes ORDER BY id;
-- step infile/rows: mysql --local-infile=1
LOAD DATA LOCAL INFILE '{files}/rows.tsv' INTO TABLE loaded CHARACTER SET utf8mb4;
SELECT * FROM loaded;
-- step infile/empty: mysql --local-infile=1
LOAD DATA LOCAL INFILE '{files}/empty.tsv' INTO TABLE loaded;
-- step infile/many: mysql --local-infile=1
DELETE FROM loaded;
LOAD DATA LOCAL INFILE '{files}/many.tsv' INTO TABLE loaded;
SELECT COUNT(*), SUM(id), SUM(CRC32(name)) FROM loaded;
-- step infile/missing!: mysql --local-infile=1
LOAD DATA LOCAL INFILE '{files}/missing.tsv' INTO TABLE loaded;
-- step infile/not allowed!: mysql --local-infile=0
LOAD DATA LOCAL INFILE '{files}/rows.tsv' INTO TABLE loaded;
-- step infile/imported: mysqlimport --local --delete --verbose {database} {files}/loaded.tsv
-- step blobs/20 MiB: mysql --max-allowed-packet=64M --binary-as-hex
INSERT INTO blobs VALUES (1, REPEAT(x'00ff27', 7000000));
SELECT data FROM blobs;
-- step blobs/dumped: mysqldump --skip-comments --skip-lock-tables --no-tablespaces --max-allowed-packet=64M {database} types notes blobs digits
-- step database/use and show: mysql
USE oceanbase
SELECT DATABASE();
USE {database}
SHOW TABLES;
SHOW FULL COLUMNS FROM notes;
SHOW CREATE TABLE digits;
-- step database/use nothing!: mysql
USE nothing
-- step results/insert, update, delete: mysql
INSERT INTO notes (name) VALUES ('r1');
INSERT INTO notes (name) VALUES ('r2'), ('r3');
SELECT LAST_INSERT_ID();
UPDATE notes SET amount = 7 WHERE name LIKE 'r_';
UPDATE notes SET amount = 7 WHERE name LIKE 'r_';
SELECT ROW_COUNT();
REPLACE INTO notes (name, amount) VALUES ('r1', 8);
DELETE FROM notes WHERE name LIKE 'r_';
CREATE TABLE t (a INT);
INSERT INTO t SELECT n FROM many;
DROP TABLE t;
-- step reset/by a new connection: mysql
SET @before = 1;
connect {database}
SELECT @before, DATABASE();
-- step reset/charset: mysql
charset latin1
SELECT @@character_set_client;
-- step cancel/by a time limit!: mysql
SET STATEMENT max_statement_time = 0.1 FOR SELECT SLEEP(20) FROM notes WHERE id = 1;
-- step cancel/itself!: mysql
KILL QUERY CONNECTION_ID();
SELECT SLEEP(0);
