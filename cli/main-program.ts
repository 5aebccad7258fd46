import { type Command, CommanderError } from 'commander';
import { CliError, EXIT, messageOf } from './exit.ts';
import { createProgram } from './program.ts';

/** Runs the command, of which `asked` is the subcommand, and turns what it throws into a sentence on stderr and an exit code. */
export const runMain = async (use: (program: Command) => Promise<unknown>, asked?: string): Promise<void> => {
  try {
    await use(await createProgram(asked));
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? EXIT.fine : EXIT.usage;
    } else if (error instanceof CliError) {
      process.stderr.write(`shrike: ${error.message}\n`);
      process.exitCode = error.exitCode;
    } else {
      process.stderr.write(`shrike: ${error instanceof Error ? error.stack : messageOf(error)}\n`);
      process.exitCode = EXIT.environment;
    }
  }
};
