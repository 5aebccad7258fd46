import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it, onTestFinished, vi } from 'vitest';
import { CliError } from '../../cli/exit.ts';
import { createProgram } from '../../cli/program.ts';
import { rewriteLog } from '../alerts/witness/rewrite-log.ts';
import { jsonLines, startProgram } from '../support/cli.ts';
import { shrike } from '../support/command.ts';
import { inLargerSizes } from '../support/counts.ts';
import { temporaryFolder } from '../support/folder.ts';
import { natsServer } from '../support/nats.ts';
import { until } from '../support/until.ts';

vi.setConfig({ testTimeout: 600_000 });

const LIMIT_MS = 120_000;

/** A witness reads the keys that it trusts at most once in this time. */
const KEYS_ARE_READ_AGAIN_MS = 1_000;

it('witnesses the log of a run, each with a key of its own, and shows a fork as an alert with its proof', async (context) => {
  inLargerSizes(context);
  const [wire, store, state, audit, keys] = ['wire', 'store', 'state', 'audit', 'keys'].map((name) =>
    join(temporaryFolder(), name),
  ) as [string, string, string, string, string];
  mkdirSync(keys);
  const written = await shrike(
    ...['nats-config', wire, '--host', 'web-1', '--subscriber', 'soc', '--witness', 'watch-1'],
    ...['--listen', '127.0.0.1:0', '--store', store],
  );
  expect(written.stdout).toContain(
    `  for the witness watch-1: copy ${join(wire, 'keys/witness-watch_1.nk')} to its host (mode 0600), and\n` +
      `    shrike witness --nats nats://127.0.0.1:0 --nats-nkey ${join(wire, 'keys/witness-watch_1.nk')} --name watch-1 --state FOLDER --keys FOLDER\n`,
  );
  const { url } = await natsServer(context, { jetstream: false, arguments: ['-c', join(wire, 'nats-server.conf')] });
  await shrike('nats-config', wire, '--make-stream', url);
  const as = (key: string): readonly string[] => ['--nats', url, '--nats-nkey', join(wire, 'keys', `${key}.nk`)];
  const watching = startProgram('main', [
    ...['witness', '--json', ...as('witness-watch_1'), '--name', 'watch-1', '--state', state],
    ...['--keys', keys, '--interval', '1s', '--silent-after', '1000'],
  ]);
  const said: Record<string, unknown>[] = [];
  let rest = '';
  watching.process.stdout.on('data', (chunk: string) => {
    const lines = `${rest}${chunk}`.split('\n');
    rest = lines.pop() ?? '';
    said.push(...lines.map((line) => JSON.parse(line) as Record<string, unknown>));
  });
  onTestFinished(() => void watching.process.kill('SIGKILL'));
  await until(() => said.some(({ type }) => type === 'listening'), LIMIT_MS);
  expect(said[0]).toMatchObject({ type: 'start', isNewKey: true, isNewState: true, logs: 0, unheard: [] });
  const run = () =>
    shrike(
      ...['run', '--json', ...as('host-web_1'), '--host', 'web-1', '--audit', audit, '--audit-reserve', '0'],
      ...['--witness', join(state, 'witness.pub'), '--witness-interval', '1s'],
    );

  const first = await run();
  expect(first.code).toBe(0);
  expect(first.stderr).toMatch(/it refuses this log's checkpoint \(404\)/);
  cpSync(join(audit, 'log.pub'), join(keys, 'web-1.pub'));
  await delay(KEYS_ARE_READ_AGAIN_MS);
  expect((await run()).stderr).toBe('');
  await until(() => said.some(({ type }) => type === 'stopped'), LIMIT_MS);
  expect(said.filter(({ type }) => type === 'alarm')).toEqual([]);
  const cosigned = ['--before', join(audit, 'cosigned'), '--witness', join(state, 'witness.pub')];
  expect((await shrike('audit', 'verify', audit, '--key', join(keys, 'web-1.pub'), ...cosigned)).code).toBe(0);
  const status = await shrike('witness', 'status', '--state', state, '--json');
  expect(status.stderr).toBe('');
  expect([status.code, jsonLines(status.stdout)]).toMatchObject([0, [{ type: 'log', standing: 'stopped' }]]);

  await rewriteLog(audit, 'web-1', 3);
  const forked = await run();
  expect(forked.stderr).toMatch(/it has cosigned other|it refuses this log's checkpoint \(422\)/);
  await until(() => said.some(({ type }) => type === 'alarm'), LIMIT_MS);
  watching.process.kill('SIGTERM');
  const { code, stderr } = await watching.finished;
  expect([code, stderr.replaceAll(/[0-9a-f]{8}/g, 'ID').match(/"msg":.*/g)]).toEqual([
    1,
    ['"msg":"web_1: the log web-1/shrike/ID is not one of those whose keys are trusted"}'],
  ]);
  const after = await shrike('witness', 'status', '--state', state);
  expect([after.code, after.stdout.replace(/[0-9a-f]{8}|[0-9T:-]+Z|\d+ entries/g, '#')]).toEqual([
    1,
    'web-1/shrike/#: forked; #, cosigned #, first seen #\n',
  ]);
  const read = await shrike(
    'alerts',
    ...as('subscriber-soc'),
    '--host',
    'watch-1',
    '--since',
    'all',
    '--no-follow',
    '--json',
  );
  expect(jsonLines(read.stdout)).toMatchObject([{ host: 'watch-1', rule: 'Audit log forked', priority: 'critical' }]);
  const file = join(temporaryFolder(), 'alerts.jsonl');
  writeFileSync(file, read.stdout);
  const pub = join(audit, 'log.pub');
  const key = readFileSync(pub, 'utf8').trim();
  const proof = await shrike('witness', 'check', file, '--key', pub);
  expect(proof.code).toBe(0);
  expect(proof.stdout).toMatch(
    /^watch-1-1 Audit log forked: proved: web-1\/shrike\/[0-9a-f]{8} signed .*, by the key /,
  );
  expect(proof.stdout.trimEnd().endsWith(key)).toBe(true);
  writeFileSync(file, read.stdout.replace(/(\\n\\n— \S+ )\S{20}/, `$1${'A'.repeat(20)}`));
  expect(await shrike('witness', 'check', file)).toMatchObject({ code: 1, stderr: '' });
  const own = join(state, 'alarms', readdirSync(join(state, 'alarms')).find((name) => name.endsWith('.jsonl')) ?? '');
  expect((await shrike('witness', 'check', own)).code).toBe(0);
});

it('names what is wrong with its options and folders', async () => {
  const folder = temporaryFolder();
  const wrong = async (name: string, ...args: readonly string[]) => {
    const program = await createProgram(name);
    const problem: unknown = await program
      .parseAsync([name, ...args], { from: 'user' })
      .catch((error: unknown) => error);
    return problem instanceof CliError ? [problem.exitCode, problem.message] : problem;
  };
  expect(await wrong('witness', '--state', folder)).toEqual([
    2,
    'which logs are trusted? Give their public keys (log.pub) with --keys, or believe the first key that each shows with --trust-on-first-use',
  ]);
  expect(await wrong('witness', '--trust-on-first-use')).toEqual([
    2,
    'where does the witness keep its key and what it has seen? Give a folder with --state',
  ]);
  const keys = join(folder, 'keys');
  writeFileSync(keys, '# logs\nweb-1+0123\n');
  expect(await wrong('witness', '--state', join(folder, 'state'), '--keys', keys)).toEqual([
    3,
    `${keys}:2: not a public key: expected NAME+ID+BASE64, as the file of a public key has it, copied whole`,
  ]);
  expect(existsSync(join(folder, 'state'))).toBe(false);
  expect(await wrong('witness', 'status', '--state', join(folder, 'none'))).toEqual([
    3,
    `no witness keeps its state in ${join(folder, 'none')}; give the folder that "shrike witness --state" names`,
  ]);
  expect(await wrong('run', '--witness', 'x+y')).toEqual([
    2,
    '--witness is for --nats, by which the witness is reached',
  ]);
  expect(await wrong('run', '--nats', 'nats://127.0.0.1:1', '--audit', folder, '--witness', 'x+y')).toEqual([
    2,
    '--witness x+y: not a public key: expected NAME+ID+BASE64, as the file of a public key has it, copied whole',
  ]);
  expect(await wrong('witness', 'check', keys)).toEqual([
    2,
    'no alarm of a witness is in there: expected alerts as "shrike alerts --json" prints them, or the lines of STATE/alarms',
  ]);
});
