// obwarden's own statements: through the proxy only.
'use strict';

const { VICTIMS, Plain } = require('./steps.js');

const PICKED = 'SHOW SERVER SESSIONS WHERE Ip = ? AND Id IN (?, ?, ?) ORDER BY Id DESC LIMIT ?';

// As a dashboard asks.
const GROUPED =
  "SELECT user, COUNT(*) AS sessions, AVG(id = ?) AS share, MAX(info) AS info, MIN(COALESCE(info, '-')) AS said " +
  'FROM obwarden.server_sessions WHERE ip = ? AND id IN (?, ?, ?) GROUP BY user ORDER BY sessions DESC LIMIT ?';

// It would take hours.
const ENDLESS = `SELECT COUNT(*) FROM ${Array.from({ length: 30 }, (_, n) => `obwarden.server_sessions AS s${n}`).join(', ')}`;

const BINARY = 63;

/** A column's kind in SQL's words, of those that the clients have from the protocol. */
function kindOf(type, characterSet) {
  if (type === 'BLOB') return characterSet === BINARY ? 'BLOB' : 'TEXT';
  return { VAR_STRING: 'VARCHAR', LONGLONG: 'BIGINT', NEWDECIMAL: 'DECIMAL' }[type] ?? type;
}

const listed = (cells) => cells.map((cell) => (cell === null ? 'NULL' : String(cell))).join(', ');

/**
 * `query(c, sql, values)` in text, `execute` prepared; `columns(result)` gives the rows, and of each column
 * its name, the client's word for its type, and its character set.
 */
async function virtualStatements(battery, { query, execute, threadId, columns }) {
  const [ip, ...victims] = VICTIMS;
  const ids = victims.map(Number);
  const step = battery.step.bind(battery);
  /** A step in text, and one prepared, which runs two times. */
  const twice = async (name, preparedName, body) => {
    await step(name, (c) => body((sql, values) => query(c, sql, values), c));
    await step(preparedName, async (c) => {
      const run = (sql, values) => execute(c, sql, values);
      await body(run, c);
      return body(run, c);
    });
  };
  /** Some columns of the only row. */
  const chosen = (sql, values, ...names) => async (c) => {
    const [rows] = columns(await query(c, sql, values?.(c)));
    if (rows.length !== 1) throw new Error(`${rows.length} rows`);
    return new Plain(listed(names.map((name) => rows[0][name])));
  };
  /** The same error, told by its code alone. */
  const refused = (promise) =>
    promise.catch((error) => {
      error.said = `${error.errno}`;
      throw error;
    });
  const affected = (result) => (result[0] ?? result).affectedRows;

  await twice('sessions/text', 'sessions/prepared', async (run, c) => {
    const [rows, described] = columns(await run('SHOW SERVER SESSIONS'));
    const count = (ip, id) => rows.filter((row) => row.Ip === ip && Number(row.Id) === id).length;
    const names = described.map(([name]) => name);
    return new Plain(`${names.join(',')}; own ${count('127.0.0.1', threadId(c))}, victim ${count(ip, ids[0])}`);
  });
  await step('sessions/full', async (c) => {
    const [rows] = columns(await query(c, 'SHOW FULL SERVER SESSIONS'));
    const own = rows.find((row) => row.Ip === '127.0.0.1' && Number(row.Id) === threadId(c));
    return new Plain(`Warden is ${own.Warden}`);
  });
  await twice('sessions/picked', 'sessions/picked, prepared', async (run) => {
    const [rows] = columns(await run(PICKED, [ip, ...ids, 2]));
    return new Plain(listed(rows.map((row) => ids.indexOf(Number(row.Id)))));
  });
  await twice('select/grouped', 'select/grouped, prepared', async (run) => {
    const [rows, described] = columns(await run(GROUPED, [ids[0], ip, ...ids, 10]));
    const kinds = described.map(([name, ...kind]) => `${name} ${kindOf(...kind)}`);
    return new Plain(`${listed(kinds)}: ${rows.map((row) => listed(Object.values(row))).join('; ')}`);
  });
  await step('select/interrupted!', async (c) => {
    const id = threadId(c);
    const kill = (other) => query(other, `KILL QUERY ${id}`);
    const listed = { listed: 'obwarden.clients', text: 'statement' };
    const [outcome] = await Promise.allSettled([
      refused(query(c, ENDLESS)),
      battery.whenRunning(id, ENDLESS, kill, listed),
    ]);
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  });

  const servers = 'SHOW SERVERS WHERE Zone = ? AND Reachable = ?';
  await step('servers/picked', chosen(servers, () => ['z2', 'YES'], 'Zone', 'Reachable'));
  const clients = 'SHOW WARDEN CLIENTS WHERE Id = ? AND Zone = ?';
  await step('warden/clients', chosen(clients, (c) => [threadId(c), 'z1'], 'User', 'Zone'));
  const status = 'SHOW WARDEN STATUS LIKE ?';
  await step('warden/status', chosen(status, () => ['node_connections%'], 'Variable_name', 'Value'));
  const firstOf = (rows) => rows.map((row) => Object.values(row)[0]);
  await step('tables/names', async (c) => new Plain(listed(firstOf(await battery.ask(c, 'SHOW TABLES FROM obwarden')))));
  await step('tables/columns', async (c) => {
    const rows = await battery.ask(c, 'DESCRIBE obwarden.server_sessions');
    const some = rows.filter((row) => ['ip', 'id'].includes(row.Field));
    return new Plain(listed(some.flatMap((row) => [row.Field, row.Type])));
  });
  await step('tables/created', async (c) => {
    const [row] = await battery.ask(c, 'SHOW CREATE TABLE obwarden.server_sessions');
    return new Plain(row['Create Table'].split('\n')[0]);
  });
  await step('tables/used!', (c) => refused(query(c, 'USE obwarden')));

  const kill = (name, ip, id) =>
    step(`kill/${name}`, async (c) => {
      try {
        return affected(await query(c, 'KILL SERVER SESSION ? ?', [ip, id]));
      } catch (error) {
        const seen = await battery.ask(c, 'SHOW WARNINGS');
        error.said = `${error.errno}, warnings ${seen.map((row) => row.Code)}`;
        throw error;
      }
    });
  await kill('no such server!', '10.99.99.99', 5);
  await step('kill/explained', chosen('EXPLAIN KILL SERVER SESSION ? ?', () => [ip, ids[0]], 'Verdict'));
  await kill('victim', ip, ids[0]);
  await kill('again!', ip, ids[0]);
  await step('kill/prepared', async (c) => affected(await execute(c, 'KILL SERVER SESSION ? ?', [ip, ids[1]])));
  const where = 'KILL SERVER SESSIONS WHERE Ip = ? AND Id = ?';
  await step('kill/where', async (c) => affected(await execute(c, where, [ip, ids[2]])));
}

module.exports = virtualStatements;
