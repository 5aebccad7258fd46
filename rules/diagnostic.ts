import type { Position } from './rule.ts';

/** What `shrike check` reports. The words are composed where the diagnostic is made; the code is stable. */
export interface Diagnostic extends Position {
  readonly severity: 'error' | 'warning';
  /** Kebab-case, stable: `unknown-field`, `not-in-kernel`. */
  readonly code: string;
  /** The key or field it is about, where there is one. */
  readonly field?: string;
  /** What would have been right. */
  readonly expected?: string;
  /** The nearest valid name. */
  readonly nearest?: string;
  /** One sentence for a person, without file and line. */
  readonly message: string;
}
