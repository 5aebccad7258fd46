import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { onTestFinished } from 'vitest';
import { at } from '../../support/cli.ts';
import type { Fault } from '../../support/plant-fault.ts';

/** What an agent said when it had published everything. */
export interface Ended {
  readonly isFlushed: boolean;
  readonly committed: number;
  readonly published: number;
  readonly rewinds: number;
  readonly resent: Readonly<Record<string, number>>;
  readonly lastError?: string;
}

export interface AgentProcess {
  /** The log's last committed entry, as far as it was told; fails where the process ended by itself. */
  readonly committed: number;
  /** What it reported, over all its lives. */
  readonly sentences: readonly string[];
  /** SIGKILL, and a new process on the same log. */
  kill(): Promise<void>;
  pause(ms: number): Promise<void>;
  /** No more alerts; resolves when all are published. */
  end(): Promise<Ended>;
}

export interface AgentTask {
  readonly folder: string;
  readonly host: string;
  readonly servers: string;
  /** Alerts. */
  readonly perSecond: number;
}

/** Starts an agent's process from the built modules, with a fault planted where one is given; it ends with the running test. */
export const startAgent = (task: AgentTask, fault?: Fault): AgentProcess => {
  const argument = JSON.stringify({ ...task, modules: pathToFileURL(at('dist/alerts/index.js')).href });
  const planted = fault === undefined ? [] : ['--import', pathToFileURL(at('test/alerts/chaos/plant.mjs')).href];
  const sentences: string[] = [];
  let committed = 0;
  let ended: Ended | undefined;
  let child = start();

  function start(): ChildProcessWithoutNullStreams {
    const started = spawn(process.execPath, [...planted, at('test/alerts/chaos/agent.mjs'), argument], {
      env: { ...process.env, ...(fault && { SHRIKE_FAULT: JSON.stringify(fault) }) },
    });
    createInterface({ input: started.stdout }).on('line', (line) => {
      const said = JSON.parse(line) as { committed?: number; sentence?: string; ended?: Ended };
      committed = said.committed ?? committed;
      ended = said.ended ?? ended;
      if (said.sentence !== undefined) sentences.push(said.sentence);
    });
    started.stderr.setEncoding('utf8').on('data', (text: string) => sentences.push(text));
    started.stdin.on('error', () => undefined);
    return started;
  }
  const hasExited = () => child.exitCode !== null || child.signalCode !== null;
  const exited = async (): Promise<void> => {
    while (!hasExited()) await delay(5);
  };
  onTestFinished(() => void child.kill('SIGKILL'));

  return {
    get committed() {
      if (hasExited()) throw new Error(`the agent ended by itself: ${sentences.slice(-3).join(' | ')}`);
      return committed;
    },
    sentences,
    async kill() {
      if (hasExited()) throw new Error(`the agent had ended by itself: ${sentences.slice(-3).join(' | ')}`);
      child.kill('SIGKILL');
      await exited();
      child = start();
    },
    async pause(ms) {
      child.kill('SIGSTOP');
      await delay(ms);
      child.kill('SIGCONT');
    },
    async end() {
      child.stdin.write('end\n');
      await exited();
      await delay(20);
      if (ended === undefined) throw new Error(`the agent ended without a word: ${sentences.slice(-3).join(' | ')}`);
      return ended;
    },
  };
};
