import { pathToFileURL } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  add,
  exit,
  ja,
  jeq,
  label,
  ldx,
  loadMap,
  mov,
  R1,
  R2,
  R3,
  R4,
  R6,
  R10,
  stx,
} from '../../../engine/isa/index.ts';
import { relocate } from '../../../engine/object/index.ts';
import type { KernelMap } from '../../../sensors/index.ts';
import { readClock } from '../../../sensors/linux/call.ts';
import { kernelBtf, loadLinuxProgram, openLinuxKernel, testRun } from '../../../sensors/linux/index.ts';
import { type StreamOptions, workerFile } from '../../../sensors/linux/stream.ts';
import { at } from '../../support/cli.ts';
import { kernelSkip } from '../../support/kernel.ts';
import { helper, programOf, ringSpec } from '../../support/live-programs.ts';
import { until } from '../../support/until.ts';

const skip = kernelSkip();
const TIME_AT = 8;
const RECORD_BYTES = 16;
/** In a ring: with its header. */
const TAKEN_BYTES = 24;
const RINGS = ['critical', 'events'] as const;
type Ring = (typeof RINGS)[number];

/** Sends the record of id and time that its context begins with; the third number says into which ring. The result is the helper's. */
const SENDER = programOf('sender', 'syscall', [
  mov(R6, R1),
  ldx('dw', R1, R6, 0),
  stx('dw', R10, -16, R1),
  ldx('dw', R1, R6, 8),
  stx('dw', R10, -8, R1),
  ldx('dw', R1, R6, 16),
  mov(R2, R10),
  add(R2, -16),
  mov(R3, RECORD_BYTES),
  mov(R4, 1),
  jeq(R1, 0, 'critical'),
  loadMap(R1, 'events'),
  ja('send'),
  label('critical'),
  loadMap(R1, 'critical'),
  label('send'),
  helper('bpf_ringbuf_output'),
  exit(),
]);

/** Two rings of the running kernel, a stream of them, and a program that is run by hand and attached nowhere. */
function rings(options: Omit<StreamOptions, 'timeAt'> & { readonly ringBytes?: number } = {}) {
  const { ringBytes = 4096, ...stream } = options;
  const kernel = openLinuxKernel({ scope: '/none', stream });
  onTestFinished(() => kernel.close());
  const maps = new Map<string, KernelMap>(RINGS.map((name) => [name, kernel.createMap(ringSpec(name, ringBytes))]));
  const instructions = relocate(SENDER, (name) => maps.get(name)?.handle, kernelBtf());
  const sender = loadLinuxProgram({ name: 'sender', programType: 'syscall', instructions, sleepable: true });
  onTestFinished(() => sender.close());
  const ids: number[] = [];
  return {
    kernel,
    ids,
    stream: kernel.stream([...maps.values()], TIME_AT),
    /** Whether there was room. */
    send(ring: Ring, id: number, time: bigint): boolean {
      const contextIn = new Uint8Array(BigUint64Array.of(BigInt(id), time, BigInt(RINGS.indexOf(ring))).buffer);
      return testRun(sender.fd, { contextIn }).returnValue === 0;
    },
    take: (record: Uint8Array): void => {
      expect(record.length).toBe(RECORD_BYTES);
      ids.push(Number(new DataView(record.buffer, record.byteOffset).getBigUint64(0, true)));
    },
  };
}

const now = (): bigint => readClock('CLOCK_BOOTTIME');
const PAST = 1_000_000_000n;
/** So far ahead that all records are sent before the first is due. */
const SOON = 200_000_000n;

describe.skipIf(skip).each([
  ['a thread of its own', true],
  ['the thread that reads', false],
])(`ring buffers of the running kernel, drained by %s${skip ? ` (skipped: ${skip})` : ''}`, (_, worker) => {
  it('give one stream in the order of time', async () => {
    const { stream, send, take, ids } = rings({ worker });
    const start = now() + SOON;
    for (const [ring, id, after] of [
      ['events', 3, 30n],
      ['events', 1, 10n],
      ['critical', 2, 20n],
      ['critical', 4, 40n],
    ] as const)
      expect(send(ring, id, start + after)).toBe(true);
    await until(() => {
      stream.consume(take);
      return ids.length === 4;
    });
    expect(ids).toEqual([1, 2, 3, 4]);
    expect(stream.consume(take)).toBe(0);
  });

  it('hold a young record back until an older one of the other ring had its time to come', async () => {
    const { stream, send, take, ids } = rings({ worker });
    const later = now() + 150_000_000n;
    send('events', 2, later);
    for (let i = 0; i < 10; i++) {
      stream.consume(take);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(ids).toEqual([]);
    send('critical', 1, later - 1n);
    await until(() => {
      stream.consume(take);
      return ids.length === 2;
    });
    expect(ids).toEqual([1, 2]);
    expect(now()).toBeGreaterThan(later);
  });

  it('hand over everything at the end, however young', async () => {
    const { stream, send, take, ids } = rings({ worker });
    const future = now() + 3_600_000_000_000n;
    for (const id of [2, 1, 3]) send('events', id, future + BigInt(id));
    expect(await stream.drain(take)).toBe(3);
    expect(ids).toEqual([1, 2, 3]);
    expect(await stream.drain(take)).toBe(0);
  });

  it('go on behind a record whose handling failed', async () => {
    const { stream, send, take, ids } = rings({ worker });
    const start = now() + SOON;
    for (let id = 0; id < 50; id++) send(id % 3 === 0 ? 'critical' : 'events', id, start + BigInt(id));
    const failing = (record: Uint8Array): void => {
      take(record);
      if ((ids.at(-1) ?? 0) % 10 === 7) throw new Error('no');
    };
    let failures = 0;
    await until(async () => {
      try {
        await stream.drain(failing);
      } catch {
        failures++;
      }
      return ids.length === 50;
    });
    expect(ids).toEqual(Array.from({ length: 50 }, (_, id) => id));
    expect(failures).toBe(5);
  });

  it('lose only what finds no room, and that is counted: sent is received and refused', async () => {
    const { stream, send, take, ids } = rings({ worker, outboxBytes: 1 << 16 });
    const start = now() - PAST;
    const sent: number[] = [];
    let refused = 0;
    for (let id = 0; id < 20_000; id++) {
      if (send(id % 2 === 0 ? 'events' : 'critical', id, start + BigInt(id))) sent.push(id);
      else refused++;
    }
    await stream.drain(take);
    const ofRing = (all: readonly number[], ring: number): readonly number[] => all.filter((id) => id % 2 === ring);
    expect(ofRing(ids, 0)).toEqual(ofRing(sent, 0));
    expect(ofRing(ids, 1)).toEqual(ofRing(sent, 1));
    expect(sent.length + refused).toBe(20_000);
    expect(refused).toBeGreaterThan(10_000);
    expect(sent.length).toBeGreaterThanOrEqual(2 * Math.floor(4096 / TAKEN_BYTES));
  });

  it('say when they can no longer be drained, and go on saying so', async () => {
    const { stream, send, take } = rings({ worker, outboxBytes: 32 });
    const problem = 'a record of 24 bytes is larger than what the threads share; 16 fit';
    const sentence = worker ? `the thread that drains the ring buffers has ended: ${problem}; start again` : problem;
    send('events', 1, now() - PAST);
    let message = '';
    await until(() => {
      try {
        stream.consume(take);
      } catch (error) {
        message = (error as Error).message;
      }
      return message !== '';
    });
    expect(message).toBe(sentence);
    expect(() => stream.consume(take)).toThrow(sentence);
    await expect(stream.drain(take)).rejects.toThrow(sentence);
  });

  it('end with the kernel, and give nothing afterwards', async () => {
    const { kernel, stream, send, take, ids } = rings({ worker });
    send('events', 1, now() - PAST);
    kernel.close();
    expect(stream.consume(take)).toBe(0);
    expect(await stream.drain(take)).toBe(0);
    expect(ids).toEqual([]);
  });
});

describe("the draining thread's file", () => {
  const [source, built] = ['sensors/linux/stream.ts', 'dist/sensors/linux/stream.js'].map(
    (path) => pathToFileURL(at(path)).href,
  ) as [string, string];

  it('is the one beside the file that starts it, where Node can read that', () => {
    expect(workerFile(built, false)?.href).toBe(pathToFileURL(at('dist/sensors/linux/drain/worker.js')).href);
    expect(workerFile(source, true)?.href).toBe(pathToFileURL(at('sensors/linux/drain/worker.ts')).href);
  });

  it('is the built one, if any, where sources run on a Node that reads no TypeScript', () => {
    expect(workerFile(source, false)?.href).toBe(pathToFileURL(at('dist/sensors/linux/drain/worker.js')).href);
    expect(workerFile('file:///nowhere/sensors/linux/stream.ts', false)).toBeUndefined();
  });
});
