import type { Random } from '../../../support/random.ts';
import { exec, fork, type Known, type World } from '../world/index.ts';
import type { Stage } from './stage.ts';
import { fieldOf, type Literal, solveText } from './wishes.ts';

/** Where programs lie: on the host, in the image of a container, and in what was written over it. */
export const FOLDERS = ['/opt/bin', '/layers/low', '/layers/up'] as const;

/** A command line as arguments. */
export const words = (text: string): readonly string[] => (text === '' ? [] : text.split(' '));

/** A process as rules describe it. */
export interface Person {
  readonly name: string;
  readonly exe: string;
  readonly args: string;
}

/** A process of which its fields come to what is wanted. */
export const solvePerson = (
  random: Random,
  literals: readonly Literal[],
  fields: readonly string[],
  exe: string,
  command: string,
  name: string,
): Person => {
  const own = fields.map((field) => solveText(random, literals, field, name) ?? name);
  const chosen = own.find((each) => each !== name) ?? name;
  const line = literals.some((literal) => fieldOf(literal) === command)
    ? (solveText(random, literals, command, `${chosen} -x`) ?? `${chosen} -x`)
    : `${chosen} -x`;
  const [first = '', ...rest] = line.split(' ');
  const isNamed = literals.some((literal) => fields.includes(fieldOf(literal)));
  const called = isNamed || first === '' ? chosen : first;
  return { name: called, exe: solveText(random, literals, exe, `/opt/${called}`) ?? called, args: rest.join(' ') };
};

/** A program's path, made from its name as far as names are allowed in paths. */
export const programOf = (world: World, name: string, folder: (typeof FOLDERS)[number] = FOLDERS[0]): string => {
  const path = `${folder}/${name.replaceAll('/', '_').slice(0, 60) || 'x'}`;
  if (world.host.fs.exists(path)) return path;
  world.host.fs.write(path, '\x7fELF', 0o755);
  if (folder === FOLDERS[2]) world.host.fs.copyUp(path);
  return path;
};

/** A living process with these ancestors, the nearest first. */
export const chainOf = (world: World, stage: Stage, root: Known, people: readonly Person[]): Known => {
  const key = JSON.stringify([root.pid, people]);
  const known = stage.chains.get(key);
  if (known !== undefined) return known;
  const [nearest, ...above] = people;
  if (nearest === undefined) return root;
  const made = fork(world, chainOf(world, stage, root, above), 'fork');
  exec(world, made, { path: programOf(world, nearest.name), argv: [nearest.exe, ...words(nearest.args)] });
  if (stage.chains.size > 200) stage.chains.clear();
  stage.chains.set(key, made);
  return made;
};

const ANCESTORS = 5;

/** Ancestors of which their fields come to what is wanted, the parent first. */
export const solveAncestors = (random: Random, literals: readonly Literal[]): readonly Person[] => {
  const any = literals.filter((literal) => fieldOf(literal) === 'proc.aname' && literal.wanted);
  const count = literals.some((literal) => /^proc\.a\w+\[[2-9]\]$/.test(fieldOf(literal)))
    ? ANCESTORS
    : random.between(1, 3);
  const at = random.below(count);
  return Array.from({ length: count }, (_, index) => {
    const level = index + 1;
    const person = solvePerson(
      random,
      literals,
      level === 1 ? ['proc.pname', 'proc.aname[1]'] : [`proc.aname[${level}]`],
      level === 1 ? 'proc.pexe' : `proc.aexe[${level}]`,
      level === 1 ? 'proc.pcmdline' : `proc.acmdline[${level}]`,
      'launcher',
    );
    if (index !== at || any.length === 0 || person.name !== 'launcher') return person;
    return { ...person, name: solveText(random, any, 'proc.aname', 'launcher') ?? 'launcher' };
  });
};
