import type { Random } from '../../../support/random.ts';
import { type Fact, is } from '../language/index.ts';
import {
  close,
  containerFields,
  exec,
  execFromMemory,
  exit,
  fork,
  type Known,
  moveToCgroup,
  onPath,
  setId,
  USERS,
  type World,
  wait,
} from '../world/index.ts';
import { act, EXECUTES, TYPES } from './acts.ts';
import { plantFile, usable } from './files.ts';
import { chainOf, FOLDERS, programOf, solveAncestors, solvePerson, words } from './people.ts';
import type { Stage } from './stage.ts';
import { fieldOf, type Literal, solveField, solveOne, solveText } from './wishes.ts';

const AGES = [0, 0, 6_000_000_000];

const capabilityFields = (names: readonly string[]): readonly (readonly [string, Fact])[] =>
  ['thread.cap_effective', 'thread.cap_permitted'].map((field) => [field, is(names.join(' '))]);

/** Some of what root may. */
const ROOTS = ['CAP_DAC_OVERRIDE', 'CAP_SYS_ADMIN', 'CAP_SYS_MODULE'];

const solveUser = (random: Random, literals: readonly Literal[]): number =>
  solveOne(
    random,
    literals,
    (field) => ['user.uid', 'user.name'].includes(field) || field.startsWith('thread.cap'),
    Object.keys(USERS).map(Number),
    (uid) => [['user.uid', is(uid)], ['user.name', is(USERS[uid] ?? '')], ...capabilityFields(uid === 0 ? ROOTS : [])],
  );

/** A new process below the ancestors that are asked for, or the first one of a pid namespace. */
const solveProcess = (world: World, stage: Stage, random: Random, literals: readonly Literal[]): Known => {
  const { roots } = stage;
  if (roots === undefined) throw new Error('the stage has no processes yet');
  if (solveField(random, literals, 'proc.vpid', [2, 2, 2, 1], (one) => one) === 1)
    return solveOne(
      random,
      literals,
      (field) => field.startsWith('thread.cap'),
      stage.firsts,
      ({ uid, capabilities }) => capabilityFields(capabilities ?? (uid === 0 ? ROOTS : [])),
    );
  const ttyOf = ({ tty }: Known) => (tty === undefined ? 0 : 34_819);
  const root = solveField(random, literals, 'proc.tty', [roots.plain, roots.terminal], ttyOf);
  return fork(world, chainOf(world, stage, root, solveAncestors(random, literals)), 'fork');
};

/** Lets the process execute a program of which its fields come to what is wanted. */
const executes = (world: World, process: Known, random: Random, literals: readonly Literal[], type: string): void => {
  const person = solvePerson(random, literals, ['proc.name'], 'proc.exe', 'proc.cmdline', 'worker');
  const isOf = (field: string) => literals.some((literal) => fieldOf(literal) === field);
  const args = isOf('proc.args') ? (solveText(random, literals, 'proc.args', person.args) ?? person.args) : person.args;
  const env = words(solveText(random, literals, 'proc.env', 'LANG=C PATH=/bin') ?? 'LANG=C');
  const argv = [person.exe, ...words(args)];
  if (solveField(random, literals, 'proc.is_exe_from_memfd', [false, false, true], (one) => one)) {
    execFromMemory(world, process, person.name, argv, env);
    return;
  }
  const folder = solveField(random, literals, 'proc.is_exe_upper_layer', FOLDERS, (one) => one === FOLDERS[2]);
  const path = EXECUTES.has(type) && random.chance(0.05) ? '/opt/none' : programOf(world, person.name, folder);
  exec(world, process, {
    path,
    argv,
    env,
    ...(type === 'execveat' ? { from: { dirfd: -100, base: process.cwd } } : {}),
  });
};

/** Lets a process do what these comparisons ask for, as far as it can be. */
export const perform = (world: World, stage: Stage, random: Random, literals: readonly Literal[]): void => {
  const type = solveField(random, literals, 'evt.type', TYPES, (one) => one);
  const cgroup = solveOne(
    random,
    literals,
    (field) => /^(container|k8s)\./.test(field),
    stage.cgroups,
    (one) => containerFields(one, stage.containers).filter(([, fact]) => fact !== 'unknown'),
  );
  const process = solveProcess(world, stage, random, literals);
  const isFirst = stage.firsts.includes(process);
  const { parent } = process;
  moveToCgroup(world, process, cgroup);
  const cwd = usable(solveText(random, literals, 'proc.cwd', '/w/') ?? '/w');
  plantFile(world, cwd, 'd');
  onPath(world, process, { kind: 'chdir', path: cwd });
  const uid = solveUser(random, literals);
  if (!isFirst && process.uid !== uid) setId(world, process, 'setuid', uid);
  executes(world, process, random, literals, type);
  const age = solveField(random, literals, 'proc.duration', AGES, (one) => one + 10_000);
  if (age > 0) world.host.advance(age);
  if (!EXECUTES.has(type)) act({ world, process, stage, random, literals, type });
  for (const fd of [...process.fds.keys()]) if (fd > 2 && (isFirst || random.chance(0.1))) close(world, process, fd);
  if (isFirst || parent === undefined) return;
  exit(world, process);
  wait(world, parent, process);
};
