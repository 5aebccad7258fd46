import type { Instruction } from '../engine/isa/index.ts';
import { createMap } from '../engine/maps/index.ts';
import type { Hook } from '../engine/object/index.ts';
import { type Verified, verify } from '../engine/verifier/index.ts';
import { createInterpreter, createJit, helperById, Memory, type VmEnvironment } from '../engine/vm/index.ts';
import { bpfUnavailable, createLinuxMap, createSimHost, loadLinuxProgram, testRun } from '../sensors/index.ts';
import { busyNanoseconds } from './harness.ts';
import { type BenchProgram, bind, EMPTY } from './programs.ts';

const XDP: Hook = { programType: 'xdp', arguments: [], returns: { min: 0, max: 0xffff_ffff } };
/** The shortest packet that test runs take. */
const PACKET_BYTES = 14;

/** Until V8 has optimised a module, which it does on a thread of its own. */
const WARM_UP_MS = 200;

/** A program in one of the machines; `ns` is what a run takes on average over so many. */
export interface Machine {
  /** Low 32 bits of r0, unsigned. */
  readonly result: number;
  ns(runs: number): number;
}

const environmentOf = (memory: Memory, maps: readonly ReturnType<typeof createMap>[]): VmEnvironment => ({
  memory,
  map: (handle) => maps[handle - 1],
  bootNs: () => 0n,
  currentTask: () => 0n,
  currentPidTgid: () => 0n,
  currentUidGid: () => 0n,
  currentComm: () => new Uint8Array(16),
  currentCgroupId: () => 0n,
  currentAncestorCgroupId: () => 0n,
  readUser: () => undefined,
  sendSignal: () => 0,
  random: () => 0,
  trace: () => {},
});

const btf = createSimHost().kernel.btf;

/** An environment with the program's maps, and the program as the verifier leaves it. */
export function verified(
  program: BenchProgram,
  memory = new Memory(16 * 1024 * 1024),
): { readonly environment: VmEnvironment; readonly verified: Verified } {
  const maps = program.maps.map((spec, index) => createMap(memory, spec, index + 1));
  const handle = (name: string): number | undefined => maps.find(({ spec }) => spec.name === name)?.handle;
  const context = {
    name: program.name,
    hook: XDP,
    btf,
    map: (wanted: number) => maps[wanted - 1]?.spec,
    helper: helperById,
  };
  return { environment: environmentOf(memory, maps), verified: verify(bind(program, handle, btf), context) };
}

export function interpreted(program: BenchProgram): Machine & { readonly executed: number } {
  const { environment, verified: checked } = verified(program);
  const interpreter = createInterpreter(checked, environment);
  const result = Number(BigInt.asUintN(32, interpreter.run(0n)));
  return {
    result,
    executed: interpreter.executed,
    ns: (runs) =>
      busyNanoseconds(() => {
        for (let run = 0; run < runs; run++) interpreter.run(0n);
      }) / runs,
  };
}

/** @param calls each run is a call from JavaScript; else all are one batch */
export function compiled(program: BenchProgram, calls: boolean): Machine {
  const { environment, verified: checked } = verified(program);
  const jit = createJit(checked, environment);
  const context = environment.memory.allocate(64);
  const result = jit.run32(context) >>> 0;
  const run = (runs: number): void => {
    if (calls) for (let n = 0; n < runs; n++) jit.run32(context);
    else jit.runBatch(context, 0, runs);
  };
  for (const end = performance.now() + WARM_UP_MS; performance.now() < end; ) run(100);
  return { result, ns: (runs) => busyNanoseconds(() => run(runs)) / runs };
}

/** The running kernel's JIT; `ns` includes what its harness takes. */
export function loaded(program: BenchProgram): Machine {
  const maps = new Map(program.maps.map((spec) => [spec.name, createLinuxMap(spec)]));
  const instructions: readonly Instruction[] = bind(program, (name) => maps.get(name)?.fd, btf);
  const { fd } = loadLinuxProgram({ name: 'bench', instructions, programType: 'xdp' });
  const dataIn = new Uint8Array(PACKET_BYTES);
  return {
    result: testRun(fd, { dataIn, repeat: 1 }).returnValue,
    ns: (runs) => testRun(fd, { dataIn, repeat: runs }).durationNs,
  };
}

/** What the kernel's harness takes without a program. */
export const floor = (): Machine => loaded(EMPTY);

/** Why there is no kernel to compare with; undefined where there is. */
export const kernelMissing = (): string | undefined => bpfUnavailable();
