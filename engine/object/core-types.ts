import type { Btf, BtfType } from './btf.ts';
import { BtfError } from './btf-kinds.ts';
import { essentialName } from './btf-strings.ts';

/** Steps that one comparison of two types may take, so that types of nested doublings end. */
const MAX_STEPS = 100_000;
const MAX_DEPTH = 32;

/** A type of an object beside one of a kernel. */
export interface TypePair {
  readonly local: Btf;
  readonly localId: number;
  readonly target: Btf;
  readonly targetId: number;
}

const stripped = (btf: Btf, id: number): BtfType | undefined => {
  const resolved = btf.resolve(id);
  return resolved === 0 ? undefined : btf.type(resolved);
};

const nameOf = (type: BtfType | undefined): string => (type && 'name' in type ? type.name : '');
const isComposite = (type: BtfType | undefined): boolean => type?.kind === 'struct' || type?.kind === 'union';
const isWhole = (type: BtfType): boolean => type.kind === 'int' && (type.bits?.offset ?? 0) === 0;

/** Whether two names are the same but for their flavours. */
const namesMatch = (local: string, target: string): boolean =>
  target === '' ? local === '' : essentialName(local) === essentialName(target);

/**
 * Whether a member of one kernel may stand for a member of another (bpf_core_fields_are_compat of libbpf's relo_core.c): all structs,
 * all pointers and all integers go with each other, enums only where they have the same name.
 */
export function fieldsAreCompatible({ local, localId, target, targetId }: TypePair): boolean {
  let a = stripped(local, localId);
  let b = stripped(target, targetId);
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    if (!a || !b) return !a && !b;
    if (isComposite(a) && isComposite(b)) return true;
    if (a.kind !== b.kind) return false;
    switch (a.kind) {
      case 'pointer':
      case 'float':
        return true;
      case 'forward':
      case 'enum': {
        const [mine, theirs] = [nameOf(a), nameOf(b)];
        return mine === '' || theirs === '' || essentialName(mine) === essentialName(theirs);
      }
      case 'int':
        return isWhole(a) && isWhole(b);
      case 'array':
        if (b.kind !== 'array') return false;
        [a, b] = [stripped(local, a.element), stripped(target, b.element)];
        continue;
      default:
        return false;
    }
  }
  throw new BtfError(`BTF type ${localId} is an array of too many dimensions`);
}

interface Budget {
  steps: number;
}

function step(budget: Budget, level: number, id: number): void {
  if (--budget.steps < 0 || level <= 0) throw new BtfError(`BTF type ${id} is nested too deeply to be compared`);
}

type Signature = Extract<BtfType, { kind: 'func_proto' }>;

function signaturesAgree(a: Signature, b: Signature, both: (mine: number, theirs: number) => boolean): boolean {
  const theirs = b.parameters;
  return (
    a.parameters.length === theirs.length &&
    a.parameters.every(({ type }, index) => both(type, theirs[index]!.type)) &&
    both(a.returns, b.returns)
  );
}

/** Whether two types are of the same kind all the way through pointers, arrays and functions (bpf_core_types_are_compat). */
export function typesAreCompatible(pair: TypePair): boolean {
  return compatible(pair, MAX_DEPTH, { steps: MAX_STEPS });
}

function compatible({ local, localId, target, targetId }: TypePair, level: number, budget: Budget): boolean {
  step(budget, level, localId);
  const a = stripped(local, localId);
  const b = stripped(target, targetId);
  if (!a || !b) return !a && !b;
  if (a.kind !== b.kind) return false;
  const both = (mine: number, theirs: number): boolean =>
    compatible({ local, localId: mine, target, targetId: theirs }, level - 1, budget);
  switch (a.kind) {
    case 'struct':
    case 'union':
    case 'enum':
    case 'forward':
      return true;
    case 'int':
      return isWhole(a) && isWhole(b);
    case 'pointer':
      return b.kind === 'pointer' && both(a.target, b.target);
    case 'array':
      return b.kind === 'array' && both(a.element, b.element);
    case 'func_proto':
      return b.kind === 'func_proto' && signaturesAgree(a, b, both);
    default:
      return false;
  }
}

/**
 * Whether a kernel's type has all that the object's has: members by name with types that match in turn, integers of the same size and
 * sign; behind a pointer only names and kinds count (bpf_core_types_match).
 */
export function typesMatch(pair: TypePair): boolean {
  return matches(pair, false, MAX_DEPTH, { steps: MAX_STEPS });
}

function matches(
  { local, localId, target, targetId }: TypePair,
  behindPointer: boolean,
  level: number,
  budget: Budget,
): boolean {
  step(budget, level, localId);
  const a = stripped(local, localId);
  const b = stripped(target, targetId);
  if (!a || !b) return !a && !b;
  if (!namesMatch(nameOf(a), nameOf(b))) return false;
  const both = (mine: number, theirs: number, behind = behindPointer): boolean =>
    matches({ local, localId: mine, target, targetId: theirs }, behind, level - 1, budget);
  switch (a.kind) {
    case 'forward':
      if (b.kind === 'forward') return a.of === b.of;
      return behindPointer && b.kind === a.of;
    case 'enum':
      return (
        b.kind === 'enum' &&
        a.size === b.size &&
        a.values.every(({ name }) => b.values.some((theirs) => namesMatch(name, theirs.name)))
      );
    case 'struct':
    case 'union': {
      if (behindPointer) return b.kind === a.kind || (b.kind === 'forward' && b.of === a.kind);
      if (b.kind !== a.kind || a.members.length > b.members.length) return false;
      const theirs = b.members;
      return a.members.every((mine) =>
        theirs.some((one) => {
          step(budget, level, localId);
          return namesMatch(mine.name, one.name) && both(mine.type, one.type);
        }),
      );
    }
    case 'int':
      return b.kind === 'int' && a.size === b.size && a.signed === b.signed;
    case 'pointer':
      return b.kind === 'pointer' && both(a.target, b.target, true);
    case 'array':
      return b.kind === 'array' && a.length === b.length && both(a.element, b.element);
    case 'func_proto':
      return b.kind === 'func_proto' && signaturesAgree(a, b, both);
    default:
      return false;
  }
}
