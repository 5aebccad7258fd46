import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { DEMO_SCENARIO, demoPolicies } from '../../cli/demo.ts';
import { at } from '../support/cli.ts';
import { shrikeWith } from '../support/command.ts';

/** The rules that the scenario's author expects, in the order of the steps that they are about. */
const EXPECTED = (
  parse(readFileSync(at(`sensors/sim/scenarios/${DEMO_SCENARIO}.yaml`), 'utf8')) as {
    readonly expect: readonly string[];
  }
).expect;

/** The policy files of the demonstration: a folder's own, and files. */
const POLICY_FILES = demoPolicies().flatMap((path) =>
  path.endsWith('.yaml')
    ? [path]
    : readdirSync(path).flatMap((name) => (name.endsWith('.yaml') ? [join(path, name)] : [])),
);

/** Policy names and the SHA-256 of their files. */
const POLICIES = new Map(
  POLICY_FILES.map((path) => {
    const text = readFileSync(path);
    const { metadata } = parse(text.toString()) as { readonly metadata: { readonly name: string } };
    return [metadata.name, createHash('sha256').update(text).digest('hex')];
  }),
);

/** The questions of docs/audit.md with their commands. */
const QUESTIONS = [...readFileSync(at('docs/audit.md'), 'utf8').matchAll(/^\| ([^|]+\?) \| `shrike (.+)` \|$/gm)].map(
  ([, question = '', command = '']) => ({ question, command }),
);

const words = (line: string): readonly string[] =>
  [...line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(([, single, double, bare]) => single ?? double ?? bare ?? '');

const sorted = (texts: Iterable<string>): readonly string[] => [...texts].sort();

/** Rows of a table of `shrike audit query`, by cells. */
const rowsOf = (stdout: string): readonly (readonly string[])[] =>
  stdout
    .trimEnd()
    .split('\n')
    .slice(2, -1)
    .map((line) => line.split(/ {2,}/));

const sha256 = (...parts: readonly Uint8Array[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest();

/** The root that an inclusion proof leads to (RFC 9162, section 2.1.3.2), in base64. */
const rootOf = (leaf: Uint8Array, index: number, size: number, path: readonly Uint8Array[]): string => {
  let hash = sha256(Uint8Array.of(0), leaf);
  let [at, last] = [index, size - 1];
  for (const other of path) {
    if (at % 2 === 1 || at === last) {
      hash = sha256(Uint8Array.of(1), other, hash);
      while (at % 2 === 0 && at > 0) [at, last] = [at / 2, Math.floor(last / 2)];
    } else hash = sha256(Uint8Array.of(1), hash, other);
    [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
  }
  return hash.toString('base64');
};

const WEB_SHELL = 'sh -c whoami; id; cat /etc/passwd /etc/shadow';

/** What is known of each answer without the log: from the scenario, which says what its processes do, and from the policies' files. */
const CHECKS: Readonly<Record<string, (answer: string) => void>> = {
  'Who ran what on which file between two times?': (answer) => {
    expect(answer).toMatch(
      /^#\d+ .* Password file read refused: cat was refused \/etc\/shadow .*\/usr\/bin\/cat\[\d+\] uid 33\)$/m,
    );
    expect(answer).toMatch(/^1 entry of 1 to \d+; none of them is missing or damaged$/m);
  },
  'What did the agent block, and why?': (answer) => {
    expect(
      answer
        .split('\n')
        .slice(0, -2)
        .map((line) => line.replace(/^.*enforcement {2}/, '').replace(/\[\d+\]/g, '')),
    ).toEqual([
      'killed /tmp/.x execve /tmp/.x, by the rule "Program from a temporary folder killed" of execution-from-tmp-enforce (enforce)',
      'denied /usr/bin/tee openat /etc/shadow-, by the rule "Password file denied" of credential-files-enforce (enforce)',
    ]);
  },
  'What policy was active then?': (answer) => {
    const inForce = [...answer.matchAll(/^#\d+ .* policy +([\w-]+): .* sha256 ([0-9a-f]{64})$/gm)];
    expect(new Map(inForce.map(([, name = '', hash = '']) => [name, hash]))).toEqual(POLICIES);
  },
  'Was anything lost, held back or removed?': (answer) => {
    expect(answer).toMatch(/^0 entries of 1 to \d+; none of them is missing or damaged\n$/);
  },
  'Can it be proved?': (answer) => {
    expect(answer).toMatch(/^verified +\d+ entries$/m);
    expect(answer).toMatch(/^The log is what was signed\.$/m);
  },
  "Can one entry be proved to somebody who hasn't the log?": (answer) => {
    const [head = '', checkpoint = ''] = answer.split('\n\n');
    const [, extra = '', index = '', ...path] = head.split('\n');
    const line = Buffer.from(extra.replace('extra ', ''), 'base64');
    const { body } = JSON.parse(line.toString()) as { readonly body: { readonly rule: string } };
    expect(body.rule).toBe('Password file denied');
    const [, size, root] = checkpoint.split('\n');
    const hashes = path.map((text) => Buffer.from(text, 'base64'));
    expect(rootOf(line, Number(index.replace('index ', '')), Number(size), hashes)).toBe(root);
  },
  'What did a rule find, and when?': (answer) => {
    expect(answer).toMatch(
      /^#\d+ +2026-01-01T00:01:\S+ +alert +error +Log emptied: sh emptied a log \(file=\/var\/log\/auth\.log /m,
    );
    expect(answer).toMatch(/^1 entry of /m);
  },
  'What else did that process do?': (answer) => {
    const found = [...answer.matchAll(/^#.*?(?:critical|error|warning) +(?:\[\w+\] )?([^:]+):/gm)].map(
      ([, rule]) => rule,
    );
    expect(found).toEqual(['Cron job written', 'Authorized keys written', 'Log emptied']);
  },
  'Who started it, and what came of it?': (answer) => {
    expect(answer).toMatch(/^started by .*nginx\[\d+\] → nginx\[\d+\]\n/);
    expect(answer).toMatch(new RegExp(`^ +${WEB_SHELL} pid \\d+ uid 33$`, 'm'));
    const rules = [...answer.matchAll(/ #\d+ (?:critical|error|warning)(?: \[\w+\])? ([^:]+):/g)].map(
      ([, rule = '']) => rule,
    );
    expect(sorted(rules)).toEqual(sorted(EXPECTED));
    expect(answer.match(/✗/g)?.length).toBe(2);
  },
  'Which rules found most, by which programs?': (answer) => {
    const rows = rowsOf(answer);
    expect(rows.map(([rule]) => rule)).toEqual(sorted(EXPECTED));
    expect(rows.every(([, , matches]) => matches === '1')).toBe(true);
    expect(rows.find(([rule]) => rule === 'Download tool below a server')?.[1]).toBe('/usr/bin/curl');
  },
  'When did the agent run, and was it ended or killed?': (answer) => {
    expect(rowsOf(answer)).toEqual([
      [expect.stringMatching(/^sim-\d+$/), expect.stringMatching(/^20/), expect.stringMatching(/^20/), 'true'],
    ]);
  },
  'Which version of a policy judged what?': (answer) => {
    for (const [policy = '', hash] of rowsOf(answer)) expect(hash).toBe(POLICIES.get(policy));
    const all = rowsOf(answer).reduce((sum, row) => sum + Number(row.at(-1)), 0);
    expect(all).toBe(EXPECTED.length);
  },
};

describe("an auditor's questions about the log of npm start", { timeout: 120_000 }, () => {
  let state = '';

  beforeAll(() => {
    state = mkdtempSync(join(tmpdir(), 'shrike-test-'));
    const { status } = spawnSync(process.execPath, [at('dist/cli/start.js'), '--nats', 'nats://127.0.0.1:1'], {
      cwd: at('.'),
      env: { ...process.env, XDG_STATE_HOME: state },
      stdio: 'ignore',
    });
    // 3: there is no NATS server, which the log doesn't need.
    expect(status).toBe(3);
  }, 120_000);

  afterAll(() => {
    rmSync(state, { recursive: true, force: true });
  });

  it('are all in the document, each with a check', () => {
    expect(sorted(QUESTIONS.map(({ question }) => question))).toEqual(sorted(Object.keys(CHECKS)));
  });

  it.each(QUESTIONS)('$question', async ({ question, command }) => {
    const { code, stdout, stderr } = await shrikeWith({ XDG_STATE_HOME: state }, ...words(command));
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(/^the audit log in \S+\n$/) });
    CHECKS[question]?.(stdout);
  });
});
