import type { Diagnostic } from '../rules/index.ts';

/** Thrown when policies can't be compiled for the kernel; the diagnostics say why. */
export class CompileError extends Error {
  readonly diagnostics: readonly Diagnostic[];
  constructor(diagnostics: readonly Diagnostic[]) {
    super(`${diagnostics.length} ${diagnostics.length === 1 ? 'rule' : 'rules'} can't be compiled`);
    this.name = 'CompileError';
    this.diagnostics = diagnostics;
  }
}
