import { type Access, bytes, verb } from './bounds.ts';
import { Rejection } from './error.ts';
import { hasSince } from './level.ts';
import { memberProblem } from './members.ts';
import { isConstant, type Scalar } from './scalar.ts';
import type { Session } from './session.ts';
import type { Step } from './step.ts';
import { trustAt } from './trust.ts';
import { type Pointer, pointer, type Target, type Value } from './value.ts';

/** Older kernels rely on fewer members, and on none that may be null. */
const TRUST_SINCE = '6.12';

/** A load through a typed kernel pointer: a pointer to another struct, or a number. @throws Rejection */
export function loadMember(
  session: Session,
  step: Step,
  p: Pointer,
  target: Target & { kind: 'struct' },
  unknown: Scalar,
): Value {
  const { btf } = session.context;
  const size = step.width / 8;
  checkStruct(session, step.src, p, target, step.offset, size, 'read');
  const pointee = btf.pointee(target.struct, p.offset + step.offset, size);
  if (pointee === undefined) return unknown;
  const kept = target.trusted && hasSince(session.context.level, TRUST_SINCE);
  const trust = kept ? trustAt(btf, target.struct, p.offset + step.offset) : undefined;
  const nullable = trust === 'nullable';
  const found: Target = { kind: 'struct', struct: pointee, trusted: trust !== undefined };
  return pointer(found, 0, nullable, nullable ? session.nextId() : 0);
}

/** Checks an access to a kernel struct. @throws Rejection */
export function checkStruct(
  session: Session,
  register: number,
  p: Pointer,
  target: Target & { kind: 'struct' },
  offset: number,
  size: number,
  access: Access,
): void {
  const { btf } = session.context;
  const type = btf.type(target.struct);
  const name = 'name' in type ? `struct ${type.name}` : 'a struct';
  if (access === 'write') throw new Rejection(`r${register} points to ${name}; kernel structs are read only`);
  if (!isConstant(p.variable)) {
    throw new Rejection(
      `r${register} points to ${name} with an offset that is not constant; read it with bpf_probe_read_kernel`,
    );
  }
  const at = p.offset + offset;
  const problem = memberProblem(btf, target.struct, at, size);
  if (problem) throw new Rejection(`${verb[access]} ${bytes(size)} at offset ${at} of ${name}, ${problem}`);
}
