import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { readYaml, type SourcePlaces } from '../../../policies/index.ts';

const CASES = fileURLToPath(new URL('cases', import.meta.url));
const PROGRAMS = fileURLToPath(new URL('../programs', import.meta.url));
/** The folder that a behaviour's own program lies in, and runs in. */
const HOME = '/srv/behaviour';

const absolute = z.string().startsWith('/');
const id = z.number().int().min(0);

/** A file: its content, or more of it, as in a scenario's host. */
const FileSchema = z.union([
  z.string(),
  z.strictObject({
    content: z.string().optional(),
    mode: z.string().optional(),
    uid: id.optional(),
    gid: id.optional(),
  }),
]);

/** What a file in cases/ may say; docs/live.md tells how one is written. */
const BehaviourSchema = z.strictObject({
  description: z.string(),
  /** The rules that its meaning asks for, in order, written by hand; one entry an alert. */
  expect: z.array(z.string()),
  /** The same of the public rules of Falco. */
  falco: z.array(z.string()).default([]),
  /** A script for the program of that name. */
  sh: z.string().optional(),
  bash: z.string().optional(),
  python: z.string().optional(),
  perl: z.string().optional(),
  /** A file of ../programs and the arguments it gets. */
  c: z.union([z.string(), z.array(z.string()).min(1)]).optional(),
  /** A program of the world with its arguments. */
  run: z.array(z.string()).min(1).optional(),
  /** The machine that C is compiled for; 32-bit programs are static and have no libc. */
  machine: z.enum(['x86-64', 'i386', 'x32']).default('x86-64'),
  uid: id.default(0),
  loginuid: id.optional(),
  /** Further C programs of ../programs by the path they get. */
  programs: z.record(absolute, z.string()).default({}),
  /** Programs of the world under further names. */
  copies: z.record(absolute, z.string()).default({}),
  files: z.record(absolute, FileSchema).default({}),
  folders: z.array(absolute).default([]),
  /** Symbolic links and what they lead to. */
  links: z.record(absolute, z.string()).default({}),
  /** Permission bits of programs that are not 0755. */
  modes: z.record(absolute, z.string()).default({}),
  /** Addresses that somebody outside answers at. */
  remotes: z.array(z.string()).default([]),
  /** The exit status of its program. */
  exit: id.default(0),
  /** Why it runs in a guest only. */
  guest: z.string().optional(),
  /** What happens, as in a scenario; the program's own start comes before. The process is called main. */
  steps: z.array(z.unknown()).default([]),
});

type Written = z.infer<typeof BehaviourSchema>;

/** A C program that a behaviour needs. */
export interface NeededProgram {
  /** The file of its source. */
  readonly source: string;
  readonly machine: Written['machine'];
  /** Where it is in the behaviour's world. */
  readonly path: string;
}

/** Something a real program does, and the same as a scenario of the simulation. */
export interface Behaviour
  extends Pick<
    Written,
    | 'description'
    | 'expect'
    | 'falco'
    | 'uid'
    | 'loginuid'
    | 'copies'
    | 'files'
    | 'folders'
    | 'links'
    | 'modes'
    | 'remotes'
    | 'exit'
    | 'guest'
    | 'steps'
  > {
  readonly name: string;
  readonly argv: readonly string[];
  /** The program's path. */
  readonly path: string;
  readonly cwd: string;
  readonly programs: readonly NeededProgram[];
  /** Where the behaviour was written. */
  readonly places: SourcePlaces;
}

/** The programs that scripts are for: their path, and how they are called. */
const INTERPRETERS = {
  sh: { path: '/usr/bin/sh', options: [] },
  bash: { path: '/usr/bin/bash', options: [] },
  python: { path: '/usr/bin/python3', options: ['-I', '-S'] },
  perl: { path: '/usr/bin/perl', options: [] },
} as const;

type Start = Pick<Behaviour, 'path' | 'argv'> & { readonly script?: string };

const startOf = (name: string, written: Written): Start => {
  for (const [language, { path, options }] of Object.entries(INTERPRETERS)) {
    const script = written[language as keyof typeof INTERPRETERS];
    if (script !== undefined) return { path, argv: [basename(path), ...options, `${HOME}/${name}`], script };
  }
  if (written.c !== undefined) {
    const [source = '', ...args] = [written.c].flat();
    const path = `${HOME}/${basename(source, '.c')}`;
    return { path, argv: [path, ...args] };
  }
  const [program = '', ...args] = written.run ?? [];
  return { path: program.startsWith('/') ? program : `/usr/bin/${program}`, argv: [program, ...args] };
};

const loadBehaviour = (file: string): Behaviour => {
  const path = join(CASES, file);
  const { documents, diagnostics } = readYaml(path, readFileSync(path));
  const [document] = documents;
  if (document === undefined || diagnostics.length > 0) throw new Error(JSON.stringify(diagnostics));
  const parsed = BehaviourSchema.safeParse(document.data);
  if (!parsed.success) throw new Error(`${path}: ${z.prettifyError(parsed.error)}`);
  const { data } = parsed;
  const ways = [data.sh, data.bash, data.python, data.perl, data.c, data.run].filter((way) => way !== undefined);
  if (ways.length !== 1) throw new Error(`${path}: expected one of sh, bash, python, perl, c and run`);
  const name = basename(file, '.yaml');
  const start = startOf(name, data);
  const source = (text: string): string => join(PROGRAMS, text);
  return {
    ...data,
    name,
    path: start.path,
    argv: start.argv,
    cwd: HOME,
    files: {
      [`${HOME}/.keep`]: '',
      ...(start.script !== undefined && { [`${HOME}/${name}`]: start.script }),
      ...data.files,
    },
    programs: [
      ...(data.c === undefined
        ? []
        : [{ source: source([data.c].flat()[0] ?? ''), machine: data.machine, path: start.path }]),
      ...Object.entries(data.programs).map(([at, text]) => ({ source: source(text), machine: data.machine, path: at })),
    ],
    places: document,
  };
};

/** All behaviours, by name. @throws Error for a file that is not as it should be */
export const loadBehaviours = (): readonly Behaviour[] => readdirSync(CASES).sort().map(loadBehaviour);
