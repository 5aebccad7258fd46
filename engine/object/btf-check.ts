import type { Btf, BtfType } from './btf.ts';
import { BtfError } from './btf-kinds.ts';

/** Types that a value of the type holds in itself, or is another name for. */
function parts(type: BtfType): readonly number[] {
  switch (type.kind) {
    case 'array':
      return [type.element];
    case 'struct':
    case 'union':
      return type.members.map((member) => member.type);
    case 'typedef':
    case 'const':
    case 'volatile':
    case 'restrict':
    case 'type_tag':
    case 'var':
      return [type.target];
    default:
      return [];
  }
}

/** All types that a type refers to. */
export function references(type: BtfType): readonly number[] {
  switch (type.kind) {
    case 'pointer':
    case 'func':
    case 'decl_tag':
      return [type.target];
    case 'array':
      return [type.element, type.index];
    case 'func_proto':
      return [type.returns, ...type.parameters.map((parameter) => parameter.type)];
    case 'datasec':
      return type.variables.map((variable) => variable.type);
    default:
      return parts(type);
  }
}

const OPEN = 1;
const DONE = 2;

/**
 * Checks that all types can be read, refer to types there are, have a size and don't contain themselves, as the kernel does when BTF
 * is loaded (btf_check_all_types of kernel/bpf/btf.c). Takes time and memory for all types, so it is meant for objects.
 * @throws BtfError naming the type
 */
export function checkBtf(btf: Btf): void {
  const state = new Uint8Array(btf.count + 1);
  for (let root = 1; root <= btf.count; root++) {
    const bad = references(btf.type(root)).find((id) => id > btf.count);
    if (bad !== undefined) throw new BtfError(`BTF type ${root} refers to type ${bad}, but the last is ${btf.count}`);
    visit(btf, root, state);
    btf.size(root);
  }
}

/** Walks through all that a type contains, each type once. */
function visit(btf: Btf, root: number, state: Uint8Array): void {
  const path: { readonly id: number; readonly parts: readonly number[]; next: number }[] = [];
  const enter = (id: number): void => {
    if (id === 0 || state[id] === DONE) return;
    if (state[id] === OPEN) throw new BtfError(`BTF type ${id} contains itself`);
    state[id] = OPEN;
    path.push({ id, parts: parts(btf.type(id)), next: 0 });
  };
  enter(root);
  for (let top = path.at(-1); top; top = path.at(-1)) {
    const part = top.parts[top.next++];
    if (part !== undefined) enter(part);
    else {
      state[top.id] = DONE;
      path.pop();
    }
  }
}
