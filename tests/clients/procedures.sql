CREATE PROCEDURE two_results(IN wanted INT) BEGIN
  SELECT id, name FROM notes WHERE id <= wanted ORDER BY id;
  SELECT COUNT(*) AS count FROM notes;
END;;
CREATE PROCEDURE doubled(IN given INT, OUT twice INT, INOUT text_value VARCHAR(50)) BEGIN
  SELECT given AS given;
  SET twice = given * 2, text_value = CONCAT(text_value, ' and more');
END;;
CREATE PROCEDURE fails_after_a_result() BEGIN
  SELECT 'before' AS stage;
  SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'it fails', MYSQL_ERRNO = 31001;
  SELECT 'after' AS stage;
END;;
CREATE PROCEDURE no_result(IN given INT) BEGIN
  UPDATE notes SET amount = amount + given;
END;;
