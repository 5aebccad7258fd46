import { EACCES, EPERM } from '../../../engine/maps/index.ts';
import { type Abi, callNumber, callPlace, type EventType } from '../../../rules/index.ts';
import type { FoundPath } from '../kernel/found-paths.ts';
import type { Path } from '../kernel/mounts.ts';
import type { CallOptions, Recorded, SimArgument } from '../sim-host.ts';
import { AT_FDCWD } from '../uapi.ts';
import type { CallHandler } from './call.ts';
import { CallArguments } from './call-arguments.ts';
import { LIGHT_CALLS, type LightCall } from './light.ts';
import { lookOf } from './quiet.ts';
import { isUnderWay, neededPath, needsAnything } from './recorded.ts';
import { ARGUMENT_REGISTERS, type EntryImage } from './registers.ts';
import { callNamed, notImplemented } from './table.ts';

/** A path to find before a recorded call may be passed over, and where it led last. */
export interface KnownPath {
  readonly text: string;
  readonly isAbsolute: boolean;
  /** The descriptor that it starts at where it is relative. */
  readonly fd: number;
  readonly follow: boolean;
  found: FoundPath | undefined;
  /** Below which root it led there. */
  root: Path | undefined;
  /** From where. */
  start: Path | undefined;
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
  /** A recorded call that changes nothing where `look` leads somewhere, if it has one. */
  readonly quiet: boolean;
  /** The path that a quiet call looks for. */
  readonly look: KnownPath | undefined;
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

const knownPath = (text: string, given: CallArguments, directory: number | undefined, follow: boolean): KnownPath => ({
  found: undefined,
  root: undefined,
  start: undefined,
  isAbsolute: text.startsWith('/'),
  text,
  fd: directory === undefined ? AT_FDCWD : given.int(directory),
  follow,
});

type Quiet = Pick<PreparedCall, 'quiet' | 'look'>;
const QUIET: Quiet = { quiet: true, look: undefined };
const CHANGES: Quiet = { quiet: false, look: undefined };

/** Whether a recorded call changes nothing, and what must lead somewhere for that. */
const quietOf = (name: string, handler: CallHandler, args: readonly SimArgument[], { result }: Recorded): Quiet => {
  if (result < 0) {
    const shown = name === 'connect' || (SHOWN.has(name) && (result === -EPERM || result === -EACCES));
    return shown || isUnderWay(name, result) ? CHANGES : QUIET;
  }
  if (handler === notImplemented) return QUIET;
  const given = new CallArguments(args);
  const look = lookOf(name, given);
  if (look === undefined) return CHANGES;
  if (look === 'nothing') return QUIET;
  const text = args[look.path];
  if (text instanceof Uint8Array) return CHANGES;
  if (typeof text !== 'string' || text === '') return QUIET;
  return { quiet: true, look: knownPath(text, given, look.directory, look.follow) };
};

const knownOf = (name: string, args: readonly SimArgument[], { result }: Recorded): KnownPath | undefined => {
  if (result < 0) return undefined;
  const given = new CallArguments(args);
  const needed = neededPath(name, given);
  const text = needed && args[needed.path];
  if (needed === undefined || typeof text !== 'string' || text === '') return undefined;
  return knownPath(text, given, needed.directory, true);
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
  const { quiet, look } = recorded === undefined ? CHANGES : quietOf(name, handler, args, recorded);
  const light = recorded !== undefined && recorded.result >= 0 ? LIGHT_CALLS[name] : undefined;
  // first what the calls are passed over by that most are: it then lies together
  return {
    place: callPlace(nr, abi),
    quiet,
    look,
    light,
    arguments: args,
    recorded,
    known: recorded && knownOf(name, args, recorded),
    needs: recorded !== undefined && needsAnything(name),
    event,
    handler,
    abi,
    nr,
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
  if (args === call.arguments) return { ...call, recorded, once: true, image: undefined };
  const { event, handler, quiet, look, known } = call;
  return {
    ...call,
    arguments: args,
    recorded,
    ...(recorded && look ? quietOf(event.type, handler, args, recorded) : { quiet, look }),
    known: recorded && known && knownOf(event.type, args, recorded),
    once: true,
    image: undefined,
  };
};
