import { spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { FeatureLevel } from '../../../engine/object/index.ts';
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

/** Those that run in a guest. */
export const guestBehaviours = (): readonly Behaviour[] => loadBehaviours().filter(isForGuests);

/** The agent looks at the names of users and groups at most once in this time. */
const NAMES_ARE_READ_AGAIN_MS = 1_000;
const NAMES = ['/etc/passwd', '/etc/group', '/etc/nsswitch.conf'];

/** Another text where one of the files has another content, or is another file. */
const versionOfNames = (): string =>
  NAMES.map((path) => {
    const found = statSync(path, { bigint: true, throwIfNoEntry: false });
    return found === undefined ? 'none' : `${found.ino} ${found.size} ${found.mtimeNs}`;
  }).join();

/** The guest is nobody else's: a behaviour gets its files in the guest's own root, anew each time. */
const guestSandbox = (): Sandbox => {
  let namesAsPut = '';
  const run = async (behaviour: Behaviour, procs: string): Promise<Ended> => {
    const hasOtherNames = versionOfNames() !== namesAsPut;
    putHostFiles('/');
    namesAsPut = versionOfNames();
    if (hasOtherNames) await delay(NAMES_ARE_READ_AGAIN_MS);
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

/** Behaviours under policies. */
export interface GuestRun {
  /** What the group of the outcomes is called. */
  readonly group: string;
  readonly behaviours: readonly Behaviour[];
  readonly policies: readonly Policy[];
  /** The rules that a behaviour's meaning asks for. */
  readonly expected: (behaviour: Behaviour) => readonly string[];
}

type Report = Parameters<GuestModule['run']>[1];

const inSimulation = async (
  { group, behaviours, policies }: GuestRun,
  level: FeatureLevel,
  report: Report,
): Promise<void> => {
  const compiled = compile(
    policies.flatMap(({ rules }) => rules),
    { level },
  );
  for (const behaviour of behaviours) {
    const { alerts } = await simulate(behaviour, policies, compiled);
    const digest = JSON.stringify(alerts.map(comparable));
    report({ name: `${group}: ${behaviour.name}`, result: 'passed', digest, milliseconds: 0 });
  }
};

const inGuest = async ({ group, behaviours, policies, expected }: GuestRun, report: Report): Promise<void> => {
  const started = performance.now();
  const { ended, alerts, problems, lost } = await runLive(behaviours, [], policies, guestSandbox());
  const milliseconds = Math.round((performance.now() - started) / behaviours.length);
  for (const behaviour of behaviours) {
    const { name, exit } = behaviour;
    const own = alerts.get(name) ?? [];
    const raised = own.map(({ rule }) => rule);
    const end = ended.get(name);
    const isRight = end?.code === exit && JSON.stringify(raised) === JSON.stringify(expected(behaviour));
    const reason = `it ended with ${end?.code} and raised ${raised.join(', ') || 'nothing'}: ${end?.output}`;
    const digest = JSON.stringify(own.map(comparable));
    report({
      name: `${group}: ${name}`,
      ...(isRight ? { result: 'passed' } : { result: 'failed', reason }),
      digest,
      milliseconds,
    });
  }
  const trouble = [...problems, ...[...lost].map(([hook, records]) => `${hook} lost ${records}`)];
  report({
    name: `${group}: nothing is lost`,
    ...(trouble.length === 0 ? { result: 'passed' } : { result: 'failed', reason: trouble.join('; ') }),
    milliseconds: 0,
  });
};

/** Runs behaviours in a guest, or simulated; what is reported as their digest is their alerts, which must be the simulation's. */
export const runBehaviours = (run: GuestRun, level: FeatureLevel | undefined, report: Report): Promise<void> =>
  level === undefined ? inGuest(run, report) : inSimulation(run, level, report);

export const run: GuestModule['run'] = async ({ simulate: level }, report) => {
  const { policies } = loadPolicies([fileURLToPath(new URL('../../../policies/library', import.meta.url))]);
  const behaviours = guestBehaviours();
  await runBehaviours({ group: 'behaviour', behaviours, policies, expected: (one) => one.expect }, level, report);
};
