export type { VerifierContext } from './context.ts';
export { VerifierError, type VerifierErrorDetails } from './error.ts';
export { type Verified, verify } from './verify.ts';
