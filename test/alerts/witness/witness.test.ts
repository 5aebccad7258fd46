import { cpSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, type TestContext, vi } from 'vitest';
import { rotateLogKey } from '../../../alerts/audit/rotate-key.ts';
import {
  type Alarm,
  type Alert,
  checkEvidence,
  evidenceIn,
  openWitness,
  parseAlert,
  parseLogKey,
  readAuditLog,
  subscribeAlerts,
  type Witness,
  type WitnessNews,
  type WitnessOptions,
} from '../../../alerts/index.ts';
import { parseCheckpoint } from '../../../alerts/transparency/checkpoint.ts';
import { cosignedAt } from '../../../alerts/transparency/cosignature.ts';
import { inLargerSizes, suiteSize } from '../../support/counts.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { natsServer } from '../../support/nats.ts';
import { until } from '../../support/until.ts';
import { rewriteLog } from './rewrite-log.ts';
import { openHost, type SealedHost } from './sealed-host.ts';

vi.setConfig({ testTimeout: 600_000 });

const HOST = 'web-1';
const NAME = 'watch-1';
/** So often that nothing has to be waited for. */
const INTERVAL_MS = 50;
/** Nothing is silent that is not meant to be. */
const NEVER = 100_000;
const LIMIT_MS = 120_000;

/** A witness that can be closed more than once. */
interface Watch {
  readonly witness: Witness;
  close(): Promise<void>;
}

interface Scene {
  readonly url: string;
  readonly serverPid: number;
  readonly state: string;
  readonly log: string;
  readonly alarms: (Alarm & { readonly rule: string })[];
  readonly news: WitnessNews[];
  readonly reports: string[];
  watch(options?: Partial<WitnessOptions>): Promise<Watch>;
  host(watch: Watch): Promise<SealedHost>;
}

const openScene = async (context: TestContext): Promise<Scene> => {
  const { url, pid: serverPid } = await natsServer(context);
  const [state, log] = [join(temporaryFolder(), 'state'), join(temporaryFolder(), 'log')];
  const scene: Scene = {
    ...{ url, serverPid, state, log, alarms: [], news: [], reports: [] },
    async watch(options) {
      const witness = await openWitness({
        ...{ servers: url, folder: state, name: NAME, intervalMs: INTERVAL_MS, silentAfter: NEVER },
        onAlarm: (alarm) => scene.alarms.push(alarm),
        onNews: (news) => scene.news.push(news),
        report: (sentence) => scene.reports.push(sentence),
        ...options,
      });
      let closed: Promise<void> | undefined;
      const close = (): Promise<void> => {
        closed ??= witness.close();
        return closed;
      };
      onTestFinished(close);
      return { witness, close };
    },
    host: ({ witness }) =>
      openHost(log, HOST, witness.verifier, {
        servers: url,
        intervalMs: INTERVAL_MS,
        report: (sentence) => scene.reports.push(sentence),
      }),
  };
  return scene;
};

/** A host whose log has so many entries, all cosigned. */
const cosignedHost = async (scene: Scene, watch: Watch, entries: number): Promise<SealedHost> => {
  const host = await scene.host(watch);
  await host.add(entries);
  await until(() => host.announcer.state.cosigned === entries, LIMIT_MS);
  return host;
};

/** Alarms that the witness has in its own log. */
const kept = async (scene: Scene): Promise<readonly Alert[]> => {
  const alerts: Alert[] = [];
  for await (const { entry } of readAuditLog(join(scene.state, 'alarms'))) {
    const parsed = parseAlert(entry.bodyText);
    if (!('alert' in parsed)) throw new Error(parsed.problem);
    alerts.push(parsed.alert);
  }
  return alerts;
};

/** What an alarm's evidence proves by itself. */
const provenBy = (alert: Alert | undefined) => {
  const evidence = alert && evidenceIn(alert);
  return evidence && checkEvidence(evidence, parseLogKey(evidence.key));
};

const rulesOf = ({ alarms }: Scene): readonly string[] => alarms.map(({ rule }) => rule);

it('cosigns a log that only grows; its checkpoint has the cosignature', async (context) => {
  const scene = await openScene(context);
  const watch = await scene.watch();
  const { verifier, logs } = watch.witness;
  expect(statSync(join(scene.state, 'witness.key')).mode & 0o777).toBe(0o600);
  expect(readFileSync(join(scene.state, 'witness.pub'), 'utf8')).toBe(`${verifier.text}\n`);
  const host = await scene.host(watch);
  for (const size of [3, 300, 1_000]) {
    await host.add(size - host.log.last);
    await until(() => host.announcer.state.cosigned === size, LIMIT_MS);
  }
  for (const file of ['checkpoint', 'cosigned'])
    await until(() => {
      const found = parseCheckpoint(readFileSync(join(scene.log, file), 'utf8'));
      return found.size === 1_000 && cosignedAt(found, verifier) !== undefined;
    }, LIMIT_MS);
  expect(scene.alarms).toEqual([]);
  expect([...logs.values()].map(({ found }) => found.size)).toEqual([1_000]);
});

describe('a log that was changed and signed with its own key', () => {
  /** What is done to it while its agent is stopped, and how many entries the agent adds then. */
  const changes = [
    { what: 'rewritten', size: 11, added: 0, proved: 'forked' },
    { what: 'rewritten, and longer', size: 11, added: 5, proved: 'forked' },
    { what: 'rewritten at a power of two, and longer', size: 8, added: 300, proved: 'forked' },
    { what: 'put back', size: 11, added: 0, proved: 'shrunk' },
    { what: 'put back, and as long', size: 11, added: 6, proved: 'forked' },
    { what: 'put back, and longer', size: 11, added: 9, proved: 'forked' },
  ] as const;
  for (const { what, size, added, proved } of suiteSize === 'quick' ? changes.slice(2, 4) : changes)
    it(`${what}: ${proved}, with evidence that proves it`, async (context) => {
      const scene = await openScene(context);
      const watch = await scene.watch();
      const before = await cosignedHost(scene, watch, 5);
      await before.stop();
      const copy = join(temporaryFolder(), 'copy');
      cpSync(scene.log, copy, { recursive: true });
      const middle = await scene.host(watch);
      await middle.add(size - 5);
      await until(() => middle.announcer.state.cosigned === size, LIMIT_MS);
      await middle.stop();
      if (what.startsWith('rewritten')) await rewriteLog(scene.log, HOST, 3);
      else {
        rmSync(scene.log, { recursive: true });
        cpSync(copy, scene.log, { recursive: true });
      }
      expect(scene.alarms).toEqual([]);
      const options = { servers: scene.url, intervalMs: INTERVAL_MS };
      const after = await openHost(scene.log, HOST, watch.witness.verifier, options, added);
      await until(() => scene.alarms.length > 0, LIMIT_MS);
      await after.stop();
      await watch.close();
      expect(rulesOf(scene)).toEqual([proved === 'forked' ? 'Audit log forked' : 'Audit log shrunk']);
      const [alert, ...more] = await kept(scene);
      expect(more).toEqual([]);
      expect(alert).toMatchObject({ host: NAME, priority: 'critical', id: `${NAME}-1`, event: 'witness' });
      expect(provenBy(alert)?.kind).toBe(proved);
      expect([...watch.witness.logs.values()].map(({ found, incidents }) => [found.size, incidents])).toEqual([
        [size, [proved]],
      ]);
    });
});

it('raises a fork once, and again where the log went on rightly in between', async (context) => {
  inLargerSizes(context);
  const scene = await openScene(context);
  const watch = await scene.watch();
  await (await cosignedHost(scene, watch, 20)).stop();
  const copy = join(temporaryFolder(), 'copy');
  cpSync(scene.log, copy, { recursive: true });
  for (let round = 1; round <= 2; round++) {
    await rewriteLog(scene.log, HOST, 3);
    const forked = await scene.host(watch);
    await until(() => scene.alarms.length === round, LIMIT_MS);
    const { announced } = forked.announcer.state;
    await until(() => forked.announcer.state.announced > announced + 2, LIMIT_MS);
    await forked.stop();
    expect(rulesOf(scene)).toEqual(Array.from({ length: round }, () => 'Audit log forked'));
    rmSync(scene.log, { recursive: true });
    cpSync(copy, scene.log, { recursive: true });
    const right = await scene.host(watch);
    await until(() => scene.news.filter(({ kind }) => kind === 'over').length === round, LIMIT_MS);
    await right.stop();
  }
});

describe('silence', () => {
  /** Short, and yet longer than a busy machine takes to answer. */
  const SHORT = { intervalMs: 1_000, silentAfter: 4 };

  it('of an agent that was stopped in order is none', async (context) => {
    inLargerSizes(context);
    const scene = await openScene(context);
    const watch = await scene.watch(SHORT);
    await (await cosignedHost(scene, watch, 5)).stop();
    expect([...watch.witness.logs.values()][0]?.stoppedAt).toBeGreaterThan(0);
    await delay(7_000);
    expect(scene.alarms).toEqual([]);
  });

  it('while the server does not answer is none', async (context) => {
    inLargerSizes(context);
    const scene = await openScene(context);
    const watch = await scene.watch(SHORT);
    const host = await cosignedHost(scene, watch, 5);
    process.kill(scene.serverPid, 'SIGSTOP');
    await delay(7_000);
    process.kill(scene.serverPid, 'SIGCONT');
    await host.add(1);
    await until(() => host.announcer.state.cosigned === 6, LIMIT_MS);
    expect(scene.alarms).toEqual([]);
  });
});

it('says that it lost its state, by its own cosignature', async (context) => {
  const scene = await openScene(context);
  const watch = await scene.watch();
  const host = await cosignedHost(scene, watch, 20);
  await watch.close();
  rmSync(join(scene.state, 'logs'), { recursive: true });
  const again = await scene.watch();
  expect([again.witness.isNewKey, again.witness.isNewState]).toEqual([false, true]);
  await host.add(10);
  await until(() => host.announcer.state.cosigned === 30, LIMIT_MS);
  expect(scene.alarms.map(({ rule, sentence }) => [rule, sentence.replace(/[0-9a-f]{8}/, 'ID')])).toEqual([
    [
      'Witness lost its state',
      'the witness watch-1/shrike/witness has cosigned 20 entries of the audit log web-1/shrike/ID and knew of nothing: its state was lost, or an older copy was put back',
    ],
  ]);
});

it('alarms where an agent finds that its log is not what was signed', async (context) => {
  const scene = await openScene(context);
  const watch = await scene.watch();
  await (await cosignedHost(scene, watch, 20)).stop();
  const segment = join(scene.log, 'audit-000001.jsonl');
  const lines = readFileSync(segment, 'utf8').split('\n');
  writeFileSync(segment, `${lines.slice(0, 12).join('\n')}\n`);
  rmSync(join(scene.log, 'committed'));
  const host = await scene.host(watch);
  await until(() => scene.alarms.length > 0, LIMIT_MS);
  await host.stop();
  expect(rulesOf(scene)).toEqual(['Audit log not sealed']);
  await watch.close();
  expect(provenBy((await kept(scene))[0])?.kind).toBe('unsealed');
});

it("follows a change of the log's key, which the old one has signed", async (context) => {
  const scene = await openScene(context);
  const watch = await scene.watch();
  await (await cosignedHost(scene, watch, 20)).stop();
  await rotateLogKey(scene.log, () => undefined);
  const host = await scene.host(watch);
  await host.add(10);
  await until(() => host.announcer.state.cosigned === host.log.last, LIMIT_MS);
  expect(scene.alarms).toEqual([]);
  await host.stop();
  await rewriteLog(scene.log, HOST, 3);
  await scene.host(watch);
  await until(() => scene.alarms.length > 0, LIMIT_MS);
  expect(rulesOf(scene)).toEqual(['Audit log forked']);
});

it('trusts only the keys that are named, and a new one at once', async (context) => {
  inLargerSizes(context);
  const scene = await openScene(context);
  const keys = join(temporaryFolder(), 'logs');
  mkdirSync(keys);
  const watch = await scene.watch({ keys });
  const host = await scene.host(watch);
  await host.add(5);
  await until(() => host.announcer.state.lastError !== undefined, LIMIT_MS);
  const { origin } = host.sealer.state;
  expect(host.announcer.state.lastError).toBe(
    `it refuses this log's checkpoint (404): the log ${origin} is not one of those whose keys are trusted`,
  );
  cpSync(join(scene.log, 'log.pub'), join(keys, 'web-1.pub'));
  await until(() => host.announcer.state.cosigned === 5, LIMIT_MS);
  expect(scene.reports.at(-1)).toBe("the log's witness watch-1/shrike/witness: it cosigns again");
});

it('delays nothing where nobody answers, and says so once', async (context) => {
  const scene = await openScene(context);
  const watch = await scene.watch();
  await watch.close();
  const host = await scene.host(watch);
  await until(() => host.announcer.state.announced > 2, LIMIT_MS);
  await host.add(1_000);
  expect(host.sealer.state.sealed).toBe(1_000);
  expect(scene.reports).toEqual([
    'the log\'s witness watch-1/shrike/witness: nobody answers there; does "shrike witness" run on this server?',
  ]);
});

it('shows its alarms as alerts', async (context) => {
  inLargerSizes(context);
  const scene = await openScene(context);
  const watch = await scene.watch();
  const got: Alert[] = [];
  await (await cosignedHost(scene, watch, 20)).stop();
  await rewriteLog(scene.log, HOST, 3);
  const forked = await scene.host(watch);
  await until(() => scene.alarms.length === 1, LIMIT_MS);
  await forked.stop();
  await watch.close();
  const reading = await subscribeAlerts({ servers: scene.url, from: 'all' }, (alert) => void got.push(alert));
  onTestFinished(() => reading.close());
  await until(() => got.length === 1, LIMIT_MS);
  expect(got).toEqual(await kept(scene));
  expect(got[0]?.output).toMatch(
    /^the audit log was rewritten: web-1\/shrike\/[0-9a-f]{8} signed two different logs of 20 entries$/,
  );
});
