import type { Btf } from '../object/index.ts';
import { Rejection } from './error.ts';
import type { Session } from './session.ts';
import type { Step } from './step.ts';
import { pointer, type Value } from './value.ts';

/** Where the kernel keeps what each CPU has. */
const PER_CPU = '.data..percpu';

/** The address of a kernel variable, or of a function, of which nothing can be read, by its BTF id (check_pseudo_btf_id of kernel/bpf/verifier.c). @throws Rejection */
export function variable({ context: { btf } }: Session, step: Step): Value {
  const id = step.imm;
  const type = id > 0 && id <= btf.count ? btf.type(id) : undefined;
  if (type?.kind === 'func')
    return pointer({ kind: 'memory', size: 0, writable: false, what: `the kernel function ${type.name}` });
  if (type?.kind !== 'var') throw new Rejection(`the kernel's BTF has no variable with the id ${id}`);
  const content = btf.resolve(type.target);
  const size = content === 0 ? 0 : btf.size(content);
  const what = `the kernel variable ${type.name}`;
  const kind = content === 0 ? undefined : btf.type(content).kind;
  if (isPerCpu(btf, id)) {
    return pointer({ kind: 'per_cpu', size, struct: kind === 'struct' ? content : undefined, what });
  }
  if (kind === 'struct' || kind === 'union') return pointer({ kind: 'struct', struct: content, trusted: false });
  return pointer({ kind: 'memory', size, writable: false, what });
}

function isPerCpu(btf: Btf, id: number): boolean {
  for (let section = btf.count; section > 0; section--) {
    const type = btf.type(section);
    if (type.kind === 'datasec' && type.name === PER_CPU) return type.variables.some((each) => each.type === id);
  }
  return false;
}
