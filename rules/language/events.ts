import { SYSCALLS } from './syscalls.ts';

/**
 * What an argument is: `path` is the file the call is about, `source` and `target` those of calls with two; a `dirfd` belongs to
 * the path argument after it.
 */
export type ArgumentKind =
  | 'fd'
  | 'dirfd'
  | 'path'
  | 'source'
  | 'target'
  | 'text'
  | 'openflags'
  | 'mode'
  | 'sockaddr'
  | 'pid'
  | 'uid'
  | 'gid'
  | 'signal'
  | 'size'
  | 'int'
  | 'pointer';

export interface EventArgument {
  readonly name: string;
  readonly kind: ArgumentKind;
}

/** A type of event: a system call under its kernel name, or `procexit` and `clone`'s like that other hooks report. */
export interface EventType {
  readonly type: string;
  /** Number in the x86-64 table; -1 for what is no system call. */
  readonly nr: number;
  /** Number in the ia32 table; -1 where it has none. */
  readonly nr32: number;
  readonly arguments: readonly EventArgument[];
  /** Where the event's file descriptor is: the result, an argument's index, or nowhere. */
  readonly fd: 'result' | number | undefined;
}

const argumentsOf = (text: string): readonly EventArgument[] =>
  text === ''
    ? []
    : text.split(' ').map((argument) => {
        const [name = '', kind = 'int'] = argument.split(':');
        return Object.freeze({ name, kind: kind as ArgumentKind });
      });

const fdOf = (result: string, args: readonly EventArgument[]): 'result' | number | undefined => {
  if (result === 'result') return 'result';
  const index = args.findIndex((argument) => argument.kind === 'fd');
  return index < 0 ? undefined : index;
};

/** Every event type by name. */
export const EVENT_TYPES: ReadonlyMap<string, EventType> = new Map<string, EventType>([
  ...SYSCALLS.map(([type, nr, nr32, text, result]): [string, EventType] => {
    const args = argumentsOf(text);
    return [type, Object.freeze({ type, nr, nr32, arguments: args, fd: fdOf(result, args) })];
  }),
  [
    'procexit',
    Object.freeze({ type: 'procexit', nr: -1, nr32: -1, arguments: argumentsOf('status:int'), fd: undefined }),
  ],
]);

const BY_NUMBER = new Map([...EVENT_TYPES.values()].filter((event) => event.nr >= 0).map((event) => [event.nr, event]));
const BY_NUMBER_32 = new Map(
  [...EVENT_TYPES.values()].filter((event) => event.nr32 >= 0).map((event) => [event.nr32, event]),
);

/** The event type of a system call's number in one of the two tables. */
export const eventTypeOf = (abi: 'x86-64' | 'ia32', nr: number): EventType | undefined =>
  (abi === 'ia32' ? BY_NUMBER_32 : BY_NUMBER).get(nr);
