CREATE TABLE types (
  id INT PRIMARY KEY,
  c_tinyint TINYINT, c_tinyint_u TINYINT UNSIGNED, c_smallint SMALLINT, c_mediumint MEDIUMINT,
  c_int INT, c_int_u INT UNSIGNED, c_bigint BIGINT, c_bigint_u BIGINT UNSIGNED,
  c_decimal DECIMAL(30,10), c_float FLOAT, c_double DOUBLE, c_bit BIT(64), c_bool BOOLEAN,
  c_date DATE, c_time TIME(6), c_datetime DATETIME(6), c_timestamp TIMESTAMP(6) NULL, c_year YEAR,
  c_char CHAR(10), c_varchar VARCHAR(50), c_binary BINARY(8), c_varbinary VARBINARY(50),
  c_tinytext TINYTEXT, c_text TEXT, c_mediumtext MEDIUMTEXT, c_longtext LONGTEXT,
  c_tinyblob TINYBLOB, c_blob BLOB, c_mediumblob MEDIUMBLOB, c_longblob LONGBLOB,
  c_enum ENUM('red', 'grün'), c_set SET('a', 'b', 'c'), c_json JSON
) CHARACTER SET utf8mb4;;
SET time_zone = '+00:00';;
INSERT INTO types VALUES
  (1, 1, 200, -300, 70000, -5, 4000000000, -6000000000, 18000000000000000000,
   '12345678901234567890.0123456789', 1.5, -2.25, b'1010', TRUE,
   '2024-02-29', '12:34:56.789012', '2024-02-29 12:34:56.789012', '2024-02-29 12:34:56.789012', 2024,
   'char', 'varchar é 漢 😀', x'0001020304050607', x'ff00fe', 'tiny', 'text\n\t''"\\', 'medium',
   'long', x'00', x'0a0d00', x'ffff', x'80', 'grün', 'a,c', '{"a": [1, null, "é"]}'),
  (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
   NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (3, -128, 255, 32767, -8388608, 2147483647, 0, -9223372036854775808, 18446744073709551615,
   '-99999999999999999999.9999999999', -0.125, 1e100, x'ffffffffffffffff', FALSE,
   '9999-12-31', '-838:59:58', '1000-01-01 00:00:00', '1970-01-02 00:00:01', 1901,
   '', '', x'00', '', '', '', '', '', '', '', '', '', 'red', '', '[]');;
CREATE TABLE digits (d INT PRIMARY KEY);;
INSERT INTO digits VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9);;
CREATE TABLE notes (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20) UNIQUE, amount INT NOT NULL DEFAULT 0);;
INSERT INTO notes (name, amount) VALUES ('first', 1), ('second', 2);;
CREATE TABLE loaded (id INT PRIMARY KEY, name VARCHAR(20) NULL);;
CREATE TABLE blobs (id INT PRIMARY KEY, data LONGBLOB);;
CREATE VIEW many AS SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d AS n,
  CONCAT('row ', a.d, b.d, c.d, e.d, f.d) AS name
  FROM digits a, digits b, digits c, digits e, digits f;;
