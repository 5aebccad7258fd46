export type { VerifierContext } from './context.ts';
export { refusalText, VerifierError } from './error.ts';
export { type Verified, verify } from './verify.ts';
