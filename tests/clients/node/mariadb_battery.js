// mariadb: it sends statements without waiting for the replies to those before (pipelining).
'use strict';

const mariadb = require('mariadb');
const { HOST, PORT, SERVER, DATABASE, VICTIMS, SLEEP, TLS, Battery, RowSum, common, file, outcomeOf, run } =
  require('./steps.js');
const virtualStatements = require('./virtual.js');

const connect = ({ charset, ...options }) =>
  mariadb.createConnection({
    host: HOST, port: PORT, user: 'root', database: DATABASE, charset: charset ?? 'utf8mb4', timezone: 'Z',
    connectTimeout: 60000, pipelining: true, checkNumberRange: false, ...TLS, ...options,
  });

// Rows with what columns are, or what an OK says.
const told = (result) => {
  if (!Array.isArray(result)) return result;
  const columns = (result.meta ?? []).map?.((column) =>
    column.name && [column.name(), column.type, column.columnLength, column.collation?.name, column.flags, column.scale]);
  return [result.map(told), columns];
};
const query = async (c, sql, values) => told(await c.query(sql, values));
const execute = async (c, sql, values) => told(await c.execute(sql, values));
const ask = async (c, sql) => (await c.query(sql)).slice();
const threadId = (c) => c.threadId;

async function own(battery) {
  const step = battery.step.bind(battery);
  await step('streaming/100k rows', async (c) => {
    const sum = new RowSum();
    for await (const row of c.queryStream('SELECT n, name FROM many ORDER BY n')) sum.add(row);
    return sum;
  });
  await step('streaming/left in the middle', async (c) => {
    const rows = c.queryStream('SELECT n, name FROM many ORDER BY n LIMIT 30000');
    let seen;
    for await (const row of rows) {
      seen = row;
      rows.close();
      break;
    }
    return seen;
  });
  await step('prepared/closed and prepared again', async (c) => {
    const statement = await c.prepare('SELECT ? AS it');
    const first = await statement.execute([1]);
    statement.close();
    const again = await c.prepare('SELECT ? AS it');
    return [first.slice(), (await again.execute(['x'])).slice(), (await again.execute([null])).slice()];
  });
  await step('prepared/not kept', (c) => execute(c, 'SELECT ? AS it', [1]), { prepareCacheLength: 0 });
  const rows = Array.from({ length: 5000 }, (_, n) => [n, n % 7 ? `name ${n}` : null]);
  for (const bulk of [true, false]) {
    await step(`pipelining/batch${bulk ? ' in bulk' : ''}`, async (c) => {
      await c.query('DELETE FROM loaded');
      const result = await c.batch('INSERT INTO loaded VALUES (?, ?)', bulk ? rows : rows.slice(0, 500));
      return [result, await ask(c, 'SELECT COUNT(*) AS n, SUM(id) AS sum, COUNT(name) AS names FROM loaded')];
    }, { bulk });
  }
  await step('pipelining/batch that fails!', (c) => c.batch('INSERT INTO digits VALUES (?)', [[100], [5], [101]]));
  await step('pipelining/off', (c) => Promise.all([1, 2, 3].map((n) => ask(c, `SELECT ${n} AS n`))), { pipelining: false });
  const load = (name) => async (c) => {
    const sql = `LOAD DATA LOCAL INFILE '${file(name)}' INTO TABLE loaded CHARACTER SET utf8mb4`;
    await c.query('DELETE FROM loaded');
    return [await c.query(sql), await ask(c, 'SELECT COUNT(*) AS n, SUM(id) AS sum FROM loaded')];
  };
  const allowed = { permitLocalInfile: true, pipelining: false };
  await step('infile/rows', load('rows.tsv'), allowed);
  await step('infile/empty', load('empty.tsv'), allowed);
  await step('infile/many', load('many.tsv'), allowed);
  await step('infile/missing!', load('missing.tsv'), allowed);
  await step('infile/not allowed!', load('rows.tsv'));
  await step('cancel/by a time limit', async (c) => [
    // The client refuses it where the server is no MariaDB.
    await outcomeOf(c.query({ sql: SLEEP, timeout: 100 })),
    await ask(c, 'SELECT 1 AS one'),
  ]);
  await step('login/init SQL and session variables', (c) => ask(c, 'SELECT @at_login AS it, @@sql_mode AS mode'), {
    initSql: "SET @at_login = 'yes'", sessionVariables: { sql_mode: 'ANSI' },
  });
  await step('login/attributes and found rows', (c) => c.query('UPDATE digits SET d = d'), {
    connectAttributes: { program_name: 'battery' }, foundRows: true,
  });
  await step('charset/collation', async (c) => {
    const collations = () => ask(c, 'SELECT @@collation_connection AS it');
    return [await collations(), c.info.collation?.name];
  }, { collation: 'UTF8MB4_BIN' });
  await step('results/escaped by the client', async (c) => query(c, `SELECT ${c.escape("it's")} AS it`));
  await step('reset/a pool', async () => {
    const pool = mariadb.createPool({
      host: HOST, port: PORT, user: 'root', database: DATABASE, connectionLimit: 3, resetAfterUse: SERVER === 'mariadb',
      ...TLS,
    });
    const seen = await Promise.all(Array.from({ length: 30 }, (_, n) => pool.query(`SELECT ${n} AS n`)));
    await pool.end();
    return seen.map((rows) => rows[0].n);
  });
}

async function main() {
  const battery = new Battery(connect, ask);
  // After a refused change of user it never answers any more, straight to the server, too.
  await common(battery, { query, execute, threadId, survivesARefusedChange: false });
  await own(battery);
  if (VICTIMS) {
    const columns = (rows) => [rows, rows.meta.map((column) => [column.name(), column.type, column.collation?.index])];
    const raw = { query: (c, sql, values) => c.query(sql, values), execute: (c, sql, values) => c.execute(sql, values) };
    await virtualStatements(battery, { ...raw, threadId, columns });
  }
  battery.done();
}

run(main);
