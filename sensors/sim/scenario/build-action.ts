import type { CloneArguments, OpenHow, SimArgument } from '../sim-host.ts';
import { MAKES_SOCKET, membersOf } from './forms.ts';
import type { Action, Endpoint, Identity, Program, StepArgument } from './scenario.ts';

type Members = ReadonlyMap<string, StepArgument>;

const literalOf = (members: Members, key: string): SimArgument | undefined => {
  const argument = members.get(key);
  return argument?.kind === 'literal' ? argument.value : undefined;
};

const numberOf = (members: Members, key: string): number | undefined => {
  const value = literalOf(members, key);
  return typeof value === 'number' ? value : undefined;
};

const textOf = (members: Members, key: string): string | undefined => {
  const value = literalOf(members, key);
  return typeof value === 'string' ? value : undefined;
};

const textsOf = (members: Members, key: string): readonly string[] | undefined => {
  const value = literalOf(members, key);
  return Array.isArray(value) ? value : undefined;
};

const isEndpoint = (value: SimArgument | undefined): value is Endpoint =>
  typeof value === 'object' && value !== null && 'port' in value;

/** A record without its undefined members. */
const defined = <Shape extends object>(record: { readonly [Key in keyof Shape]: Shape[Key] | undefined }): Shape =>
  Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as Shape;

const programOf = (members: Members, argv: readonly string[]): Program | undefined => {
  const fd = members.get('fd');
  const memfd = textOf(members, 'memfd');
  const path = textOf(members, 'path');
  if (memfd !== undefined) return { kind: 'descriptor', name: memfd };
  if (fd !== undefined)
    return { kind: 'descriptor', name: fd.kind === 'descriptor' ? fd.name : String(numberOf(members, 'fd')) };
  if (path === 'memfd') return { kind: 'descriptor', name: 'memfd' };
  if (path !== undefined) return { kind: 'path', path };
  const [first] = argv;
  if (first === undefined || first === '') return undefined;
  return first.includes('/') ? { kind: 'path', path: first } : { kind: 'name', name: first };
};

const identityOf = (members: Members): Identity =>
  defined<Required<Identity>>({
    uid: numberOf(members, 'uid'),
    gid: numberOf(members, 'gid'),
    groups: textsOf(members, 'groups')?.map(Number),
    loginuid: numberOf(members, 'loginuid'),
    cwd: textOf(members, 'cwd'),
    cgroup: textOf(members, 'cgroup'),
    tty: textOf(members, 'tty'),
    capabilities: textsOf(members, 'capabilities'),
    vpid: numberOf(members, 'vpid'),
  });

const exec = (members: Members): Action | 'nothing-to-execute' => {
  const given = textsOf(members, 'argv') ?? [];
  const program = programOf(members, given);
  if (program === undefined) return 'nothing-to-execute';
  const argv = given.length > 0 ? given : [program.kind === 'path' ? program.path : program.name];
  return { kind: 'exec', program, argv, env: textsOf(members, 'env'), identity: identityOf(members) };
};

const literal = (value: SimArgument): StepArgument => ({ kind: 'literal', value });

/** Arguments that stand for several keys of a step, or for the length of another argument. */
const derived = (call: string, members: Members): readonly (readonly [number, StepArgument])[] => {
  switch (call) {
    case 'openat2': {
      const how: OpenHow = defined<Required<OpenHow>>({
        flags: numberOf(members, 'flags') ?? 0,
        mode: numberOf(members, 'mode') ?? 0,
        resolve: numberOf(members, 'resolve') ?? 0,
      });
      return [[2, literal(how)]];
    }
    case 'clone3': {
      const args: CloneArguments = { flags: numberOf(members, 'flags') ?? 0 };
      return [[0, literal(args)]];
    }
    case 'write':
    case 'pwrite64':
    case 'sendto':
      return [[2, literal(new TextEncoder().encode(textOf(members, 'text') ?? '').length)]];
    case 'init_module':
      return [[1, literal(new TextEncoder().encode(textOf(members, 'module') ?? '').length)]];
    case 'execve':
      return textsOf(members, 'argv') === undefined ? [[1, literal([textOf(members, 'path') ?? ''])]] : [];
    case 'execveat':
      return textsOf(members, 'argv') === undefined ? [[2, literal([textOf(members, 'path') ?? ''])]] : [];
    case 'pipe':
    case 'pipe2':
      return [[0, literal(new Uint8Array(8))]];
    default:
      return [];
  }
};

const argumentsOf = (call: string, members: Members): readonly StepArgument[] => {
  const placed = new Map<number, StepArgument>();
  for (const { key, index } of membersOf(call)) {
    const argument = members.get(key);
    if (index !== undefined && argument !== undefined) placed.set(index, argument);
  }
  for (const [index, argument] of derived(call, members)) placed.set(index, argument);
  const last = Math.max(-1, ...placed.keys());
  return Array.from({ length: last + 1 }, (_, index) => placed.get(index) ?? literal(null));
};

/** What a step does, from its members; every required one is there. */
export const buildAction = (call: string, members: Members): Action | 'nothing-to-execute' => {
  if (call === 'exec') return exec(members);
  if (call === 'enforcement') return { kind: 'switch', isOff: textOf(members, 'state') === 'off' };
  if (call === 'agent') return { kind: 'agent', hangs: textOf(members, 'does') === 'hang' };
  if (call === 'wait') return { kind: 'wait', ns: numberOf(members, 'time') ?? 0 };
  if (call === 'accept' || call === 'accept4') {
    const from = literalOf(members, 'from');
    const listener = members.get('fd') ?? { kind: 'descriptor', name: 'listener' };
    return {
      kind: 'accept',
      call,
      from: isEndpoint(from) ? from : undefined,
      data: textOf(members, 'data') ?? '',
      arguments: [listener, literal(null), literal(null), ...(call === 'accept4' ? [literal(0)] : [])],
    };
  }
  const makesSocket = MAKES_SOCKET.has(call) && !members.has('fd');
  return {
    kind: 'call',
    call: call === 'exit' ? 'exit_group' : call,
    arguments: argumentsOf(call, members),
    newSocket: makesSocket ? (numberOf(members, 'type') ?? 0) : undefined,
  };
};
