import { BPF_PSEUDO_MAP_FD, BPF_PSEUDO_MAP_VALUE } from '../isa/index.ts';
import { Rejection } from './error.ts';
import { maySleepWith } from './map-helpers.ts';
import type { Session } from './session.ts';
import type { Step } from './step.ts';
import { pointer, type Value } from './value.ts';
import { variable } from './variables.ts';

/** `src` of a wide instruction that carries a kernel variable's BTF id (include/uapi/linux/bpf.h). */
const BPF_PSEUDO_BTF_ID = 3;

/** The value of a wide instruction: a number, a map, the address inside a map's only value, of a function or of a kernel variable. @throws Rejection */
export function loadConstant(session: Session, step: Step): Value {
  if (step.target !== -1) return pointer({ kind: 'code', at: step.target });
  if (step.src === BPF_PSEUDO_BTF_ID) return variable(session, step);
  if (step.src !== BPF_PSEUDO_MAP_FD && step.src !== BPF_PSEUDO_MAP_VALUE) return step.constant;
  const handle = step.imm;
  const spec = session.context.map(handle);
  if (!spec) throw new Rejection(`there is no map with the handle ${handle}`);
  if (session.context.hook.sleepable && !maySleepWith(spec)) {
    throw new Rejection(`the map ${spec.name} of type ${spec.type} can't be used by programs that may sleep`);
  }
  if (step.src === BPF_PSEUDO_MAP_FD) return pointer({ kind: 'map', handle, spec });
  if (spec.type !== 'array' || spec.maxEntries !== 1) {
    throw new Rejection(
      `the address of a value needs an array with one entry; ${spec.name} is ${spec.type} with ${spec.maxEntries}`,
    );
  }
  const offset = Number(step.constant.bits.value >> 32n);
  if (offset >= spec.valueSize) {
    throw new Rejection(
      `offset ${offset} lies outside of a value of map ${spec.name}, which has ${spec.valueSize} bytes`,
    );
  }
  return pointer({ kind: 'map_value', handle, spec }, offset);
}
