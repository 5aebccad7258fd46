import { CommanderError } from 'commander';
import { vi } from 'vitest';
import { CliError, EXIT } from '../../cli/exit.ts';
import { createProgram } from '../../cli/program.ts';

/** What a command printed, its exit code and, where it ended with one, its sentence on stderr. */
export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command in this process. */
export const runCommand = async (...args: readonly string[]): Promise<Ran> => {
  const before = process.exitCode;
  const listening = process.stdout.listeners('error');
  const stdout = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  const ran = (code: number, sentence = ''): Ran => ({
    code,
    stdout: stdout.mock.calls.map(([text]) => String(text)).join(''),
    stderr: stderr.mock.calls.map(([text]) => String(text)).join('') + sentence,
  });
  try {
    process.exitCode = EXIT.fine;
    const program = await createProgram(args[0]);
    await program.parseAsync([...args], { from: 'user' });
    return ran(Number(process.exitCode));
  } catch (error) {
    if (error instanceof CliError) return ran(error.exitCode, `shrike: ${error.message}\n`);
    if (error instanceof CommanderError) return ran(EXIT.usage);
    throw error;
  } finally {
    process.exitCode = before;
    stdout.mockRestore();
    stderr.mockRestore();
    for (const listener of process.stdout.listeners('error'))
      if (!listening.includes(listener)) process.stdout.off('error', listener as () => void);
  }
};
