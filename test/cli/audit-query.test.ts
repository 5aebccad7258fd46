import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { AUDIT_TABLES } from '../../alerts/index.ts';
import { createPaint } from '../../cli/paint.ts';
import { printTable } from '../../cli/table.ts';
import { fingerprint, segmentAt, type Written, writeLog } from '../alerts/review/log.ts';
import { anAlert } from '../support/alert.ts';
import { shrike } from '../support/command.ts';
import { temporaryFolder } from '../support/folder.ts';

const query = (...args: readonly string[]) => shrike('audit', 'query', ...args);

/** A log of three alerts. */
const threeAlerts = async (segmentBytes?: number): Promise<string> => {
  const folder = temporaryFolder();
  const entries = [
    { rule: 'One', priority: 'error' },
    { rule: 'Two, "quoted"\n\x1b[31m', priority: 'debug' },
    { rule: 'One', priority: 'alert' },
  ] as const;
  await writeLog(
    folder,
    entries.map((more): Written => ['alert', (seq) => anAlert(seq, more)]),
    segmentBytes,
  );
  return folder;
};

const LIST = 'SELECT rule, count(*) AS alerts, max(fields) AS fields FROM alerts GROUP BY rule ORDER BY rule';
const FIELDS = '{"proc.name":"cat","proc.pid":42,"evt.res":null}';
const REMEDY = '"shrike audit query --schema" lists the tables and their columns\n';

describe('shrike audit query', () => {
  it('prints a table; what could drive a terminal is escaped', async () => {
    const folder = await threeAlerts();
    const before = fingerprint(folder);
    expect(await query(LIST, folder)).toEqual({
      code: 0,
      stdout: `rule                     alerts  fields
───────────────────────  ──────  ────────────────────────────────────────────────
One                           2  ${FIELDS}
Two, "quoted"\\n\\x1b[31m       1  ${FIELDS}
2 rows
`,
      stderr: '',
    });
    expect(await query(LIST, folder, '--limit', '1')).toMatchObject({
      stdout: expect.stringMatching(/\n2 rows, the first 1 row of them shown; --limit, --json or --csv show more\n$/),
    });
    expect(fingerprint(folder)).toBe(before);
  });

  it('prints JSON and comma-separated values', async () => {
    const folder = await threeAlerts();
    expect(await query('SELECT rule, fields, verdict FROM alerts WHERE seq = 1', folder, '--json')).toEqual({
      code: 0,
      stdout: `{"rule":"One","fields":${FIELDS},"verdict":null}\n`,
      stderr: '',
    });
    expect(await query('SELECT seq, rule, verdict FROM alerts WHERE seq < 3', folder, '--csv')).toEqual({
      code: 0,
      stdout: 'seq,rule,verdict\n1,One,\n2,"Two, ""quoted""\n\x1b[31m",\n',
      stderr: '',
    });
  });

  it('lists its tables and columns', async () => {
    const { code, stdout } = await query('--schema');
    expect(code).toBe(0);
    for (const { name, meaning, columns } of AUDIT_TABLES) {
      expect(stdout).toContain(`${name}: ${meaning}\n`);
      for (const column of columns) expect(stdout).toMatch(new RegExp(`^  ${column.name} +\\S.* {2}\\S`, 'm'));
    }
  });

  it.each<[string, string, number]>([
    [
      'SELECT * FROM alert',
      `shrike: Catalog Error: Table with name alert does not exist!\nDid you mean "alerts"?\n\nLINE 1: SELECT * FROM alert\n                      ^\n${REMEDY}`,
      2,
    ],
    [
      "COPY alerts TO '/tmp/x'",
      `shrike: a query is one SELECT (or WITH, FROM, VALUES, DESCRIBE, SUMMARIZE, EXPLAIN); it reads the log and changes nothing\n${REMEDY}`,
      2,
    ],
    [
      "SELECT * FROM read_csv('/etc/passwd')",
      `shrike: a query reads the log's tables and nothing else: it can't call read_csv; in FROM are generate_series, json_each, json_tree, range, repeat, repeat_row, unnest\n${REMEDY}`,
      2,
    ],
  ])('refuses %s', async (sql, stderr, code) => {
    expect(await query(sql, await threeAlerts())).toEqual({ code, stdout: '', stderr });
  });

  it('says that there is no query, or no log', async () => {
    expect(await query()).toEqual({
      code: 2,
      stdout: '',
      stderr: 'shrike: give a query: shrike audit query "SELECT ..."; --schema lists what there is\n',
    });
    const folder = temporaryFolder();
    expect(await query('SELECT 1', folder)).toEqual({
      code: 2,
      stdout: '',
      stderr: `shrike: ${folder}: no audit log is there, which would have files named audit-000001.jsonl; give the folder that "shrike run" prints at its end\n`,
    });
  });

  it('ends with exit code 1 at a damaged line, which it names', async () => {
    const folder = await threeAlerts();
    const [first = '', , third = ''] = readFileSync(segmentAt(folder), 'utf8').split('\n');
    writeFileSync(segmentAt(folder), `${first}\n{"v":1,\n${third}\n`);
    expect(await query('SELECT max(rule) FROM alerts', folder)).toEqual({
      code: 1,
      stdout: '',
      stderr: `shrike: ${segmentAt(folder)}:2: byte 0: expected ,"crc32c":"<8 hex digits>"} at the end of the line
the log is damaged, so that no query can be answered; "shrike audit show" shows the other entries, and "shrike audit verify" says what was changed
`,
    });
  });

  it('says what of the log it does not have', async () => {
    const folder = await threeAlerts(100);
    rmSync(segmentAt(folder, 2));
    truncateSync(segmentAt(folder, 3), 7);
    expect(await query('SELECT count(*) AS n FROM alerts', folder, '--json')).toEqual({
      code: 0,
      stdout: '{"n":1}\n',
      stderr: `shrike: entry 2 is missing: no segment has it; "shrike audit verify" says whether it was signed
shrike: ${segmentAt(folder, 3)}: the last line is not whole (7 bytes): it is being written, or a crash tore it; it is left out
`,
    });
    rmSync(segmentAt(folder, 1));
    writeFileSync(segmentAt(folder, 3), '');
    const { stderr } = await query('SELECT 1', folder);
    expect(stderr).toBe(
      'shrike: the log begins with entry 3; what was removed before is said by "shrike audit show --kind shed"\n',
    );
  });
});

it('on a terminal, wide columns give way', () => {
  const lines: string[] = [];
  const output = {
    paint: createPaint(false),
    isTerminal: true,
    columns: 40,
    line: (text = '') => void lines.push(text),
    json: () => undefined,
  };
  printTable(
    [
      { name: 'number', type: 'BIGINT' },
      { name: 'text', type: 'VARCHAR' },
      { name: 'more', type: 'VARCHAR' },
    ],
    [[7, 'x'.repeat(100), 'short']],
    output,
  );
  expect(lines[2]).toBe(`     7  ${'x'.repeat(24)}…  short`);
  expect(lines.every((line) => [...line].length <= 40)).toBe(true);
});
