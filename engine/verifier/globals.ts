import type { Btf, ProgramType } from '../object/index.ts';
import type { VerifierContext } from './context.ts';
import { Rejection } from './error.ts';
import type { Flow } from './flow.ts';
import { helperMemory } from './memory.ts';
import { isConstant, UNKNOWN } from './scalar.ts';
import { read, type Session } from './session.ts';
import { current, type Frame, newFrame, type State } from './state.ts';
import { isNull, pointer, UNINITIALISED } from './value.ts';

/** What a parameter of a global function is, by its BTF prototype (btf_prepare_func_args of kernel/bpf/btf.c). */
type Parameter =
  | { readonly kind: 'scalar'; readonly name: string }
  | { readonly kind: 'context'; readonly name: string }
  | { readonly kind: 'memory'; readonly name: string; readonly size: number };

/** The structs by which programs of a type name their context. */
const CONTEXTS: Partial<Record<ProgramType, readonly string[]>> = {
  socket_filter: ['__sk_buff'],
  sched_cls: ['__sk_buff'],
  cgroup_skb: ['__sk_buff'],
  xdp: ['xdp_md'],
  kprobe: ['pt_regs', 'bpf_user_pt_regs_t', 'user_pt_regs'],
  perf_event: ['bpf_perf_event_data'],
  raw_tracepoint: ['bpf_raw_tracepoint_args'],
  raw_tracepoint_writable: ['bpf_raw_tracepoint_args'],
  cgroup_sock: ['bpf_sock'],
  cgroup_sock_addr: ['bpf_sock_addr'],
  cgroup_sockopt: ['bpf_sockopt'],
  cgroup_sysctl: ['bpf_sysctl'],
  cgroup_device: ['bpf_cgroup_dev_ctx'],
};

const MAX_PARAMETERS = 5;

/** The functions that are verified alone, by their index in the flow; the main one is not among them. */
export function globalFunctions(flow: Flow, { functions = [], objectBtf }: VerifierContext): ReadonlySet<number> {
  const globals = new Set<number>();
  if (!objectBtf) return globals;
  for (const { at, linkage } of functions) {
    const index = flow.functions.indexOf(at);
    if (linkage === 'global' && index > 0) globals.add(index);
  }
  return globals;
}

function parametersOf({ context, flow }: Session, index: number): { name: string; parameters: readonly Parameter[] } {
  const start = flow.functions[index]!;
  const { name, type: id } = context.functions!.find(({ at }) => at === start)!;
  const btf = context.objectBtf!;
  const func = btf.type(id);
  const proto = func.kind === 'func' ? btf.type(func.target) : func;
  if (proto.kind !== 'func_proto') throw new Rejection(`the global function ${name} has no prototype in BTF`, start);
  if (proto.parameters.length > MAX_PARAMETERS) {
    throw new Rejection(`the global function ${name} takes more than ${MAX_PARAMETERS} arguments`, start);
  }
  const result = proto.returns === 0 ? undefined : btf.resolve(proto.returns);
  if (result === undefined || !isNumber(btf, result)) {
    throw new Rejection(`the global function ${name} must return a number; make it static otherwise`, start);
  }
  const parameters = proto.parameters.map((parameter): Parameter => {
    const found = parameterOf(btf, context.hook.programType, parameter);
    if (typeof found === 'string') throw new Rejection(`the global function ${name}: ${found}; make it static`, start);
    return found;
  });
  return { name, parameters };
}

const isNumber = (btf: Btf, id: number): boolean => id !== 0 && ['int', 'enum'].includes(btf.type(id).kind);

function parameterOf(
  btf: Btf,
  programType: ProgramType,
  { name, type }: { readonly name: string; readonly type: number },
): Parameter | string {
  const id = btf.resolve(type);
  if (isNumber(btf, id)) return { kind: 'scalar', name };
  const resolved = id === 0 ? undefined : btf.type(id);
  if (resolved?.kind !== 'pointer') return `its argument ${name} is neither a number nor a pointer`;
  if (isContext(btf, programType, resolved.target)) return { kind: 'context', name };
  const pointee = btf.resolve(resolved.target);
  const size = pointee === 0 ? 0 : btf.size(pointee);
  if (size === 0) return `its argument ${name} points to a type without a size`;
  return { kind: 'memory', name, size };
}

/** Whether a pointer to this type is how programs of the type name their context: by struct, typedef, or for raw arguments by number. */
function isContext(btf: Btf, programType: ProgramType, target: number): boolean {
  const names = CONTEXTS[programType];
  for (let id = target; id !== 0; ) {
    const type = btf.type(id);
    if ('name' in type && names?.includes(type.name)) return true;
    if (!('target' in type) || type.kind === 'pointer') {
      const word = type.kind === 'int' && type.size === 8;
      return word && (programType === 'tracing' || programType === 'lsm' || programType === 'raw_tracepoint');
    }
    id = type.target;
  }
  return (
    programType === 'tracing' || programType === 'lsm' || programType === 'tracepoint' || programType === 'syscall'
  );
}

/** A call of a global function: the arguments are what its prototype says, and nothing is known of the result. @throws Rejection */
export function callGlobal(session: Session, state: State, index: number): void {
  const { name, parameters } = parametersOf(session, index);
  parameters.forEach((parameter, n) => {
    try {
      checkParameter(session, state, n + 1, parameter);
    } catch (error) {
      if (error instanceof Rejection) throw new Rejection(`${name}: ${error.message}`, error.at);
      throw error;
    }
  });
  const { registers } = current(state);
  registers.fill(UNINITIALISED, 0, 6);
  registers[0] = UNKNOWN;
}

function checkParameter(session: Session, state: State, register: number, parameter: Parameter): void {
  const value = read(state, register);
  switch (parameter.kind) {
    case 'scalar':
      if (value.kind !== 'scalar') {
        throw new Rejection(`r${register} is a pointer, but the argument ${parameter.name} is a number`);
      }
      return;
    case 'context':
      if (
        value.kind === 'pointer' &&
        value.target.kind === 'context' &&
        value.offset === 0 &&
        isConstant(value.variable)
      ) {
        return;
      }
      throw new Rejection(`r${register} must be the context, as the argument ${parameter.name} is`);
    case 'memory':
      if (isNull(value)) return;
      if (value.kind === 'pointer' && value.orNull && value.target.kind !== 'struct') {
        checkNullable(session, state, register, parameter.size);
        return;
      }
      helperMemory(session, state, register, parameter.size, 'read');
      helperMemory(session, state, register, parameter.size, 'write');
  }
}

/** A pointer that may be null, where null is allowed. */
function checkNullable(session: Session, state: State, register: number, size: number): void {
  const { registers } = current(state);
  const value = registers[register]!;
  if (value.kind !== 'pointer') return;
  registers[register] = { ...value, orNull: false };
  helperMemory(session, state, register, size, 'read');
  helperMemory(session, state, register, size, 'write');
}

/** The state a global function is verified from. @throws Rejection where its prototype can't be */
export function globalState(session: Session, index: number): State {
  const { name, parameters } = parametersOf(session, index);
  const frame: Frame = newFrame(index, -1, 0);
  parameters.forEach((parameter, n) => {
    frame.registers[n + 1] =
      parameter.kind === 'scalar'
        ? UNKNOWN
        : parameter.kind === 'context'
          ? pointer({ kind: 'context' })
          : pointer(
              {
                kind: 'memory',
                size: parameter.size,
                writable: true,
                what: `the argument ${parameter.name} of ${name}`,
              },
              0,
              true,
              session.nextId(),
            );
  });
  return { frames: [frame], references: [], history: undefined, checkpoint: undefined, age: 0, rounds: 0 };
}
