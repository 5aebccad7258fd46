import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseCheckpoint, readPublicKey, verifyAuditLog } from '../../alerts/index.ts';
import { CliError, EXIT } from '../../cli/exit.ts';
import { runSession } from '../../cli/session.ts';
import { exit, mov, R0 } from '../../engine/isa/index.ts';
import { loadPolicyText } from '../../policies/index.ts';
import { BpfError, createSimSensor, loadScenario, ProgramRefused, type Sensor } from '../../sensors/index.ts';
import { temporaryFolder } from '../support/folder.ts';
import { programOf } from '../support/live-programs.ts';

const POLICY = `apiVersion: shrike/v1
kind: Policy
metadata: {name: secrets}
spec:
  rules:
    - rule: Secret read
      condition: evt.type = open and fd.name = /srv/secret
      priority: error
      output: "%fd.name"
`;

const simulated = (folder: string): Sensor => {
  const file = join(folder, 'nothing.yaml');
  writeFileSync(
    file,
    'name: nothing\nhost:\n  processes:\n    - {name: app, path: /bin/app}\nsteps:\n  - {openat: /bin/app, by: app}\n',
  );
  const { scenario, diagnostics } = loadScenario(file);
  if (scenario === undefined) throw new Error(`the scenario can't be loaded: ${JSON.stringify(diagnostics)}`);
  return createSimSensor({ scenario });
};

/** How a session ends whose kernel refuses every program. */
const ended = async (refusal: Error): Promise<unknown> => {
  const folder = temporaryFolder();
  const { policies, diagnostics } = loadPolicyText('secrets.yaml', POLICY);
  expect(diagnostics).toEqual([]);
  const sensor = simulated(folder);
  const loadProgram = (): never => {
    throw refusal;
  };
  return runSession(
    {
      policies,
      sensor: { ...sensor, kernel: { ...sensor.kernel, loadProgram } },
      host: 'h',
      enforce: false,
      auditFolder: join(folder, 'audit'),
      warn: () => undefined,
    },
    new AbortController().signal,
  ).catch((error: unknown) => error);
};

describe('a session whose kernel refuses the programs', () => {
  const spec = programOf('sys_exit', 'tp_btf/sys_exit', [mov(R0, 0), exit()]);

  it('ends with what was refused and the end of the verifier’s log', async () => {
    const log = Array.from({ length: 20 }, (_, line) => `line ${line}`).join('\n');
    const cause = new BpfError('BPF_PROG_LOAD', 13, 'program "sys_exit"', `${log}\nprocessed 20 insns\n`);
    const error = await ended(new ProgramRefused({ ...spec, lines: [{ at: 0, text: 'rule Secret read' }] }, cause));
    expect(error).toBeInstanceOf(CliError);
    expect((error as CliError).exitCode).toBe(EXIT.environment);
    expect((error as CliError).message).toBe(
      [
        'program "sys_exit" (tp_btf/sys_exit): the kernel refuses it: line 19; report it with the verifier log',
        "the end of the verifier's log:",
        ...Array.from({ length: 11 }, (_, line) => `  line ${line + 9}`),
        '  processed 20 insns',
      ].join('\n'),
    );
  });

  it('ends with a sentence where there is no log', async () => {
    const error = await ended(new BpfError('BPF_MAP_CREATE', 12, 'map "events" (ringbuf)'));
    expect(error).toBeInstanceOf(CliError);
    expect((error as CliError).message).toBe(
      'map "events" (ringbuf): BPF_MAP_CREATE failed with ENOMEM (the kernel has no memory for it; make it smaller (ring buffers by --ring-size), or raise the memory limit of the cgroup that this process runs in)',
    );
  });
});

describe('a session’s audit log', () => {
  const session = (folder: string, onCheckpoint: (text: string) => void, warn: (sentence: string) => void) =>
    runSession(
      {
        policies: loadPolicyText('secrets.yaml', POLICY).policies,
        sensor: simulated(folder),
        host: 'h',
        enforce: false,
        auditFolder: join(folder, 'audit'),
        onCheckpoint: [onCheckpoint],
        warn,
      },
      new AbortController().signal,
    );

  it('is sealed to its last entry, and goes on unsealed where it is not what was signed', async () => {
    const folder = temporaryFolder();
    const audit = join(folder, 'audit');
    const [checkpoints, warned]: [string[], string[]] = [[], []];
    const run = () =>
      session(
        folder,
        (text) => void checkpoints.push(text),
        (sentence) => void warned.push(sentence),
      );
    await run();
    const whole = await verifyAuditLog({ folder: audit, key: readPublicKey(audit)! });
    expect(whole).toMatchObject({ unsigned: 0, findings: [] });
    expect(whole.verified).toBeGreaterThan(2);
    expect(checkpoints.at(-1)).toBe(readFileSync(join(audit, 'checkpoint'), 'utf8'));
    await run();
    expect(warned).toEqual([]);
    const last = parseCheckpoint(checkpoints.at(-1)!);
    expect(last.size).toBeGreaterThan(whole.verified);
    rmSync(join(audit, 'tile'), { recursive: true });
    const result = await run();
    expect(result.summary.problems).toEqual([]);
    expect(warned).toEqual([expect.stringMatching(/^the audit log is not sealed any more: .* is missing: /)]);
    expect(parseCheckpoint(checkpoints.at(-1)!).size).toBe(last.size);
  });
});
