import type { ContainerFacts } from './facts.ts';

/** What a runtime says of a container, and the process that it began with. */
export interface Inspected {
  readonly facts: ContainerFacts;
  /** In the runtime's pid namespace, as a rule the host's; 0 while it has not started, undefined where it isn't known. */
  readonly pid: number | undefined;
}

/** A server of a container runtime. */
export interface Runtime {
  /** Undefined where there is no such container. @throws RuntimeError */
  inspect(id: string): Promise<Inspected | undefined>;
  /** Loads what asking needs, so that the first question does not wait for that; connects to nobody. */
  prepare?(): void;
  close(): void;
}

/** Limits of a request. */
export interface RuntimeLimits {
  /** Milliseconds until an answer has to be there. */
  readonly timeout: number;
  /** Bytes of an answer. */
  readonly bytes: number;
}

/** Why a server could not be asked. */
export type RuntimeProblem = 'missing' | 'denied' | 'refused' | 'silent' | 'large' | 'garbled' | 'failed';

/** Thrown when a server does not answer as its protocol says. */
export class RuntimeError extends Error {
  readonly problem: RuntimeProblem;
  constructor(problem: RuntimeProblem, message: string) {
    super(message);
    this.name = 'RuntimeError';
    this.problem = problem;
  }
}

const BY_ERRNO: Readonly<Record<string, RuntimeProblem>> = {
  ENOENT: 'missing',
  EACCES: 'denied',
  EPERM: 'denied',
  ECONNREFUSED: 'refused',
  ENOTSOCK: 'refused',
};

const HANGS_UP: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE']);

/** What a failed connection comes to: by the errno that its error or its text has. */
export const connectionError = (error: Error & { readonly code?: unknown }): RuntimeError => {
  const errno = /\bE[A-Z]{3,}\b/.exec(`${String(error.code ?? '')} ${error.message}`)?.[0] ?? '';
  return new RuntimeError(BY_ERRNO[errno] ?? 'failed', HANGS_UP.has(errno) ? 'it hangs up' : error.message);
};
