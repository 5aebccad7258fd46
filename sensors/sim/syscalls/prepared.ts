import { EACCES, EPERM } from '../../../engine/maps/index.ts';
import { type Abi, callNumber, callPlace, type EventType } from '../../../rules/index.ts';
import type { Path } from '../kernel/mounts.ts';
import type { CallOptions, Recorded, SimArgument } from '../sim-host.ts';
import { AT_FDCWD } from '../uapi.ts';
import type { CallHandler } from './call.ts';
import { CallArguments } from './call-arguments.ts';
import { LIGHT_CALLS, type LightCall } from './light.ts';
import { looksOf } from './quiet.ts';
import { isUnderWay, neededPath, needsAnything } from './recorded.ts';
import { ARGUMENT_REGISTERS, type EntryImage } from './registers.ts';
import { callNamed, notImplemented } from './table.ts';

/** A path to find before a recorded call may be passed over. */
export interface KnownPath {
  readonly text: string;
  /** The descriptor that it starts at. */
  readonly fd: number;
  readonly follow: boolean;
  /** What it led to last. */
  last: LastFound | undefined;
}

/** Where a path led, below which root and from where, and how old what is known of paths was then. */
export interface LastFound {
  readonly found: Path;
  readonly root: Path;
  readonly start: Path;
  readonly age: number;
}

/** A call with its arguments, looked up and checked, to be made any number of times. */
export interface PreparedCall {
  readonly event: EventType;
  readonly handler: CallHandler;
  readonly abi: Abi;
  /** In the table of the ABI. */
  readonly nr: number;
  /** In the tables of calls that programs look at, or -1. */
  readonly place: number;
  readonly arguments: readonly SimArgument[];
  readonly recorded: Recorded | undefined;
  /** Of a recorded call that changes nothing where these paths lead somewhere: the paths. Undefined for all others. */
  readonly quiet: readonly KnownPath[] | undefined;
  /** Of a recorded call that finds all that it found where a path leads somewhere: the path, followed. Undefined for all others. */
  readonly known: KnownPath | undefined;
  /** Something may have to be there for it to succeed as it was recorded. */
  readonly needs: boolean;
  /** Does the same where no program looks at the call; undefined where only making it does. */
  readonly light: LightCall | undefined;
  /** It is made but once. */
  readonly once: boolean;
  /** What entering it writes, once it was played. */
  image: EntryImage | undefined;
}

/** Calls whose refusal LSM programs may see, as far as they have their own hook. */
const SHOWN: ReadonlySet<string> = new Set(['open', 'openat', 'openat2', 'creat', 'execve', 'execveat']);

/** What must lead somewhere for a recorded call to change nothing; undefined where it does change something. */
const quietOf = (
  name: string,
  handler: CallHandler,
  args: readonly SimArgument[],
  { result }: Recorded,
): readonly KnownPath[] | undefined => {
  if (result < 0) {
    const shown = name === 'connect' || (SHOWN.has(name) && (result === -EPERM || result === -EACCES));
    return shown || isUnderWay(name, result) ? undefined : [];
  }
  if (handler === notImplemented) return [];
  const given = new CallArguments(args);
  const looks = looksOf(name, given);
  if (looks === undefined) return undefined;
  const paths: KnownPath[] = [];
  for (const { path, directory, follow } of looks) {
    const text = args[path];
    if (text instanceof Uint8Array) return undefined;
    if (typeof text !== 'string' || text === '') continue;
    paths.push({ text, fd: directory === undefined ? AT_FDCWD : given.int(directory), follow, last: undefined });
  }
  return paths;
};

const knownOf = (name: string, args: readonly SimArgument[], { result }: Recorded): KnownPath | undefined => {
  if (result < 0) return undefined;
  const given = new CallArguments(args);
  const needed = neededPath(name, given);
  const text = needed && args[needed.path];
  if (needed === undefined || typeof text !== 'string' || text === '') return undefined;
  const fd = needed.directory === undefined ? AT_FDCWD : given.int(needed.directory);
  return { text, fd, follow: true, last: undefined };
};

/** @throws Error for what is no system call of the table, and for more than six arguments */
export const prepareCall = (
  name: string,
  args: readonly SimArgument[],
  { abi = 'x86-64', recorded }: CallOptions,
): PreparedCall => {
  const entry = callNamed(name);
  if (!entry) throw new Error(`there is no system call "${name}"`);
  const { event, handler } = entry;
  const nr = callNumber(event, abi);
  if (nr === undefined) throw new Error(`the ${abi} table has no system call "${name}"`);
  const most = ARGUMENT_REGISTERS[abi].length;
  if (args.length > most)
    throw new Error(`${event.type} got ${args.length} arguments; a system call takes at most ${most}`);
  const quiet = recorded && quietOf(name, handler, args, recorded);
  const light = recorded !== undefined && recorded.result >= 0 ? LIGHT_CALLS[name] : undefined;
  return {
    event,
    handler,
    abi,
    nr,
    place: callPlace(nr, abi),
    arguments: args,
    recorded,
    quiet,
    known: recorded && knownOf(name, args, recorded),
    needs: recorded !== undefined && needsAnything(name),
    light,
    once: false,
    image: undefined,
  };
};

/** The same call with other arguments of the same kinds and the like result, to be made once. */
export const preparedAgain = (
  call: PreparedCall,
  args: readonly SimArgument[],
  recorded: Recorded | undefined,
): PreparedCall => {
  const { event, handler, quiet, known } = call;
  return {
    ...call,
    arguments: args,
    recorded,
    quiet: recorded && quiet && quiet.length > 0 ? quietOf(event.type, handler, args, recorded) : quiet,
    known: recorded && known && knownOf(event.type, args, recorded),
    once: true,
    image: undefined,
  };
};
