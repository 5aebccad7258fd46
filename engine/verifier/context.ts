import type { Btf, Hook, LineInfo, MapSpec } from '../object/index.ts';
import type { Helper } from '../vm/index.ts';

/** What a program is verified against. */
export interface VerifierContext {
  /** The program's, for messages. */
  readonly name: string;
  readonly hook: Hook;
  readonly btf: Btf;
  /** A map by the handle that a wide instruction carries. */
  map(handle: number): MapSpec | undefined;
  helper(id: number): Helper | undefined;
  readonly lines?: readonly LineInfo[];
}
