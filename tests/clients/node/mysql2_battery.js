// mysql2.
'use strict';

const fs = require('node:fs');
const mysql = require('mysql2/promise');
const { Types } = require('mysql2');
const { HOST, PORT, DATABASE, VICTIMS, SLEEP, TLS, Battery, RowSum, common, file, outcomeOf, run } =
  require('./steps.js');
const virtualStatements = require('./virtual.js');

const connect = (options) =>
  mysql.createConnection({
    host: HOST, port: PORT, user: 'root', database: DATABASE, charset: 'utf8mb4', timezone: 'Z',
    connectTimeout: 60000, supportBigNumbers: true, bigNumberStrings: true, ...TLS, ...options,
  });

// Rows, or what an OK says, with what columns are.
const told = ([rows, fields]) => [
  rows,
  (fields ?? []).map((field) =>
    field && [field].flat().filter(Boolean).map(({ name, columnType, columnLength, characterSet, flags, decimals }) =>
      [name, columnType, columnLength, characterSet, flags, decimals]),
  ),
];
const query = async (c, sql, values) => told(await c.query(sql, values));
const execute = async (c, sql, values) => told(await c.execute(sql, values));
const ask = async (c, sql) => (await c.query(sql))[0];
const threadId = (c) => c.threadId;

async function own(battery) {
  const step = battery.step.bind(battery);
  const stream = (c, sql, prepared) => (prepared ? c.connection.execute(sql) : c.connection.query(sql)).stream({ highWaterMark: 50 });
  for (const prepared of [false, true]) {
    await step(`streaming/100k rows${prepared ? ', prepared' : ''}`, async (c) => {
      const sum = new RowSum();
      for await (const row of stream(c, 'SELECT n, name FROM many ORDER BY n', prepared)) sum.add(row);
      return sum;
    });
  }
  await step('prepared/by hand', async (c) => {
    const statement = await c.prepare('SELECT ? AS it');
    const seen = [];
    for (const value of [1, 'x', null]) seen.push((await statement.execute([value]))[0]);
    await statement.close();
    const next = await c.prepare('SELECT ? AS other');
    return [seen, (await next.execute([2]))[0]];
  });
  await step('types/rows as lists of texts', async (c) => {
    const [rows] = await c.query({ sql: 'SELECT * FROM types ORDER BY id', rowsAsArray: true, typeCast: false });
    return rows;
  });
  const load = (name) => async (c) => {
    const infileStreamFactory = (path) => fs.createReadStream(path);
    const sql = `LOAD DATA LOCAL INFILE '${file(name)}' INTO TABLE loaded CHARACTER SET utf8mb4`;
    await c.query('DELETE FROM loaded');
    return [await c.query({ sql, infileStreamFactory }), await ask(c, 'SELECT COUNT(*) AS n, SUM(id) AS sum FROM loaded')];
  };
  await step('infile/rows', load('rows.tsv'));
  await step('infile/empty', load('empty.tsv'));
  await step('infile/many', load('many.tsv'));
  await step('infile/missing!', load('missing.tsv'));
  await step('infile/not allowed', async (c) => {
    // The client's own error, which has no code.
    return c.query(`LOAD DATA LOCAL INFILE '${file('rows.tsv')}' INTO TABLE loaded`).catch(({ message }) => message);
  });
  await step('cancel/by the client', async (c) => {
    const other = await connect({});
    const outcome = await outcomeOf(other.query({ sql: SLEEP, timeout: 100 }));
    await ask(c, `KILL ${other.threadId}`);
    other.destroy();
    return outcome;
  });
  await step('reset/a pool', async () => {
    const pool = mysql.createPool({ host: HOST, port: PORT, user: 'root', database: DATABASE, connectionLimit: 3, ...TLS });
    const seen = await Promise.all(Array.from({ length: 30 }, (_, n) => pool.query(`SELECT ${n} AS n`)));
    await pool.end();
    return seen.map(([rows]) => rows[0].n);
  });
}

async function main() {
  const battery = new Battery(connect, ask);
  await common(battery, { query, execute, threadId });
  await own(battery);
  if (VICTIMS) {
    const kind = ({ columnType, characterSet }) => [Types[columnType], characterSet];
    const columns = ([rows, fields]) => [rows, fields.map((field) => [field.name, ...kind(field)])];
    const raw = { query: (c, sql, values) => c.query(sql, values), execute: (c, sql, values) => c.execute(sql, values) };
    await virtualStatements(battery, { ...raw, threadId, columns });
  }
  battery.done();
}

run(main);
