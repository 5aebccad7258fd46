import type { EventRecord, ExeFacts } from '../../rules/index.ts';
import type { ProcessFacts } from '../kernel.ts';

/** A process as the agent knows it; facts are as of its last exec, or its parent's until then. */
export interface KnownProcess {
  readonly pid: number;
  readonly start: bigint;
  readonly parentPid: number;
  readonly parentStart: bigint;
  readonly name: string;
  /** Undefined where it couldn't be read. */
  readonly exepath: string | undefined;
  readonly argv: readonly string[] | undefined;
  readonly cwd: string | undefined;
  readonly memfd: boolean | undefined;
  /** `NAME=value` each; undefined where it couldn't be read, or no rule asks for it. */
  readonly env: readonly string[] | undefined;
  /** The layer of an overlay that the executable lies in. */
  readonly layer: ExeFacts['layer'];
  readonly exeIno: bigint | undefined;
  /** Nanoseconds since 1970. */
  readonly exeCtime: bigint | undefined;
  readonly exeMtime: bigint | undefined;
  readonly uid: number;
  readonly alive: boolean;
}

const splitArguments = (text: string): readonly string[] => {
  const parts: string[] = [];
  let from = 0;
  for (let end = text.indexOf('\0'); end >= 0; end = text.indexOf('\0', from)) {
    parts.push(text.slice(from, end));
    from = end + 1;
  }
  if (from < text.length) parts.push(text.slice(from));
  return parts;
};

const environmentOf = (record: EventRecord): readonly string[] | undefined => {
  const env = record.string('env');
  return env?.state === 'present' ? splitArguments(env.text) : undefined;
};

type Image = Omit<KnownProcess, 'pid' | 'start' | 'parentPid' | 'parentStart' | 'uid' | 'alive'>;
type Identity = Pick<KnownProcess, 'pid' | 'start' | 'parentPid' | 'parentStart' | 'uid'>;

/** A process with an image; all are made here: objects with the same members in the same order are read fastest. */
export const processOf = (identity: Identity, image: Image, alive = true): KnownProcess => ({
  pid: identity.pid,
  start: identity.start,
  parentPid: identity.parentPid,
  parentStart: identity.parentStart,
  name: image.name,
  exepath: image.exepath,
  argv: image.argv,
  cwd: image.cwd,
  memfd: image.memfd,
  env: image.env,
  layer: image.layer,
  exeIno: image.exeIno,
  exeCtime: image.exeCtime,
  exeMtime: image.exeMtime,
  uid: identity.uid,
  alive,
});

/** A process as a snapshot has it. */
export const processIn = (facts: ProcessFacts): KnownProcess =>
  processOf(facts, {
    name: facts.name,
    exepath: facts.exepath,
    argv: facts.argv,
    cwd: undefined,
    memfd: facts.memfd,
    env: facts.env,
    layer: facts.layer,
    exeIno: facts.exeIno,
    exeCtime: facts.exeCtime,
    exeMtime: facts.exeMtime,
  });

/** What an exec's record says of the program. */
export const imageOf = (record: EventRecord): Image => {
  const image = record.string('file');
  const argv = record.string('argv');
  const base = record.string('base');
  const { ino, typechar, exe } = record;
  return {
    name: record.comm,
    exepath: image?.state === 'present' ? image.text : undefined,
    argv: argv?.state === 'present' ? splitArguments(argv.text) : argv?.state === 'absent' ? [] : undefined,
    cwd: base?.state === 'present' ? base.text : undefined,
    memfd: typechar === '' ? undefined : typechar === 'm',
    env: environmentOf(record),
    layer: exe.layer,
    exeIno: ino === 0n ? undefined : ino,
    exeCtime: exe.ctime,
    exeMtime: exe.mtime,
  };
};

/** The image of a process whose maker isn't known. */
export const nothingBut = (name: string): Image => ({
  name,
  exepath: undefined,
  argv: undefined,
  cwd: undefined,
  memfd: undefined,
  env: undefined,
  layer: undefined,
  exeIno: undefined,
  exeCtime: undefined,
  exeMtime: undefined,
});

/** proc.args: the arguments after the first, joined by blanks. */
export const argumentsText = (argv: readonly string[]): string => {
  let text = argv[1] ?? '';
  for (let index = 2; index < argv.length; index++) text += ` ${argv[index]}`;
  return text;
};

/** proc.cmdline: the name and the arguments. */
export const commandLine = (process: Pick<KnownProcess, 'name' | 'argv'>): string | undefined => {
  if (process.argv === undefined) return undefined;
  const rest = argumentsText(process.argv);
  return rest === '' && process.argv.length < 2 ? process.name : `${process.name} ${rest}`;
};
