import {
  appendFileSync,
  chmodSync,
  cpSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import {
  type Alert,
  AUDIT_TABLES,
  type AuditEntry,
  type AuditQuery,
  type AuditQueryOptions,
  type Cell,
  isoTime,
  openAuditLog,
  openAuditQuery,
  QueryError,
  readAuditLog,
} from '../../../alerts/index.ts';
import { PRIORITIES } from '../../../rules/index.ts';
import { anAlert } from '../../support/alert.ts';
import { count, seed } from '../../support/counts.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { createRandom, type Random } from '../../support/random.ts';
import { fingerprint, segmentAt, type Written, writeLog } from './log.ts';

const opened = async (folder: string, more: Partial<AuditQueryOptions> = {}): Promise<AuditQuery> => {
  const query = await openAuditQuery({ folder, ...more });
  onTestFinished(query.close);
  return query;
};

const rowsOf = async (query: AuditQuery, sql: string): Promise<readonly (readonly Cell[])[]> => {
  const { rows } = await query.run(sql);
  const all: (readonly Cell[])[] = [];
  for await (const portion of rows) all.push(...portion);
  return all;
};

/** The sentence with which a query ends, and its code. */
const refusal = async (query: AuditQuery, sql: string): Promise<string> => {
  try {
    await rowsOf(query, sql);
    return 'it was answered';
  } catch (error) {
    if (error instanceof QueryError) return `${error.code}: ${error.message}`;
    throw error;
  }
};

const RULES = ['Password file read', 'Log "emptied"', "Sister's rule", 'Règle'];
const EXES = ['/usr/bin/cat', '/tmp/.x', '/opt/a b/c', null];

const randomAlert = (random: Random): Written => {
  const fields = random.chance(0.7) ? { 'fd.name': random.pick(['/etc/shadow', '/var/log/x,y']), 'user.uid': 7 } : {};
  const more: Partial<Alert> = {
    rule: random.pick(RULES),
    priority: random.pick(PRIORITIES),
    time: isoTime(1_700_000_000_000_000_000n + BigInt(random.below(2 ** 30)) * 1_000_000n),
    fields,
    process: { ...anAlert(1).process, pid: random.between(1, 9), exe: random.pick(EXES) },
    ...(random.chance(0.2) && {
      aggregated: { count: random.between(0, 500), since: isoTime(1n), until: isoTime(2n), key: {} },
    }),
  };
  return ['alert', (seq) => anAlert(seq, more)];
};

const randomEntry = (random: Random): Written =>
  random.weighted<Written>([
    [8, randomAlert(random)],
    [
      2,
      [
        'policy',
        { name: random.pick(['one', 'two', 'three']), hash: String(random.below(5)), mode: 'monitor', rules: 2 },
      ],
    ],
    [1, ['policy', { name: random.pick(['one', 'two', 'three']), hash: '0', ended: true, reload: {} }]],
    [1, ['policy', { rotated: { from: 'a', to: 'b' } }]],
    [1, ['start', { host: 'web-1', kernel: '6.12', enforce: random.chance(0.5) }]],
    [1, ['stop', { events: random.below(100), alerts: random.below(100) }]],
    [1, ['loss', { hook: 'tp_btf/sys_exit', ring: 'events', records: random.below(9), received: 10 }]],
    [1, ['shed', { rule: random.pick(RULES), cgroup: '/a', records: random.below(9), limit: 'rule' }]],
  ]);

const entriesOf = async (folder: string): Promise<readonly AuditEntry[]> => {
  const entries: AuditEntry[] = [];
  for await (const { entry } of readAuditLog(folder, { strict: true })) entries.push(entry);
  return entries;
};

/** Names and hashes of the policies that are in force behind an entry, by the words of docs/audit.md. */
const policiesAt = (entries: readonly AuditEntry[], seq: number): readonly string[] => {
  let inForce: readonly (readonly [string, string])[] = [];
  for (const { kind, body } of entries.slice(0, seq)) {
    const { name, hash, ended } = body as { name?: string; hash?: string; ended?: boolean };
    if (kind === 'start' || kind === 'stop') inForce = [];
    if (kind === 'policy' && name !== undefined)
      inForce = [...inForce.filter(([each]) => each !== name), ...(ended ? [] : [[name, hash ?? ''] as const])];
  }
  return inForce.map((each) => each.join(' ')).sort();
};

/** For each start: whether a stop is the next start or stop behind it; null where there is neither. */
const endsOf = (entries: readonly AuditEntry[]): readonly (readonly [number, boolean | null])[] =>
  entries.flatMap(({ kind, seq }, index) => {
    const next = entries.slice(index + 1).find((each) => each.kind === 'start' || each.kind === 'stop');
    return kind === 'start' ? [[seq, next === undefined ? null : next.kind === 'stop'] as const] : [];
  });

const tally = (items: readonly string[]): Readonly<Record<string, number>> => {
  const counts: Record<string, number> = {};
  for (const item of items) counts[item] = (counts[item] ?? 0) + 1;
  return counts;
};

describe('the tables', () => {
  it('say what the log says: random logs in several segments', { timeout: 600_000 }, async () => {
    const random = createRandom(seed('the tables of random logs'));
    for (let round = 0; round < count(200); round++) {
      const folder = temporaryFolder();
      const written = Array.from({ length: random.between(1, 80) }, () => randomEntry(random));
      await writeLog(folder, written, random.pick([2_000, 8_000, 1 << 20]));
      const entries = await entriesOf(folder);
      const alerts = entries.flatMap(({ kind, body }) => (kind === 'alert' ? [body as Alert] : []));
      const query = await openAuditQuery({ folder });
      try {
        expect(query.log).toMatchObject({ first: 1, last: entries.length, gaps: [] });
        expect(Object.fromEntries(await rowsOf(query, 'SELECT kind, count(*) FROM entries GROUP BY kind'))).toEqual(
          tally(entries.map(({ kind }) => kind)),
        );
        expect(await rowsOf(query, 'SELECT seq, time, body FROM entries ORDER BY seq')).toEqual(
          entries.map(({ seq, time, body }) => [seq, time, body]),
        );
        expect(Object.fromEntries(await rowsOf(query, 'SELECT rule, count(*) FROM alerts GROUP BY rule'))).toEqual(
          tally(alerts.map(({ rule }) => rule)),
        );
        const least = random.pick(PRIORITIES);
        expect(
          await rowsOf(query, `SELECT id FROM alerts WHERE severity <= ${PRIORITIES.indexOf(least)} ORDER BY seq`),
        ).toEqual(
          alerts
            .filter(({ priority }) => PRIORITIES.indexOf(priority) <= PRIORITIES.indexOf(least))
            .map(({ id }) => [id]),
        );
        expect(
          await rowsOf(
            query,
            'SELECT time, exe, pid, start, file, matches, tags, parent, fields FROM alerts ORDER BY seq',
          ),
        ).toEqual(
          alerts.map(({ time, process, fields, aggregated, tags }) => [
            time,
            process.exe,
            process.pid,
            process.start,
            fields['fd.name'] ?? null,
            aggregated?.count ?? 1,
            tags,
            process.ancestors[0]?.exe ?? null,
            fields,
          ]),
        );
        const seq = random.between(1, entries.length);
        const inForce = `SELECT name, hash FROM policies WHERE seq <= ${seq} AND (until_seq > ${seq} OR until_seq IS NULL)`;
        expect((await rowsOf(query, inForce)).map((row) => row.join(' ')).sort()).toEqual(policiesAt(entries, seq));
        expect(await rowsOf(query, 'SELECT seq, stopped FROM starts ORDER BY seq')).toEqual(endsOf(entries));
        const lost = entries
          .filter(({ kind }) => kind === 'loss')
          .map(({ body }) => (body as { records: number }).records);
        expect(await rowsOf(query, 'SELECT records FROM losses ORDER BY seq')).toEqual(lost.map((each) => [each]));
      } finally {
        query.close();
        rmSync(folder, { recursive: true });
      }
    }
  });

  it('of attempts and switchings', async () => {
    const folder = temporaryFolder();
    await writeLog(folder, [
      [
        'enforcement',
        {
          rule: 'Killed',
          policy: 'p',
          policyHash: 'ab',
          mode: 'enforce',
          action: 'kill',
          hook: 'tp_btf/sched_process_exec',
          tier: 'exec',
          event: 'execve',
          time: '2026-01-02T03:04:05.678900001Z',
          pid: 7,
          start: 5,
          exe: '/tmp/.x',
          cgroup: '/a',
          arguments: { file: '/tmp/.x', argv: ['.x', '-q'] },
          fields: {},
          outcome: 'suppressed: init',
        },
      ],
      ['enforcement', { switched: 'off', by: 'shrike enforce' }],
    ]);
    const query = await opened(folder);
    expect(
      await rowsOf(
        query,
        "SELECT time, outcome, denied, file, arguments->'argv', switched, switched_by FROM enforcement",
      ),
    ).toEqual([
      ['2026-01-02T03:04:05.678900001Z', 'suppressed: init', null, '/tmp/.x', ['.x', '-q'], null, null],
      [null, null, null, null, null, 'off', 'shrike enforce'],
    ]);
  });

  it('have the columns that the schema names, of the types that it names', async () => {
    const folder = temporaryFolder();
    await writeLog(folder, [['start', { host: 'web-1' }]]);
    const query = await opened(folder);
    for (const { name, columns } of AUDIT_TABLES) {
      const { columns: found } = await query.run(`FROM ${name}`);
      expect(found.map((each) => each.name)).toEqual(columns.map((each) => each.name));
      const types = found.map(({ type }) => (type.startsWith('ENUM') ? 'priority' : type.replaceAll('"', '')));
      expect(types).toEqual(columns.map(({ type }) => type));
    }
  });

  it('values of all kinds come as JSON', async () => {
    const folder = temporaryFolder();
    await writeLog(folder, [['start', { host: 'web-1' }]]);
    const query = await opened(folder);
    const sql = `SELECT 9007199254740993, 1.5::DECIMAL(4,2), DATE '2026-01-02', INTERVAL 2 HOUR, [1, NULL], {a: 'x'}, MAP {'k': 1}, 'NaN'::DOUBLE, TIMESTAMP '2026-01-02 03:04:05', true, NULL`;
    expect(await rowsOf(query, sql)).toEqual([
      [
        '9007199254740993',
        '1.50',
        '2026-01-02',
        '02:00:00',
        [1, null],
        { a: 'x' },
        { k: 1 },
        'NaN',
        '2026-01-02T03:04:05.000000000Z',
        true,
        null,
      ],
    ]);
  });
});

const ONLY = 'a query is one SELECT (or WITH, FROM, VALUES, DESCRIBE, SUMMARIZE, EXPLAIN)';
const NOTHING_ELSE = "a query reads the log's tables and nothing else";
const FUNCTIONS = 'in FROM are generate_series, json_each, json_tree, range, repeat, repeat_row, unnest';

describe('a query that asks for what it may not have', () => {
  it('is refused, with the log, other files and the temporary folder as they were', async () => {
    const [folder, other] = [temporaryFolder(), temporaryFolder()];
    await writeLog(
      folder,
      [
        ['alert', (seq) => anAlert(seq)],
        ['stop', { events: 1, alerts: 1 }],
      ],
      100,
    );
    const [canary, made] = [join(other, 'canary.csv'), join(other, 'made')];
    writeFileSync(canary, 'secret\n1\n');
    writeFileSync(join(folder, 'log.key'), 'secret');
    const before = [fingerprint(folder), fingerprint(other)];
    const query = await opened(folder);
    const segment = segmentAt(folder);
    const cannot = (name: string): string => `query: ${NOTHING_ELSE}: it can't call ${name}; ${FUNCTIONS}`;
    const changes = `query: ${ONLY}; it reads the log and changes nothing`;
    const expected: Readonly<Record<string, string>> = {
      [`SELECT * FROM read_text('${canary}')`]: cannot('read_text'),
      [`SELECT * FROM READ_CSV('${canary}')`]: cannot('read_csv'),
      [`SELECT (SELECT max(content) FROM system.main."read_text"('${canary}'))`]: cannot('read_text'),
      [`WITH x AS (SELECT * FROM read_blob('${segment}')) SELECT 1`]: cannot('read_blob'),
      [`EXPLAIN ANALYZE SELECT * FROM read_text('${canary}')`]: cannot('read_text'),
      [`SUMMARIZE SELECT * FROM glob('${other}/*')`]: cannot('glob'),
      "SELECT * FROM query('SELECT 1')": cannot('query'),
      [`SELECT * FROM enable_logging(storage = 'file', storage_config = {'path': '${made}'})`]:
        cannot('enable_logging'),
      [`SELECT * FROM enable_logging(storage = 'file', storage_config = {'path': '${segment}'})`]:
        cannot('enable_logging'),
      'SELECT * FROM duckdb_settings()': cannot('duckdb_settings'),
      [`COPY alerts TO '${made}'`]: changes,
      [`EXPLAIN ANALYZE COPY alerts TO '${segment}'`]: changes,
      [`EXPORT DATABASE '${made}'`]: changes,
      [`ATTACH '${made}'`]: changes,
      'INSTALL httpfs': changes,
      "LOAD '/tmp/x.duckdb_extension'": changes,
      'CREATE TABLE x (a INTEGER)': changes,
      'DROP VIEW alerts': changes,
      'DELETE FROM alerts': changes,
      "UPDATE alerts SET rule = ''": changes,
      'SET enable_external_access = true': changes,
      'PRAGMA version': changes,
      'CALL enable_logging()': changes,
      'PIVOT alerts ON rule USING count(*)': changes,
      'SELECT 1; SELECT 2': `query: there are 2 statements; ${ONLY}`,
      [`SELECT 1; COPY alerts TO '${made}'`]: changes,
      '-- nothing': `query: there is no statement; ${ONLY}`,
    };
    for (const [sql, said] of Object.entries(expected))
      expect(`${sql} ${await refusal(query, sql)}`).toBe(`${sql} ${said}`);
    expect(await refusal(query, `FROM '${canary}'`)).toContain(
      `query: ${NOTHING_ELSE}\nPermission Error: Cannot access file "${canary}"`,
    );
    expect(await refusal(query, "FROM 'http://127.0.0.1:1/x.csv'")).toContain(
      `query: ${NOTHING_ELSE}\nPermission Error: `,
    );
    expect(await refusal(query, `FROM '${folder}/log.key'`)).toContain(
      `Table with name ${folder}/log.key does not exist!`,
    );
    expect(await rowsOf(query, 'SELECT count(*) FROM entries')).toEqual([[2]]);
    expect([fingerprint(folder), fingerprint(other)]).toEqual(before);
  });

  it("and what is not caught before, DuckDB's settings don't allow", async () => {
    const folder = temporaryFolder();
    await writeLog(folder, [['stop', { events: 1, alerts: 1 }]]);
    const query = await opened(folder);
    const settings = `enable_external_access lock_configuration autoload_known_extensions autoinstall_known_extensions temp_directory allow_community_extensions`;
    const values = settings.split(' ').map((name) => `current_setting('${name}')`);
    expect(await rowsOf(query, `SELECT ${values.join(', ')}`)).toEqual([[false, true, false, false, '', false]]);
  });
});

describe('a query that is wrong', () => {
  it.each([
    ['SELEC 1', 'query: Parser Error: syntax error at or near "SELEC"\n\nLINE 1: SELEC 1\n        ^'],
    [
      'SELECT rul FROM alerts',
      'query: Binder Error: Referenced column "rul" not found in FROM clause!\nCandidate bindings: NAMES\n\nLINE 1: SELECT rul FROM alerts\n               ^',
    ],
    [
      'SELECT 1\nFROM alert',
      'query: Catalog Error: Table with name alert does not exist!\nDid you mean "alerts"?\n\nLINE 2: FROM alert\n             ^',
    ],
    [
      "SELECT json_extract('{', '$')",
      `query: Invalid Input Error: Malformed JSON at byte 1 of input: unexpected end of data.  Input: "{"`,
    ],
  ])('%j', async (sql, said) => {
    const folder = temporaryFolder();
    await writeLog(folder, [['stop', { events: 1, alerts: 1 }]]);
    const found = await refusal(await opened(folder), sql);
    expect(found.replace(/(Candidate bindings: ).*/, '$1NAMES')).toBe(said);
  });

  it('or needs more memory than it may have', async () => {
    const folder = temporaryFolder();
    await writeLog(folder, [['stop', { events: 1, alerts: 1 }]]);
    const query = await opened(folder, { memory: 64 << 20 });
    expect(await refusal(query, 'SELECT length(list(range)) FROM range(100000000)')).toBe(
      'memory: the query needs more memory than the 64 MiB that it may have: let it keep less (WHERE, LIMIT, fewer columns), or give it more with --memory',
    );
    expect(await rowsOf(query, 'SELECT 1')).toEqual([[1]]);
  });

  it('or is interrupted', async () => {
    const folder = temporaryFolder();
    await writeLog(folder, [['stop', { events: 1, alerts: 1 }]]);
    const query = await opened(folder);
    const ended = refusal(
      query,
      'SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range <> b.range + 1',
    );
    const timer = setInterval(query.interrupt, 50);
    const said = await ended;
    clearInterval(timer);
    expect(said).toBe('interrupted: interrupted');
  });
});

describe('a log', () => {
  const lines = (folder: string, firstSeq = 1): string[] =>
    readFileSync(segmentAt(folder, firstSeq), 'utf8').split('\n');

  it('that is not there, or no log', async () => {
    const folder = temporaryFolder();
    const remedy = 'give the folder of an audit log, which "shrike run" prints at its end';
    await expect(openAuditQuery({ folder: join(folder, 'x') })).rejects.toThrow(
      `${folder}/x: there is no such folder; ${remedy}`,
    );
    await expect(openAuditQuery({ folder })).rejects.toThrow(
      `${folder}: no audit log is there, which would have files named audit-000001.jsonl; give the folder that "shrike run" prints at its end`,
    );
    writeFileSync(join(folder, 'file'), '');
    await expect(openAuditQuery({ folder: join(folder, 'file') })).rejects.toThrow(
      `${folder}/file: not a folder; ${remedy}`,
    );
  });

  it('with a line that is no JSON names it', async () => {
    const folder = temporaryFolder();
    await writeLog(
      folder,
      [1, 2, 3].map((): Written => ['alert', (seq) => anAlert(seq)]),
    );
    const changed = lines(folder);
    changed[1] = 'x'.repeat(100);
    writeFileSync(segmentAt(folder), changed.join('\n'));
    expect(await refusal(await opened(folder), 'SELECT count(*), max(rule) FROM alerts')).toBe(
      `damaged: ${segmentAt(folder)}:2: byte 79: expected ,"crc32c":"<8 hex digits>"} at the end of the line\nthe log is damaged, so that no query can be answered; "shrike audit show" shows the other entries, and "shrike audit verify" says what was changed`,
    );
  });

  it('whose last line is torn is asked without it; one that lost only its newline is whole', async () => {
    const folder = temporaryFolder();
    await writeLog(
      folder,
      [1, 2, 3].map((): Written => ['alert', (seq) => anAlert(seq)]),
    );
    const { size } = statSync(segmentAt(folder));
    truncateSync(segmentAt(folder), size - 1);
    const whole = await opened(folder);
    expect(whole.log).toMatchObject({ first: 1, last: 3 });
    expect(whole.log.torn).toBeUndefined();
    expect(await rowsOf(whole, 'SELECT count(*) FROM alerts')).toEqual([[3]]);
    truncateSync(segmentAt(folder), size - 10);
    const torn = await opened(folder);
    const last = Buffer.byteLength(lines(folder)[2] ?? '');
    expect(torn.log).toMatchObject({ first: 1, last: 2, torn: { path: segmentAt(folder), bytes: last } });
    expect(await rowsOf(torn, 'SELECT count(*) FROM alerts')).toEqual([[2]]);
  });

  it('without its first or a middle segment says so', async () => {
    const folder = temporaryFolder();
    await writeLog(
      folder,
      [1, 2, 3, 4].map((): Written => ['alert', (seq) => anAlert(seq)]),
      100,
    );
    rmSync(segmentAt(folder, 3));
    expect((await opened(folder)).log).toMatchObject({ first: 1, last: 4, gaps: [{ first: 3, last: 3 }] });
    rmSync(segmentAt(folder, 1));
    const query = await opened(folder);
    expect(query.log).toMatchObject({ first: 2, last: 4, gaps: [{ first: 3, last: 3 }] });
    expect(await rowsOf(query, 'SELECT seq FROM alerts ORDER BY seq')).toEqual([[2], [4]]);
  });

  it('of which a segment goes while it is asked', async () => {
    const folder = temporaryFolder();
    await writeLog(
      folder,
      [1, 2].map((): Written => ['alert', (seq) => anAlert(seq)]),
      100,
    );
    const query = await opened(folder);
    rmSync(segmentAt(folder));
    expect(await refusal(query, 'SELECT count(*) FROM alerts')).toBe(
      'changed: a segment of the log was removed while the query read it: run it again',
    );
  });

  it('that nobody may write, and a folder whose name DuckDB would take for a pattern', async () => {
    const folder = join(temporaryFolder(), "log's [a-z]*?");
    await writeLog(
      folder,
      [1, 2].map((): Written => ['alert', (seq) => anAlert(seq)]),
      100,
    );
    for (const name of readdirSync(folder)) chmodSync(join(folder, name), 0o400);
    chmodSync(folder, 0o500);
    onTestFinished(() => chmodSync(folder, 0o700));
    const before = fingerprint(folder);
    expect(await rowsOf(await opened(folder), 'SELECT count(*) FROM alerts')).toEqual([[2]]);
    expect(fingerprint(folder)).toBe(before);
  });

  it('that is written to is asked as it was; what it needed is removed', async () => {
    const folder = temporaryFolder();
    const log = await openAuditLog({ folder, host: 'web-1', reserveBytes: 0 });
    const temporary = temporaryFolder();
    vi.stubEnv('TMPDIR', temporary);
    onTestFinished(() => void vi.unstubAllEnvs());
    for (let entry = 0; entry < 50; entry++) log.append('alert', (seq) => anAlert(seq));
    await log.flush();
    const query = await openAuditQuery({ folder });
    expect(readdirSync(temporary)).toEqual([expect.stringMatching(/^shrike-query-/)]);
    for (let entry = 0; entry < 50; entry++) log.append('alert', (seq) => anAlert(seq));
    await log.flush();
    appendFileSync(segmentAt(folder), '{"v":1,');
    expect(await rowsOf(query, 'SELECT count(*) FROM alerts')).toEqual([[50]]);
    query.close();
    expect(readdirSync(temporary)).toEqual([]);
    vi.unstubAllEnvs();
    await log.close();
    const copy = temporaryFolder();
    cpSync(folder, copy, { recursive: true });
    expect((await opened(copy)).log).toMatchObject({ last: 100, torn: { bytes: 7 } });
  });
});
