import { cpSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { expect, it, type TestContext } from 'vitest';
import { readAuditLog, readWitnessState } from '../../../alerts/index.ts';
import { parseCheckpoint } from '../../../alerts/transparency/checkpoint.ts';
import { at } from '../../support/cli.ts';
import { count, inLargerSizes, seed, suiteSize } from '../../support/counts.ts';
import { temporaryFolder } from '../../support/folder.ts';
import type { Fault } from '../../support/plant-fault.ts';
import { createRandom, type Random } from '../../support/random.ts';
import { until } from '../../support/until.ts';
import { type Broker, startBroker } from '../chaos/broker.ts';
import { type LiveProcess, startProcess } from './live-process.ts';
import { rewriteLog } from './rewrite-log.ts';

const PATIENCE = 3_600_000;
/** Anything that is waited for comes within this, however busy the machine is. */
const LIMIT_MS = 240_000;
const HOST = 'web-1';
const ROUNDS = count(50);
/** Beside those of each round's beginning, fork and end. */
const KILLS = suiteSize === 'quick' ? 0 : 4;
/** How often the agent shows its checkpoint. */
const INTERVAL_MS = 250;
/** A log is silent that says nothing for so many seconds: more than any of the processes takes to start. */
const SILENT_AFTER = 120;
/** Within so many intervals a fork has to be found. */
const FOUND_WITHIN = 2;

/** A witness that keeps nothing on disk. */
const NO_STATE: Fault = {
  file: 'alerts/witness/state.js',
  find: 'await replaceFile(join(folder, LOGS_FOLDER), fileOf(log.origin), text);',
  replace: '',
};

/** A witness's process that is killed and started again on its state. */
interface WitnessProcess {
  readonly key: string;
  readonly alarms: readonly string[];
  /** Times that it could be asked. */
  readonly listened: number;
  readonly said: readonly string[];
  kill(): Promise<void>;
}

interface WitnessTask {
  readonly silentAfter?: number;
  readonly fault?: Fault;
}

const startWitness = async (
  state: string,
  broker: Broker,
  { silentAfter = SILENT_AFTER, fault }: WitnessTask,
): Promise<WitnessProcess> => {
  const alarms: string[] = [];
  const said: string[] = [];
  let listened = 0;
  let key = '';
  const planted = fault === undefined ? [] : ['--import', pathToFileURL(at('test/alerts/chaos/plant.mjs')).href];
  const start = (): LiveProcess =>
    startProcess(
      [
        ...planted,
        ...[at('dist/cli/main.js'), 'witness', '--json', '--trust-on-first-use', '--state', state, '--name', 'watch-1'],
        ...['--nats', broker.url, '--interval', '1s', '--silent-after', String(silentAfter)],
      ],
      fault === undefined ? {} : { SHRIKE_FAULT: JSON.stringify(fault) },
      (line) => {
        if (line.type === 'start') key = String(line.key);
        if (line.type === 'listening') listened++;
        if (line.type === 'alarm') alarms.push(String(line.rule));
      },
      (text) => said.push(text),
    );
  let process = start();
  await until(() => key !== '', LIMIT_MS);
  return {
    key,
    alarms,
    said,
    get listened() {
      return listened;
    },
    async kill() {
      await process.kill();
      process = start();
    },
  };
};

/** An agent's process on a log. */
interface AgentProcess {
  /** Entries that the witness has cosigned. */
  readonly cosigned: number;
  /** Announcements that the witness answered, in this life. */
  readonly answered: number;
  readonly said: readonly string[];
  kill(): Promise<void>;
  start(): void;
}

const createAgent = (folder: string, broker: Broker, witness: string): AgentProcess => {
  const argument = {
    ...{ folder, host: HOST, servers: broker.url, witness, intervalMs: INTERVAL_MS, sealMs: 100, perSecond: 50 },
    modules: pathToFileURL(at('dist/alerts/index.js')).href,
  };
  const said: string[] = [];
  let state = { cosigned: 0, answered: 0 };
  let process: LiveProcess | undefined;
  return {
    get cosigned() {
      return state.cosigned;
    },
    get answered() {
      return state.answered;
    },
    said,
    start() {
      state = { cosigned: 0, answered: 0 };
      process = startProcess(
        [at('test/alerts/witness/agent.mjs'), JSON.stringify(argument)],
        {},
        ({ cosigned, answered, sentence }) => {
          if (sentence !== undefined) said.push(String(sentence));
          else state = { cosigned: Number(cosigned), answered: Number(answered) };
        },
        (text) => said.push(text),
      );
    },
    async kill() {
      await process?.kill();
    },
  };
};

interface Story {
  readonly broker: Broker;
  readonly witness: WitnessProcess;
  readonly agent: AgentProcess;
  readonly log: string;
  readonly state: string;
}

const openStory = async (context: TestContext, task: WitnessTask = {}): Promise<Story> => {
  const broker = await startBroker(context);
  const [log, state] = [join(temporaryFolder(), 'log'), join(temporaryFolder(), 'state')];
  const witness = await startWitness(state, broker, task);
  const agent = createAgent(log, broker, witness.key);
  return { broker, witness, agent, log, state };
};

const sizeOf = (log: string): number => {
  const path = join(log, 'checkpoint');
  return existsSync(path) ? parseCheckpoint(readFileSync(path, 'utf8')).size : 0;
};

/** Waits until the witness has cosigned what was added from now on. */
const progress = async ({ agent, log, witness }: Story): Promise<void> => {
  const size = sizeOf(log);
  await until(() => agent.cosigned > size, LIMIT_MS).catch((error: Error) => {
    throw new Error(`${error.message}\n${[...agent.said.slice(-5), ...witness.said.slice(-5)].join('\n')}`);
  });
};

const copyOf = (log: string): string => {
  const copy = join(temporaryFolder(), 'copy');
  mkdirSync(copy);
  cpSync(log, copy, { recursive: true });
  return copy;
};

const putInPlace = (log: string, copy: string): void => {
  rmSync(log, { recursive: true, force: true });
  cpSync(copy, log, { recursive: true });
};

const kill = async ({ agent, witness, broker }: Story, random: Random): Promise<void> => {
  const which = random.pick(['agent', 'witness', 'server'] as const);
  if (which === 'witness') return witness.kill();
  if (which === 'server') return broker.kill();
  await agent.kill();
  agent.start();
};

/** Changes the log while its agent is dead, as somebody who has its key; returns which alarms are right. */
const plant = async (
  what: 'fork' | 'rollback',
  log: string,
  older: string,
  random: Random,
): Promise<readonly string[]> => {
  if (what === 'rollback') {
    putInPlace(log, older);
    return ['Audit log shrunk', 'Audit log forked'];
  }
  await rewriteLog(log, HOST, 1 + random.below(sizeOf(older)));
  if (random.below(2) === 0) rmSync(join(log, 'cosigned'), { force: true });
  return ['Audit log forked'];
};

/** Waits until a planted fork is found, or was not where it should have been; returns at which of the agent's announcements that were answered. */
const found = async ({ agent, witness }: Story, before: number): Promise<number | undefined> => {
  await until(() => witness.alarms.length > before || agent.answered > FOUND_WITHIN, LIMIT_MS);
  return witness.alarms.length > before ? agent.answered : undefined;
};

/** Alarms in the witness's own log. */
const alarmsIn = async (state: string): Promise<readonly string[]> => {
  const rules: string[] = [];
  for await (const { entry } of readAuditLog(join(state, 'alarms')))
    rules.push((entry.body as { readonly rule: string }).rule);
  return rules;
};

it(
  'agent, witness and server are killed: no false alarm, and each planted fork is found within two intervals',
  async (context) => {
    const random = createRandom(seed('witness chaos'));
    const story = await openStory(context);
    const { agent, witness, log, state } = story;
    const intervals: number[] = [];
    /** Alarms of what was planted; a witness that is killed in the moment of an alarm raises it again. */
    let rightly = 0;
    const started = Date.now();
    agent.start();
    for (let round = 0; round < ROUNDS; round++) {
      await progress(story);
      await agent.kill();
      const older = copyOf(log);
      agent.start();
      for (let kills = 0; kills < KILLS; kills++) {
        await delay(random.below(1_000));
        await kill(story, random);
      }
      await progress(story);
      expect(witness.alarms.slice(rightly)).toEqual([]);
      await agent.kill();
      const newest = copyOf(log);
      const right = await plant(random.pick(['fork', 'rollback'] as const), log, older, random);
      agent.start();
      const meanwhile = random.pick(['witness', 'server', 'nothing'] as const);
      if (meanwhile === 'witness') await witness.kill();
      if (meanwhile === 'server') await story.broker.kill();
      const interval = await found(story, rightly);
      expect(interval, `${agent.said.slice(-5)}`).toBeLessThanOrEqual(FOUND_WITHIN);
      intervals.push(interval ?? Number.POSITIVE_INFINITY);
      await agent.kill();
      for (const alarm of witness.alarms.slice(rightly)) expect(right).toContain(alarm);
      rightly = witness.alarms.length;
      putInPlace(log, newest);
      agent.start();
    }
    await progress(story);
    expect(witness.alarms.length).toBe(rightly);
    expect(rightly).toBeGreaterThanOrEqual(ROUNDS);
    expect(await alarmsIn(state)).toEqual(witness.alarms);
    if (suiteSize !== 'quick')
      console.log(`${ROUNDS} rounds in ${(Date.now() - started) / 1000} s; found at announcements ${intervals}`);
  },
  PATIENCE,
);

it(
  'a witness that keeps nothing on disk misses a fork',
  async (context) => {
    inLargerSizes(context);
    const story = await openStory(context, { fault: NO_STATE });
    const { agent, witness, log } = story;
    agent.start();
    await progress(story);
    await agent.kill();
    await witness.kill();
    await rewriteLog(log, HOST, 1);
    rmSync(join(log, 'cosigned'), { force: true });
    agent.start();
    expect(await found(story, 0)).toBeUndefined();
  },
  PATIENCE,
);

it(
  'an agent that was killed and stays away is silent, which is said once until it is heard again',
  async (context) => {
    inLargerSizes(context);
    const story = await openStory(context, { silentAfter: 5 });
    const { agent, witness, state } = story;
    agent.start();
    await progress(story);
    await agent.kill();
    const before = witness.alarms.length;
    const isOnRecord = () =>
      [...readWitnessState(state).values()].some(({ incidents }) => incidents.includes('silent'));
    await until(() => witness.alarms.length > before && isOnRecord(), LIMIT_MS);
    await witness.kill();
    await delay(10_000);
    expect(witness.alarms.length).toBe(before + 1);
    expect(new Set(await alarmsIn(state))).toEqual(new Set(['Audit log silent']));
    agent.start();
    await progress(story);
  },
  PATIENCE,
);
