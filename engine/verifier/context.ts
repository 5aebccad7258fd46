import type { Btf, FeatureLevel, FunctionInfo, Hook, LineInfo, MapSpec } from '../object/index.ts';
import type { Helper } from '../vm/index.ts';

/** What a program is verified against. */
export interface VerifierContext {
  /** The program's, for messages. */
  readonly name: string;
  readonly hook: Hook;
  /** The kernel's. */
  readonly btf: Btf;
  /** A map by the handle that a wide instruction carries. */
  map(handle: number): MapSpec | undefined;
  helper(id: number): Helper | undefined;
  readonly lines?: readonly LineInfo[];
  /** `isa` is what RFC 9669 allows, also where Linux refuses it; `linux` when left out. */
  readonly profile?: 'linux' | 'isa';
  /** Refuses what kernels of that version don't have; without it everything there is may be used. */
  readonly level?: FeatureLevel;
  /** The object's license, for helpers that want one compatible with the GPL; not looked at when left out. */
  readonly license?: string;
  /** The program's functions, with the BTF they are described in: global ones are verified alone. */
  readonly functions?: readonly FunctionInfo[];
  readonly objectBtf?: Btf;
  /** Slots that stand for what this kernel lacks, with the reason (`relocateProgram`): refused where a path reaches them. */
  readonly poisoned?: ReadonlyMap<number, string>;
}
