import type { ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { EVENT_TYPES } from '../../../rules/index.ts';
import type { Abi, Argument, Task } from './host.ts';

/** As driver.c has them. */
const CHANNELS = 8;
const ANSWER_BYTES = 16;
const FIRST_GIVEN = 3;
const [CALL, NEW_TASK] = [0, 1];
const HELLO = 1;
/** How often a task that should answer is looked at, and how long it may take, in milliseconds. */
const LOOK_MS = 20;
const LIMIT_MS = 30_000;

const encoder = new TextEncoder();

/** A request under construction, little endian. */
class Request {
  readonly #bytes: number[] = [];

  number(value: number | bigint, size: number): this {
    let rest = BigInt.asUintN(8 * size, BigInt(value));
    for (let i = 0; i < size; i++) {
      this.#bytes.push(Number(rest & 0xffn));
      rest >>= 8n;
    }
    return this;
  }

  bytes(bytes: Uint8Array): this {
    this.number(bytes.length, 4);
    for (const byte of bytes) this.#bytes.push(byte);
    return this;
  }

  text(text: string): this {
    return this.bytes(encoder.encode(`${text}\0`));
  }

  argument(argument: Argument): this {
    if (argument === null) return this.number(0, 1).number(0, 8);
    if (typeof argument === 'number' || typeof argument === 'bigint') return this.number(0, 1).number(argument, 8);
    if (typeof argument === 'string') return this.number(1, 1).text(argument);
    if (argument instanceof Uint8Array) return this.number(1, 1).bytes(argument);
    this.number(2, 1).number(argument.length, 4);
    for (const text of argument) this.text(text);
    return this;
  }

  finish(): Uint8Array {
    const whole = new Uint8Array(4 + this.#bytes.length);
    new DataView(whole.buffer).setUint32(0, this.#bytes.length, true);
    whole.set(this.#bytes, 4);
    return whole;
  }
}

interface Answer {
  readonly result: number;
  readonly kind: number;
  readonly pid: number;
}

/** The answers of one channel, in order. */
const readAnswers = (socket: Duplex): (() => Answer | undefined) => {
  let rest: Buffer = Buffer.alloc(0);
  const answers: Answer[] = [];
  socket.on('data', (part: Buffer) => {
    rest = Buffer.concat([rest, part]);
    while (rest.length >= ANSWER_BYTES) {
      answers.push({
        result: Number(rest.readBigInt64LE(0)),
        kind: rest.readUInt32LE(8),
        pid: rest.readUInt32LE(12),
      });
      rest = rest.subarray(ANSWER_BYTES);
    }
  });
  return () => answers.shift();
};

/** Whether a thread exists and has not died: its state is neither zombie nor dead. */
const isAlive = (tgid: number, pid: number): boolean => {
  try {
    const stat = readFileSync(`/proc/${tgid}/task/${pid}/stat`, 'utf8');
    return !/^[ZXx]/.test(stat.slice(stat.lastIndexOf(')') + 2));
  } catch {
    return false;
  }
};

const numberOf = (name: string, abi: Abi): number => {
  const event = EVENT_TYPES.get(name);
  const number = abi === 'ia32' ? event?.nr32 : event?.nr;
  if (number === undefined || number < 0) throw new Error(`the table of ${abi} has no system call "${name}"`);
  return number;
};

/** Calls whose environment names the channel that the new program goes on with. */
const ENVIRONMENT_AT: Readonly<Record<string, number>> = { execve: 2, execveat: 3 };

/** A process of driver.c with the tasks it made. */
export interface Driver {
  readonly task: Task;
  close(): Promise<void>;
}

/** Starts driver.c. @param start spawns a command, in whatever cgroup it is to be in */
export const startDriver = async (
  program: string,
  start: (command: string, args: readonly string[], options: Parameters<typeof spawn>[2]) => ChildProcess,
): Promise<Driver> => {
  const stdio = ['ignore', 'ignore', 'inherit', ...Array<'pipe'>(CHANNELS).fill('pipe')] as const;
  const child = start(program, [], { stdio: [...stdio], env: {}, cwd: '/' });
  const failed = new Promise<never>((_, reject) => child.on('error', reject));
  failed.catch(() => undefined);
  const sockets = Array.from({ length: CHANNELS }, (_, index) => child.stdio[FIRST_GIVEN + index] as Duplex);
  const answers = sockets.map(readAnswers);
  for (const socket of sockets) socket.on('error', () => undefined);
  let free = 1;

  /** Undefined where the task died instead of answering. */
  const next = async (channel: number, alive: () => boolean): Promise<Answer | undefined> => {
    const socket = sockets[channel];
    const began = performance.now();
    for (;;) {
      const answer = answers[channel]?.();
      if (answer) return answer;
      if (performance.now() - began > LIMIT_MS) throw new Error('a task neither answered nor died');
      const data = new Promise<void>((resolve) => socket?.once('data', () => resolve()));
      const died = !alive();
      await Promise.race([data, delay(died ? 2 * LOOK_MS : LOOK_MS), failed]);
      if (died) return answers[channel]?.();
    }
  };

  const taskOf = (channel: number, pid: number, tgid: number): Task => {
    const alive = (): boolean => isAlive(tgid, pid);
    const ask = (request: Request): Promise<Answer | undefined> => {
      sockets[channel]?.write(request.finish());
      return next(channel, alive);
    };
    const ask1 = (name: string, args: readonly Argument[], abi: Abi): Promise<Answer | undefined> => {
      const given = [...args];
      const at = ENVIRONMENT_AT[name];
      if (at !== undefined) given[at] = [...((given[at] as readonly string[] | null) ?? []), `CHANNEL=${channel}`];
      const request = new Request()
        .number(CALL, 1)
        .number(abi === 'ia32' ? 1 : 0, 1)
        .number(numberOf(name, abi), 2);
      request.number(given.length, 1);
      for (const argument of given) request.argument(argument);
      return ask(request);
    };
    return {
      pid,
      tgid,
      async call(name, args = [], abi = 'x86-64') {
        const answer = await ask1(name, args, abi);
        if (!answer) throw new Error(`${name} did not return`);
        return answer.result;
      },
      async last(name, args = []) {
        const answer = await ask1(name, args, 'x86-64');
        if (!answer) return;
        if (answer.kind === HELLO) throw new Error(`${name} began another program`);
        throw new Error(`${name} returned ${answer.result}`);
      },
      async fork(how = 'fork') {
        const mine = free++;
        if (mine >= CHANNELS) throw new Error(`a case may have ${CHANNELS} tasks in one driver`);
        const thread = how === 'thread';
        const answer = await ask(
          new Request()
            .number(NEW_TASK, 1)
            .number(thread ? 1 : 0, 1)
            .number(mine, 1),
        );
        if (!answer || answer.result < 0) throw new Error(`clone returned ${answer?.result ?? 'not at all'}`);
        return taskOf(mine, answer.result, thread ? tgid : answer.result);
      },
      alive,
    };
  };

  const { pid = 0 } = child;
  const hello = await next(0, () => child.exitCode === null && child.signalCode === null);
  if (hello?.kind !== HELLO) throw new Error(`${program} did not begin`);
  return {
    task: taskOf(0, pid, pid),
    async close() {
      for (const socket of sockets) socket.destroy();
      if (child.exitCode === null && child.signalCode === null) {
        const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
        child.kill('SIGKILL');
        await ended;
      }
    },
  };
};
