import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { describe, expect, it, onTestFinished } from 'vitest';
import * as isa from '../../../engine/isa/index.ts';
import { assemble, type Item, R0, R1, R2, R3, R10 } from '../../../engine/isa/index.ts';
import { BpfError, type LinuxProgramSpec, loadLinuxProgram, testRun, tryLoad } from '../../../sensors/linux/index.ts';
import { at } from '../../support/cli.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { kernelSkip, runInKernel, runSyscallProgram } from '../../support/kernel.ts';

const skip = kernelSkip();
const code = (...items: Item[]) => assemble(items).instructions;
const zero = code(isa.mov(R0, 0), isa.exit());

const refusal = (spec: LinuxProgramSpec): BpfError => {
  try {
    loadLinuxProgram(spec).close();
  } catch (error) {
    if (error instanceof BpfError) return error;
    throw error;
  }
  throw new Error('the program loaded');
};

describe.skipIf(skip)('a program in the running kernel', () => {
  it('runs on the context it is given and leaves what it wrote there', () => {
    const program = code(
      isa.ldx('dw', R2, R1, 0),
      isa.add(R2, 5),
      isa.stx('dw', R1, 8, R2),
      isa.mov(R0, 7),
      isa.exit(),
    );
    const context = new Uint8Array(16);
    context[0] = 37;
    const run = runSyscallProgram(program, context);
    expect(run.returnValue).toBe(7);
    expect(run.context[8]).toBe(42);
    expect(context[8]).toBe(0);
  });

  it('gives a context of 65,535 bytes back', () => {
    const program = code(isa.st('b', R1, 32_767, 9), isa.mov(R0, 0), isa.exit());
    const { context } = runSyscallProgram(program, new Uint8Array(65_535));
    expect([context.length, context[32_767]]).toEqual([65_535, 9]);
  });

  it('runs on a packet, as often as asked, and says how long it took', () => {
    const XDP_PASS = 2;
    const program = code(
      isa.ldx('w', R2, R1, 0),
      isa.ldx('w', R3, R1, 4),
      isa.mov(R0, R2),
      isa.add(R0, 14),
      isa.jgt(R0, R3, 'out'),
      isa.st('b', R2, 13, 0x55),
      isa.label('out'),
      isa.mov(R0, XDP_PASS),
      isa.exit(),
    );
    const run = runInKernel('xdp', program, { dataIn: new Uint8Array(64), repeat: 1000 });
    expect(run.returnValue).toBe(XDP_PASS);
    expect(run.dataOut).toHaveLength(64);
    expect(run.dataOut[13]).toBe(0x55);
    expect(run.durationNs).toBeGreaterThan(0);
  });

  it('is a socket filter that sees a packet behind its Ethernet header', () => {
    const program = code(isa.ldx('w', R0, R1, 0), isa.exit());
    expect(runInKernel('socket_filter', program, { dataIn: new Uint8Array(64), repeat: 1 }).returnValue).toBe(50);
  });

  it('tells how many instructions were verified', () => {
    const program = loadLinuxProgram({ name: 'zero', programType: 'xdp', instructions: zero, log: 'statistics' });
    onTestFinished(() => program.close());
    expect(program.verified).toBe(2);
    expect(program.log).toMatch(/^verification time \d+ usec\nstack depth 0\nprocessed 2 insns /);
    expect(program.id).toBeGreaterThan(0);
  });

  it('is refused with the line of the log that says why, and the whole log', () => {
    const error = refusal({
      name: 'stray',
      programType: 'xdp',
      instructions: code(isa.ldx('dw', R0, R10, -8), isa.mov(R1, R10), isa.stx('dw', R1, 8, R0), isa.exit()),
    });
    expect(error.message).toBe(
      'program "stray" (xdp): BPF_PROG_LOAD failed with EACCES: invalid write to stack R1 off=8 size=8 (the verifier refused the program; its log says where)',
    );
    expect([error.call, error.errno]).toEqual(['BPF_PROG_LOAD', 'EACCES']);
    expect(error.log).toContain('(7b) *(u64 *)(r1 +8) = r0');
  });

  it('is refused without a log where none is wanted', () => {
    const spec = { name: 'none', programType: 'xdp', instructions: code(isa.exit()) } as const;
    expect(refusal({ ...spec, log: 'none' }).message).toBe(
      'program "none" (xdp): BPF_PROG_LOAD failed with EACCES (the verifier refused the program; its log says where)',
    );
    expect(tryLoad(spec)).toBe(-13);
  });

  it('takes a larger log where the first has no room', () => {
    const long = Array.from({ length: 9000 }, (_, i) => isa.add(R0, i));
    const program = loadLinuxProgram({
      name: 'long',
      programType: 'xdp',
      instructions: code(isa.mov(R0, 0), ...long, ...long, ...long, isa.mov(R0, 0), isa.exit()),
      log: 'all states',
    });
    onTestFinished(() => program.close());
    expect(program.log.length).toBeGreaterThan(1 << 20);
    expect(program.log.slice(0, 10)).toBe('func#0 @0\n');
  });

  it('says what is wrong with a test run', () => {
    const program = loadLinuxProgram({ name: 'zero', programType: 'xdp', instructions: zero });
    onTestFinished(() => program.close());
    expect(() => testRun(program.fd, { dataIn: new Uint8Array(4) })).toThrow(
      `program of fd ${program.fd}: BPF_PROG_TEST_RUN failed with EINVAL (the sizes of data or context are not what programs of this type take)`,
    );
  });

  it('is verified to its end though signals keep arriving, as a profiler sends them', () => {
    const script = `
      import { add, assemble, exit, jlt, label, mov, R0, R2 } from ${JSON.stringify(at('dist/engine/isa/index.js'))};
      import { loadLinuxProgram } from ${JSON.stringify(at('dist/sensors/linux/index.js'))};
      const loop = [mov(R2, 0), label('again'), add(R2, 1), jlt(R2, 20_000, 'again'), mov(R0, 0), exit()];
      const { instructions } = assemble(loop);
      console.log(loadLinuxProgram({ name: 'loop', programType: 'xdp', instructions }).verified > 40_000);`;
    const profile = ['--cpu-prof', '--cpu-prof-interval=100', `--cpu-prof-dir=${temporaryFolder()}`];
    const args = [...profile, '--input-type=module', '-e', script];
    expect(execFileSync(process.execPath, args, { encoding: 'utf8' })).toBe('true\n');
  });

  it('leaves no file descriptor behind', () => {
    const open = (): number => readdirSync('/proc/self/fd').length;
    const before = open();
    runInKernel('xdp', zero, { dataIn: new Uint8Array(64) });
    refusal({ name: 'none', programType: 'xdp', instructions: code(isa.exit()) });
    expect(open()).toBe(before);
  });
});
