import type { Diagnostic, Position, Rule, Scope } from '../rules/index.ts';
import type { SourcePlaces } from './document.ts';
import type { ExpectedEnforcement } from './expected-enforcement.ts';
import type { Ignores } from './ignores.ts';

/** A test of a policy, in the policy's own file. The scenario is checked by the sensor that plays it. */
export interface PolicyTest {
  readonly name: string;
  readonly policy: string;
  /** The policy's; in an inline scenario the usual processes are in it. */
  readonly scope: Scope;
  /** The scenario's name, a whole scenario as data with the places it was read from, or the path of a recording. */
  readonly scenario:
    | { readonly name: string }
    | { readonly inline: unknown; readonly places: SourcePlaces }
    | { readonly recording: string };
  /** Rule names in the order of their alerts; a rule may occur more than once. */
  readonly expect: readonly string[];
  /** Run with enforcement on; default false. */
  readonly enforce: boolean;
  /** Audit records of the kind `enforcement`, in their order; left out: nothing is said of them. */
  readonly enforced?: readonly ExpectedEnforcement[];
  readonly position: Position;
}

/** One policy document, or one Falco rules file. */
export interface Policy {
  readonly name: string;
  readonly description: string;
  readonly format: 'shrike' | 'falco';
  readonly file: string;
  /** SHA-256 of the file's bytes, hex. */
  readonly hash: string;
  readonly mode: 'monitor' | 'enforce';
  readonly scope: Scope;
  readonly rules: readonly Rule[];
  readonly tests: readonly PolicyTest[];
}

/** What loading came to: the policies that are right, and what is wrong with the others. */
export interface LoadResult {
  readonly policies: readonly Policy[];
  /** Without the warnings that comments in the files silence. */
  readonly diagnostics: readonly Diagnostic[];
  /** Silences what is found later, by planning the rules. */
  readonly ignores: Ignores;
}
