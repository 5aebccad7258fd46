import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it, type TestContext } from 'vitest';
import { count, inLargerSizes, seed, suiteSize } from '../../support/counts.ts';
import { temporaryFolder } from '../../support/folder.ts';
import type { Fault } from '../../support/plant-fault.ts';
import { createRandom, type Random } from '../../support/random.ts';
import { startAgent } from './agent-process.ts';
import { startBroker } from './broker.ts';
import { alertsInLog, alertsInStream, compare, NO_DIFFERENCE } from './compare.ts';

const PATIENCE = 3_600_000;
const HOSTS = ['web-1', 'web-2'];
const ALERTS = count(200_000);
const KILLS = count(30);
const ROLLBACKS = count(10);
/** So many messages at least are undone by a rollback: more than all agents have under way. */
const LEAST_ROLLED_BACK = 600;
const PER_SECOND = suiteSize === 'quick' ? 2_000 : 1_000;

/** A publisher that goes on behind what was acknowledged, whatever the server has. */
const NO_REWIND: Fault = {
  file: 'alerts/nats/resume.js',
  find: 'after: has ?? storedBefore(position, last?.streamSeq ?? stream.firstSeq)',
  replace: 'after: done',
};

type Event = 'kill agent' | 'kill server' | 'stop agent' | 'stop server' | 'roll back';

const times = (event: Event, number: number): readonly Event[] => Array.from({ length: number }, () => event);

const waitFor = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await holds())) await delay(20);
};

/** Lets two agents raise alerts while things happen to them and to their server; returns how stream and logs differ. */
const runChaos = async (
  context: TestContext,
  events: readonly Event[],
  alerts: number,
  random: Random,
  fault?: Fault,
) => {
  const broker = await startBroker(context);
  const agents = HOSTS.map((host) => {
    const folder = join(temporaryFolder(), 'log');
    return {
      folder,
      host,
      ...{ process: startAgent({ folder, host, servers: broker.url, perSecond: PER_SECOND }, fault) },
    };
  });
  /** What the stream had taken when its store was copied, or a little later. */
  let atCopy = 0;
  const committed = () => agents.reduce((sum, { process }) => sum + process.committed, 0);
  await waitFor(() => agents.every(({ process }) => process.committed > 20));
  for (const [index, event] of events.entries()) {
    await delay(random.below(300));
    const { process } = random.pick(agents);
    if (event === 'kill agent') await process.kill();
    else if (event === 'stop agent') await process.pause(random.below(1_500));
    else if (event === 'stop server') await broker.pause(random.below(index % 5 === 0 ? 7_000 : 1_500));
    else if (event === 'kill server') {
      await broker.kill(() => broker.copyStore());
      atCopy = await broker.taken();
    } else {
      await waitFor(async () => (await broker.taken()) >= atCopy + LEAST_ROLLED_BACK);
      await broker.kill(() => broker.putBack());
    }
    const share = (alerts * (index + 1)) / events.length;
    await waitFor(() => committed() >= share);
  }
  const ended = await Promise.all(agents.map(({ process }) => process.end()));
  const held = await alertsInStream(broker.url);
  const logs = agents.map(({ folder }) => alertsInLog(folder));
  return {
    ended,
    sentences: agents.flatMap(({ process }) => process.sentences),
    alerts: logs.reduce((sum, log) => sum + log.length, 0),
    differences: agents.map(({ host }, index) => compare(logs[index]!, held.get(host) ?? [])),
  };
};

/** Events in a random order; a rollback comes behind the first kill of the server, which keeps a copy of its store. */
const shuffled = (events: readonly Event[], random: Random): readonly Event[] => {
  const order = events.map((event) => ({ event, at: random.below(2 ** 30) })).sort((a, b) => a.at - b.at);
  const found = order.map(({ event }) => event);
  const first = found.indexOf('kill server');
  return [found[first]!, ...found.filter((_, index) => index !== first)];
};

it(
  'agents and their server are killed, stopped and rolled back: the stream holds what the logs committed',
  async (context) => {
    const random = createRandom(seed('chaos'));
    const events = shuffled(
      [
        ...times('kill agent', KILLS),
        ...times('kill server', KILLS),
        ...times('stop agent', count(10)),
        ...times('stop server', count(10)),
        ...times('roll back', ROLLBACKS),
      ],
      random,
    );
    const started = Date.now();
    const { alerts, differences, ended } = await runChaos(context, events, ALERTS, random);
    if (suiteSize !== 'quick')
      console.log(
        `${alerts} alerts, ${events.length} events, ${(Date.now() - started) / 1000} s: ${JSON.stringify(ended)}`,
      );
    expect(differences).toEqual(HOSTS.map(() => NO_DIFFERENCE));
    expect(alerts).toBeGreaterThanOrEqual(ALERTS);
  },
  PATIENCE,
);

it(
  'without the rewind alerts are lost when the server goes back',
  async (context) => {
    inLargerSizes(context);
    const random = createRandom(seed('chaos without the rewind'));
    const events: readonly Event[] = ['kill server', 'stop agent', 'stop agent', 'roll back', 'stop agent'];
    const { differences } = await runChaos(context, events, 6_000, random, NO_REWIND);
    expect(differences.reduce((sum, { lost }) => sum + lost, 0)).toBeGreaterThan(0);
    expect(differences.map(({ doubled, changed }) => [doubled, changed])).toEqual(HOSTS.map(() => [0, 0]));
  },
  PATIENCE,
);
