import { spawn } from 'node:child_process';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadPolicies, type Policy } from '../../../policies/index.ts';
import { compile } from '../../../rules/index.ts';
import type { GuestModule } from '../suite/guest.ts';
import { type Behaviour, loadBehaviours } from './behaviour.ts';
import { comparable } from './comparable.ts';
import { runLive } from './live.ts';
import { type Ended, putFiles, type Sandbox } from './sandbox.ts';
import { simulate } from './simulate.ts';
import { putHostFiles, putProgram } from './world.ts';

/** Where a guest has the static programs of test/live/programs, and a kernel module. */
const PROGRAMS = '/behaviours';
const MODULE_FILE = '/srv/behaviour/module.ko';

/** Behaviours whose programs are C and need nothing but files. */
const isForGuests = ({ copies, remotes, uid, loginuid, programs, path }: Behaviour): boolean =>
  programs.length === 1 &&
  programs[0]?.path === path &&
  programs[0].machine !== 'x32' &&
  Object.keys(copies).length === 0 &&
  remotes.length === 0 &&
  uid === 0 &&
  loginuid === undefined;

/** The guest is nobody else's: a behaviour gets its files in the guest's own root, anew each time. */
const guestSandbox = (): Sandbox => {
  const run = (behaviour: Behaviour, procs: string): Promise<Ended> => {
    putHostFiles('/');
    putFiles(behaviour, '/');
    if (behaviour.files[MODULE_FILE] !== undefined) putProgram(`${PROGRAMS}/module.ko`, '/', MODULE_FILE);
    for (const { source, path } of behaviour.programs) putProgram(`${PROGRAMS}/${basename(source, '.c')}`, '/', path);
    const enter = ['-c', 'echo 0 >"$0" && exec "$@"', procs, ...behaviour.argv];
    const child = spawn('/bin/sh', enter, { cwd: behaviour.cwd, env: {}, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => (output += part));
    return new Promise((resolve, reject) => {
      child.once('error', reject).once('close', (code) => resolve({ code, output }));
    });
  };
  return { run, remove: () => undefined };
};

const inSimulation = async (
  behaviours: readonly Behaviour[],
  policies: readonly Policy[],
  level: '6.1' | '6.9' | '6.12',
  report: Parameters<GuestModule['run']>[1],
): Promise<void> => {
  const compiled = compile(
    policies.flatMap(({ rules }) => rules),
    { level },
  );
  for (const behaviour of behaviours) {
    const { alerts } = await simulate(behaviour, policies, compiled);
    const digest = JSON.stringify(alerts.map(comparable));
    report({ name: `behaviour: ${behaviour.name}`, result: 'passed', digest, milliseconds: 0 });
  }
};

/** Behaviours in a guest; what is reported as their digest is their alerts, which must be the simulation's. */
export const run: GuestModule['run'] = async ({ simulate: level }, report) => {
  const behaviours = loadBehaviours().filter(isForGuests);
  const { policies } = loadPolicies([fileURLToPath(new URL('../../../policies/library', import.meta.url))]);
  if (level !== undefined) return inSimulation(behaviours, policies, level, report);
  const started = performance.now();
  const { ended, alerts, problems, lost } = await runLive(behaviours, [], policies, guestSandbox());
  const milliseconds = Math.round((performance.now() - started) / behaviours.length);
  for (const { name, expect, exit } of behaviours) {
    const own = alerts.get(name) ?? [];
    const raised = own.map(({ rule }) => rule);
    const end = ended.get(name);
    const isRight = end?.code === exit && JSON.stringify(raised) === JSON.stringify(expect);
    const reason = `it ended with ${end?.code} and raised ${raised.join(', ') || 'nothing'}: ${end?.output}`;
    const digest = JSON.stringify(own.map(comparable));
    report({
      name: `behaviour: ${name}`,
      ...(isRight ? { result: 'passed' } : { result: 'failed', reason }),
      digest,
      milliseconds,
    });
  }
  const trouble = [...problems, ...[...lost].map(([hook, records]) => `${hook} lost ${records}`)];
  report({
    name: 'behaviour: nothing is lost',
    ...(trouble.length === 0 ? { result: 'passed' } : { result: 'failed', reason: trouble.join('; ') }),
    milliseconds: 0,
  });
};
