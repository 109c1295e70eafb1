// What the batteries in JavaScript share: where the server is, and how a step is told.
'use strict';

const fs = require('node:fs');
const zlib = require('node:zlib');
const path = require('node:path');

const env = process.env;
const HOST = env.BATTERY_HOST;
const PORT = Number(env.BATTERY_PORT);
const SERVER = env.BATTERY_SERVER;
const DATABASE = env.BATTERY_DATABASE;
// An address and ids of sessions there; through obwarden only.
const VICTIMS = env.BATTERY_VICTIMS ? env.BATTERY_VICTIMS.split(' ') : null;
const PASSWORD = 'pass word';
// What makes a client use TLS, where there is to be TLS.
const TLS = env.BATTERY_CA ? { ssl: { ca: fs.readFileSync(env.BATTERY_CA) } } : {};
const SLEEP = 'SELECT SLEEP(20) FROM notes WHERE id = 1';
const LONG = 200;

const file = (name) => path.join(env.BATTERY_FILES, name);

// Without Node's own crc32, which older ones do not have.
const checksum = (data) => {
  const compressed = zlib.gzipSync(data, { level: 1 });
  return compressed.readUInt32LE(compressed.length - 8).toString(16);
};

/** A value as one line; a long one as its length and checksum. */
function shown(value) {
  if (value === undefined) return 'nothing';
  if (typeof value === 'bigint') return `${value}n`;
  if (value instanceof Date) return `date ${Number.isNaN(value.valueOf()) ? 'invalid' : value.toISOString()}`;
  if (Buffer.isBuffer(value)) {
    return value.length > LONG ? `<${value.length} bytes, ${checksum(value)}>` : `x'${value.toString('hex')}'`;
  }
  if (typeof value === 'string') {
    return value.length > LONG ? `<${value.length} characters, ${checksum(Buffer.from(value))}>` : JSON.stringify(value);
  }
  if (Array.isArray(value)) {
    const text = `[${value.map(shown).join(', ')}]`;
    return text.length < 20000 ? text : `<list of ${text.length}, ${checksum(Buffer.from(text))}>`;
  }
  if (value instanceof Plain) return value.text;
  if (value !== null && typeof value === 'object') {
    return `{${Object.entries(value).map(([key, item]) => `${key}: ${shown(item)}`).join(', ')}}`;
  }
  return String(value);
}

/** Shown without quotes. */
class Plain {
  constructor(text) {
    this.text = text;
  }
}

/** How many rows in any order, and a sum over them. */
class RowSum {
  count = 0;
  sum = 0;
  add(row) {
    this.count += 1;
    for (const c of shown(row)) this.sum = (this.sum + c.charCodeAt(0) * (1 + (this.count % 2 === 0))) % 2 ** 48;
  }
}

const isError = (error) => error instanceof Error && 'code' in error;

/** Code, SQLSTATE and text of an error. */
function told(error) {
  if (error.said) return error.said;
  const text = error.sqlMessage ?? error.message;
  return [error.errno, error.sqlState, error.code, text].filter(Boolean).join(' ');
}

const outcomeOf = async (promise) => {
  try {
    return await promise;
  } catch (error) {
    if (!isError(error)) throw error;
    return `error ${told(error)}`;
  }
};

/**
 * Steps, each on a connection of its own, after which the connection is asked whether it lives.
 * `connect(options)` gives a connection, `ask(connection, sql)` the rows of a query.
 */
class Battery {
  count = 0;

  constructor(connect, ask) {
    this.connect = connect;
    this.ask = ask;
  }

  /** With `ends` the server is to end the session: whether it still says why is chance. */
  async step(name, body, { ends = false, ...options } = {}) {
    let connection = null;
    let outcome;
    try {
      connection = await this.connect(options);
      // Whoever asks next hears of a connection that was closed meanwhile: no reason to end the program.
      connection.on('error', () => {});
      outcome = `ok ${shown(await body(connection))}`;
    } catch (error) {
      outcome = isError(error) ? `error ${told(error)}` : `broken ${error?.stack ?? error}`;
    }
    if (connection) outcome += ` | ${await this.state(connection)}`;
    if (ends && outcome.startsWith('error') && outcome.includes(' | lost')) outcome = 'error ended';
    outcome = outcome.replaceAll(`${HOST}:${PORT}`, 'HOST:PORT').replaceAll('\r', '\\r').replaceAll('\n', '\\n');
    outcome = outcome.replaceAll(/\(conn:-?\d+, /g, '(conn:ID, ');
    console.log(`${name}: ${outcome}`);
    this.count += 1;
  }

  /** Whether the connection goes on after what was done on it. */
  async state(connection) {
    let state;
    try {
      const rows = await this.ask(connection, "SELECT 'still' AS a, 'here' AS b");
      state = shown(rows) === '[{a: "still", b: "here"}]' ? 'alive' : `mixed up: ${shown(rows)}`;
    } catch (error) {
      state = `lost ${isError(error) ? told(error) : error}`;
    }
    await connection.end().catch(() => {});
    return state;
  }

  /** Waits until session `id` runs `sql`, as `listed` tells in its column `text`; then `act(connection)`. */
  async whenRunning(id, sql, act, { listed = 'oceanbase.V$OB_PROCESSLIST', text = 'INFO' } = {}) {
    const connection = await this.connect({});
    const running = `SELECT COUNT(*) AS count FROM ${listed} WHERE ID = ${id} AND ${text} LIKE '${sql.slice(0, 20)}%'`;
    const end = Date.now() + 20000;
    while (Number((await this.ask(connection, running))[0].count) === 0) {
      if (Date.now() > end) throw new Error('the statement does not run');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await act(connection);
    await connection.end();
  }

  done() {
    console.log(`done: ${this.count}`);
  }
}

const ERRORS = {
  syntax: 'SELEC 1',
  'no such table': 'SELECT * FROM nothing',
  'no such column': 'SELECT nothing FROM notes',
  duplicate: "INSERT INTO notes (id, name) VALUES (1, 'x')",
  null: "INSERT INTO notes (name, amount) VALUES ('x', NULL)",
  'too long': "INSERT INTO notes (name) VALUES (REPEAT('x', 21))",
  'no such variable': 'SET nothing_of_this_name = 1',
  'kill nobody': 'KILL 4294967294',
};

// One of every kind that goes into a parameter, for the columns of a row.
const PARAMETERS = {
  c_bigint: -(2n ** 63n),
  c_bigint_u: 2n ** 64n - 1n,
  c_int: null,
  c_bool: true,
  c_decimal: '-1.0000000001',
  c_double: 1.5,
  c_date: '2024-02-29',
  c_time: '-100:00:00.000005',
  c_datetime: new Date('2024-02-29T01:02:03.456Z'),
  c_varchar: 'it\'s "é" \\ 漢 😀 %s ?',
  c_varbinary: Buffer.from([0, 255, 39, 92, 10]),
  c_text: '',
  c_longblob: Buffer.alloc(70000, 'x'),
  c_enum: 'grün',
  c_set: 'a,c',
  c_json: '{"k": 1}',
};

const MULTI =
  'SELECT 1 AS a; SELECT id, name FROM notes WHERE id < 3 ORDER BY id; SET @x = 1; ' +
  "UPDATE notes SET amount = amount + 1 WHERE id < 3; SELECT * FROM notes WHERE 1 = 0; SELECT 'end' AS b";

/** What both clients do alike: `query(connection, sql, values)` in text, `execute` prepared. */
async function common(battery, { query, execute, threadId, survivesARefusedChange = true }) {
  const { ask, connect } = battery;
  const step = battery.step.bind(battery);

  await step('login/as root', (c) => ask(c, 'SELECT CURRENT_USER() AS user, DATABASE() AS db, @@autocommit AS auto'));
  await step('login/with a password', (c) => ask(c, 'SELECT DATABASE() AS db'), { user: DATABASE, password: PASSWORD });
  await step('login/wrong password!', () => 'in', { user: DATABASE, password: 'no' });
  await step('login/no such database!', () => 'in', { database: 'nowhere' });
  await step('session/variables', async (c) => {
    for (const sql of ["SET @mine = 'é', @other = 5", "SET time_zone = '+03:00'", "SET SESSION sql_mode = ''"]) await query(c, sql);
    return ask(c, 'SELECT @mine, @other, @@time_zone, @@sql_mode, FROM_UNIXTIME(0) AS epoch');
  });
  await step('session/thread id', async (c) => Number((await ask(c, 'SELECT CONNECTION_ID() AS id'))[0].id) === threadId(c));
  const charset = (name, text) =>
    step(`charset/${name}`, (c) => query(c, 'SELECT ? AS text, HEX(?) AS hex', [text, text]), { charset: name });
  await charset('utf8mb4', 'é漢😀');
  await charset('gbk', '漢字');

  await step('types/text', async (c) => {
    await query(c, "SET time_zone = '+00:00'");
    return query(c, 'SELECT * FROM types ORDER BY id');
  });
  const columns = Object.keys(PARAMETERS).join(', ');
  const marks = Object.keys(PARAMETERS).fill('?').join(', ');
  const inserted = (run, id) => async (c) => {
    await run(c, `INSERT INTO types (id, ${columns}) VALUES (${id}, ${marks})`, Object.values(PARAMETERS));
    return ask(c, `SELECT ${columns} FROM types WHERE id = ${id}`);
  };
  await step('types/parameters', inserted(query, 100));
  await step('prepared/types', async (c) => {
    await query(c, "SET time_zone = '+00:00'");
    return execute(c, 'SELECT * FROM types WHERE id < ? ORDER BY id', [100]);
  });
  await step('prepared/parameters', inserted(execute, 200));
  await step('prepared/again with other types', async (c) => {
    const seen = [];
    for (const value of [1, 'text', null, 2.5, Buffer.from([0, 255]), new Date(0), -1, 2n ** 60n]) {
      seen.push(await execute(c, 'SELECT ? AS it, HEX(?) AS hex', [value, value]));
    }
    return seen;
  });
  await step('prepared/many at once', async (c) => {
    const seen = [];
    for (let n = 0; n < 40; n += 1) seen.push(await execute(c, `SELECT ? + ${n} AS it`, [n]));
    return seen;
  });
  await step('prepared/syntax!', (c) => execute(c, 'SELEC ?', [1]));
  await step('prepared/duplicate!', (c) => execute(c, 'INSERT INTO notes (id, name) VALUES (?, ?)', [1, 'again']));
  const big = Buffer.alloc(20 << 20, 'battery\0\xff');
  await step('prepared/20 MiB', async (c) => {
    await execute(c, 'INSERT INTO blobs VALUES (?, ?)', [2, big]);
    return execute(c, 'SELECT data FROM blobs WHERE id = ?', [2]);
  });
  await step('blobs/20 MiB', async (c) => {
    await query(c, 'INSERT INTO blobs VALUES (?, ?)', [1, big]);
    return ask(c, 'SELECT LENGTH(data) AS length, data FROM blobs WHERE id = 1');
  });
  for (const size of [0xffffff - 9, 0xffffff - 5, 0xffffff - 4]) {
    await step(`blobs/a value of ${size}`, (c) => ask(c, `SELECT REPEAT('x', ${size}) AS x`));
  }
  await step('streaming/100k rows at once', async (c) => {
    const sum = new RowSum();
    for (const row of await ask(c, 'SELECT n, name FROM many ORDER BY n')) sum.add(row);
    return sum;
  });

  await step('multi/results', (c) => query(c, MULTI), { multipleStatements: true });
  await step('multi/error in the middle!', (c) => query(c, 'SELECT 1; SELECT * FROM nothing; SELECT 3'), {
    multipleStatements: true,
  });
  await step('procedures/several results', (c) => query(c, 'CALL two_results(2)'));
  await step('procedures/with OUT', async (c) => {
    await query(c, "SET @text = 'text'");
    await query(c, 'CALL doubled(21, @twice, @text)');
    return ask(c, 'SELECT @twice, @text');
  });
  await step('procedures/error after a result!', (c) => query(c, 'CALL fails_after_a_result()'));
  if (SERVER === 'mariadb') {
    // seekdb does not stand CALL prepared.
    await step('procedures/prepared', (c) => execute(c, 'CALL two_results(?)', [2]));
    await step('procedures/prepared, error after a result!', (c) => execute(c, 'CALL fails_after_a_result()'));
  }
  for (const [name, sql] of Object.entries(ERRORS)) await step(`errors/${name}!`, (c) => query(c, sql));
  await step('errors/one after the other', async (c) => {
    const seen = [];
    for (const sql of Object.values(ERRORS)) seen.push(await outcomeOf(query(c, sql)));
    return seen;
  });
  await step('warnings/show', async (c) => [
    await query(c, "SELECT CAST('12x' AS SIGNED) AS it"),
    await ask(c, 'SHOW WARNINGS'),
    await query(c, "INSERT IGNORE INTO notes (id, name) VALUES (1, 'x')"),
    await ask(c, 'SHOW COUNT(*) WARNINGS'),
  ]);
  await step('transactions/rollback and commit', async (c) => {
    const seen = [];
    const other = await connect({});
    for (const end of ['rollback', 'commit']) {
      await c.beginTransaction();
      await query(c, "INSERT INTO notes (name) VALUES ('in transaction')");
      const count = () => ask(other, "SELECT COUNT(*) AS count FROM notes WHERE name = 'in transaction'");
      seen.push(await count());
      await c[end]();
      seen.push(await count());
    }
    await other.end();
    return seen;
  });
  await step('database/use', async (c) => {
    await query(c, 'USE oceanbase');
    return ask(c, 'SELECT DATABASE() AS db');
  });
  await step('results/insert, update, delete', async (c) => {
    const seen = [];
    for (const sql of [
      "INSERT INTO notes (name) VALUES ('r1')", "INSERT INTO notes (name) VALUES ('r2'), ('r3')",
      "UPDATE notes SET amount = 7 WHERE name LIKE 'r_'", "UPDATE notes SET amount = 7 WHERE name LIKE 'r_'",
      "REPLACE INTO notes (name, amount) VALUES ('r1', 8)", "DELETE FROM notes WHERE name LIKE 'r_'",
      'CREATE TABLE t (a INT)', 'INSERT INTO t SELECT n FROM many', 'DROP TABLE t',
    ]) {
      seen.push(await query(c, sql));
    }
    return seen;
  });
  await step('reset/ping', async (c) => (await c.ping(), 'pong'));
  await step('reset/change user', async (c) => {
    await query(c, 'SET @before = 1');
    await c.changeUser({ user: DATABASE, password: PASSWORD, database: DATABASE });
    return ask(c, 'SELECT @before, DATABASE() AS db');
  });
  if (survivesARefusedChange) {
    const refused = { user: DATABASE, password: 'no', database: DATABASE };
    await step('reset/change user, wrong password!', (c) => c.changeUser(refused));
  }
  await step('reset/reset', async (c) => {
    await query(c, 'SET @before = 1');
    await c.reset();
    return ask(c, 'SELECT @before');
  });
  const killed = (how) => async (c) => {
    const id = threadId(c);
    const [outcome] = await Promise.allSettled([
      query(c, SLEEP),
      battery.whenRunning(id, SLEEP, (other) => query(other, `${how} ${id}`)),
    ]);
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  };
  await step('cancel/KILL QUERY!', killed('KILL QUERY'));
  await step('cancel/KILL!', killed('KILL'), { ends: true });

  // Given to the client all at once; one of them fails.
  await step('pipelining/queries', async (c) => {
    const numbers = Array.from({ length: 300 }, (_, n) => n);
    const queries = numbers.map((n) => outcomeOf(ask(c, n === 150 ? 'SELECT * FROM nothing' : `SELECT ${n} AS n`)));
    return Promise.all(queries);
  });
  await step('pipelining/prepared and other statements', async (c) => {
    const numbers = Array.from({ length: 100 }, (_, n) => n);
    return Promise.all(
      numbers.flatMap((n) => [
        outcomeOf(execute(c, 'SELECT ? AS n', [n])),
        outcomeOf(query(c, `INSERT INTO notes (name, amount) VALUES ('p${n % 50}', ${n})`)),
        outcomeOf(c.ping()),
      ]),
    );
  });
}

/** Ends the program with its battery, whatever a client still has open. */
function run(main) {
  main().then(
    () => process.exit(0),
    (error) => {
      console.log(error);
      process.exit(1);
    },
  );
}

module.exports = {
  HOST, PORT, SERVER, DATABASE, VICTIMS, PASSWORD, SLEEP, TLS,
  Battery, Plain, RowSum, common, file, outcomeOf, run, shown,
};
