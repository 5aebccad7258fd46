/** What the command's exit code says. */
export const EXIT = {
  fine: 0,
  /** Errors in policies, failed tests, alerts that went astray. */
  findings: 1,
  /** Wrong usage, or input that can't be used. */
  usage: 2,
  /** The machine lacks something: a server, a folder that may be written. */
  environment: 3,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Ends the command with a sentence on stderr and an exit code. */
export class CliError extends Error {
  readonly exitCode: number;
  /** @param exitCode one of `EXIT`, or the exit code of shells for a command that can't be started */
  constructor(message: string, exitCode: number) {
    super(message);
    this.name = 'CliError';
    this.exitCode = exitCode;
  }
}

/** The sentence in something that was thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
