import type { ContextField, ContextLayout, Hook } from '../object/index.ts';
import { type Access, bytes, checkBounds, verb } from './bounds.ts';
import { Rejection } from './error.ts';
import { isConstant, type Scalar, signedRange, zeroExtend32 } from './scalar.ts';
import type { Session } from './session.ts';
import type { Step } from './step.ts';
import { type Pointer, pointer, type Value } from './value.ts';

const POINTER_BYTES = 8;

/** The context is read and written at constant offsets from its start only. @throws Rejection */
export function checkUnmoved(register: number, p: Pointer): void {
  if (p.offset === 0 && isConstant(p.variable)) return;
  throw new Rejection(`r${register} is the context moved by arithmetic; read it from the unchanged pointer`);
}

/** A load through the context: an argument of the hook, a field, or a number in plain memory. @throws Rejection */
export function loadContext(session: Session, step: Step, p: Pointer, unknown: Scalar): Value {
  checkUnmoved(step.src, p);
  const { context } = session.context.hook;
  if (context === undefined) return loadArgument(session, step, unknown);
  const size = step.width / 8;
  if (context.kind === 'memory') {
    checkPlain(context, step.offset, size, 'read');
    return unknown;
  }
  return loadField(session, step, fieldAt(context, step.offset, size, 'read'), unknown);
}

/** A store through the context. @throws Rejection */
export function storeContext(session: Session, step: Step, p: Pointer, value: Value): void {
  const { context } = session.context.hook;
  const writable = context && (context.kind === 'memory' ? context.writable : context.fields.some(isWritable));
  if (!writable) throw new Rejection(`r${step.dst} is the context, which is read only`);
  checkUnmoved(step.dst, p);
  const size = step.width / 8;
  if (context.kind === 'memory') checkPlain(context, step.offset, size, 'write');
  else fieldAt(context, step.offset, size, 'write');
  if (value.kind === 'pointer') throw new Rejection(`r${step.src} is a pointer and can't be stored in the context`);
}

/** Checks that a helper may take the context as memory of `size` bytes: only where it is plain memory. @throws Rejection */
export function contextAsMemory(session: Session, register: number, p: Pointer, size: number, access: Access): void {
  const { context } = session.context.hook;
  checkUnmoved(register, p);
  if (context?.kind !== 'memory' || (access === 'write' && !context.writable)) {
    throw new Rejection(`r${register} is the context; the helper takes stack, map values or records`);
  }
  checkBounds({ min: 0, max: 0 }, size, context.size, access, 'the context');
}

const isWritable = ({ access }: ContextField): boolean => access !== 'read';

function checkPlain(
  { size: limit }: ContextLayout & { kind: 'memory' },
  offset: number,
  size: number,
  access: Access,
): void {
  checkBounds({ min: offset, max: offset }, size, limit, access, 'the context');
  if (offset % size !== 0) {
    throw new Rejection(
      `${verb[access]} ${bytes(size)} at offset ${offset} of the context, which is not aligned to them`,
    );
  }
}

/** The field that an access lies in. @throws Rejection where it may not be accessed so */
function fieldAt(
  { name, size: limit, fields }: ContextLayout & { kind: 'fields' },
  offset: number,
  size: number,
  access: Access,
): ContextField {
  const what = `${verb[access]} ${bytes(size)} at offset ${offset} of struct ${name}`;
  if (offset < 0 || offset + size > limit) throw new Rejection(`${what}, which has ${bytes(limit)}`);
  const covering = fields.filter((each) => offset >= each.offset && offset < each.offset + each.size);
  const [field] = covering;
  if (!field) throw new Rejection(`${what}, where programs may access nothing`);
  if (access === 'read' ? field.access === 'write' : field.access === 'read') {
    throw new Rejection(`${what}: ${field.name} can't be ${access === 'read' ? 'read' : 'written'} here`);
  }
  const fitting = covering.find((each) => {
    const parts = access === 'read' ? each.loads : each.stores;
    const inside = offset + size <= each.offset + each.size && offset % size === 0;
    return (offset === each.offset && size === each.size) || (inside && parts?.includes(size));
  });
  if (!fitting) {
    const parts = access === 'read' ? field.loads : field.stores;
    const least = parts ? 'aligned parts of its' : 'its whole';
    throw new Rejection(
      `${what}: ${field.name} is accessed by ${least} ${bytes(field.size)} at offset ${field.offset}`,
    );
  }
  return fitting;
}

function loadField(session: Session, step: Step, field: ContextField, unknown: Scalar): Value {
  const { type } = field;
  if (type === 'scalar') return unknown;
  if (step.operation === 'ldxs')
    throw new Rejection(`${field.name} is a pointer, which has no sign to extend; load it without`);
  if (field.size !== POINTER_BYTES) session.pointerLoads.add(step.at);
  switch (type) {
    case 'packet':
      return pointer({ kind: 'packet', from: 'data', range: 0 });
    case 'packet_meta':
      return pointer({ kind: 'packet', from: 'meta', range: 0 });
    case 'packet_end':
      return pointer({ kind: 'packet_end' });
    default:
      return structPointer(session, type);
  }
}

function loadArgument(session: Session, step: Step, unknown: Scalar): Value {
  const size = step.width / 8;
  const { hook } = session.context;
  checkBounds({ min: step.offset, max: step.offset }, size, hook.arguments.length * 8, 'read', 'the context');
  const argument = hook.arguments[step.offset >> 3]!;
  if (argument.type === 'scalar') {
    const aligned = hook.programType === 'raw_tracepoint' ? step.offset % size === 0 : step.offset % 8 === 0;
    if (!aligned)
      throw new Rejection(`reads the context at offset ${step.offset}, which is not where an argument begins`);
    return step.offset === hook.arguments.length * 8 - 8 ? lastArgument(hook, argument.name, size, unknown) : unknown;
  }
  if (size !== POINTER_BYTES || step.offset % POINTER_BYTES !== 0) {
    throw new Rejection(`the argument ${argument.name} is a pointer; read its 8 bytes at offset ${step.offset & ~7}`);
  }
  return structPointer(session, argument.type);
}

/** What earlier LSM programs of a hook decided is what they may return (BPF_LSM_MAC in check_mem_access of kernel/bpf/verifier.c). */
function lastArgument({ programType, returns }: Hook, name: string, size: number, unknown: Scalar): Scalar {
  if (programType !== 'lsm' || name !== 'ret' || size < 4) return unknown;
  const decided = signedRange(BigInt(returns.min), BigInt(returns.max));
  return size === 8 ? decided : zeroExtend32(decided);
}

function structPointer(session: Session, type: { readonly struct: string; readonly nullable?: boolean }): Pointer {
  const struct = session.context.btf.struct(type.struct);
  if (struct === undefined) throw new Rejection(`the kernel's BTF has no struct ${type.struct}`);
  const nullable = type.nullable ?? false;
  return pointer({ kind: 'struct', struct, trusted: true }, 0, nullable, nullable ? session.nextId() : 0);
}
