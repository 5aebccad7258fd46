import type { Verified } from '../engine/verifier/index.ts';
import { createInterpreter, createJit, Fault, Memory, type VmEnvironment } from '../engine/vm/index.ts';
import { BpfError, bpfUnavailable } from '../sensors/index.ts';
import { KERNEL_MEMORY_BYTES, loadForMemory } from './bpf-kernel.ts';
import { CliError, EXIT } from './exit.ts';

export const ENGINES = ['interpreter', 'jit', 'kernel'] as const;
export type EngineName = (typeof ENGINES)[number];

/** A program made ready: runs on the same memory each time and returns r0. */
export interface Prepared {
  run(): bigint;
  close(): void;
}

/** Memory that a machine has beside the program's own. */
const MACHINE_BYTES = 1024 * 1024;

/** A kernel's side for programs that have nothing to do with one: clocks and random numbers are the host's, there is no task. */
const plainEnvironment = (bytes: number): VmEnvironment => ({
  memory: new Memory(MACHINE_BYTES + bytes),
  map: () => undefined,
  bootNs: () => process.hrtime.bigint(),
  currentTask: () => 0n,
  currentPidTgid: () => (BigInt(process.pid) << 32n) | BigInt(process.pid),
  currentUidGid: () => 0n,
  currentComm: () => new TextEncoder().encode('shrike'),
  currentCgroupId: () => 1n,
  currentAncestorCgroupId: () => 0n,
  readUser: () => undefined,
  sendSignal: () => -1,
  random: () => Math.floor(Math.random() * 2 ** 32),
  trace: (text) => process.stderr.write(text),
});

const machine = (name: 'interpreter' | 'jit', program: Verified, bytes: Uint8Array): Prepared => {
  const environment = plainEnvironment(bytes.length);
  const made = name === 'jit' ? createJit(program, environment) : createInterpreter(program, environment);
  const { memory } = environment;
  const offset = bytes.length === 0 ? undefined : memory.allocate(bytes.length);
  if (offset !== undefined) memory.bytes.set(bytes, offset);
  const [address, length] = [offset === undefined ? 0n : memory.address(offset), BigInt(bytes.length)];
  return {
    run: () => {
      try {
        return made.run(address, length);
      } catch (error) {
        if (error instanceof Fault) throw new CliError(`the program failed at ${error.message}`, EXIT.findings);
        throw error;
      }
    },
    close: () => made.close(),
  };
};

const inKernel = (program: Verified, bytes: Uint8Array): Prepared => {
  const reason = bpfUnavailable();
  if (reason !== undefined) throw new CliError(`--engine kernel: ${reason}`, EXIT.environment);
  if (bytes.length > KERNEL_MEMORY_BYTES) {
    throw new CliError(
      `--engine kernel: a program can be given at most ${KERNEL_MEMORY_BYTES} bytes, not ${bytes.length}`,
      EXIT.usage,
    );
  }
  try {
    const loaded = loadForMemory(program.instructions, bytes.length);
    let memory = bytes;
    return {
      run: () => {
        const done = loaded.run(memory);
        memory = done.memory;
        return done.r0;
      },
      close: () => loaded.close(),
    };
  } catch (error) {
    if (!(error instanceof BpfError)) throw error;
    const code = error.errno === 'EPERM' && error.log === '' ? EXIT.environment : EXIT.usage;
    throw new CliError(
      `the kernel refuses it: ${error.message}${error.log === '' ? '' : `\n${error.log.trimEnd()}`}`,
      code,
    );
  }
};

/** Compiles or loads a verified program for an engine. @throws CliError where the engine can't have it */
export const prepare = (engine: EngineName, program: Verified, memory: Uint8Array): Prepared =>
  engine === 'kernel' ? inKernel(program, memory) : machine(engine, program, memory);
