export type { VerifierContext } from './context.ts';
export { VerifierError } from './error.ts';
export { type Verified, verify } from './verify.ts';
