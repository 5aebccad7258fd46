import type { Command } from 'commander';
import { escapeControl, isoNow, readWitnessState, type WitnessedLog } from '../alerts/index.ts';
import { CliError, EXIT, type ExitCode, messageOf } from './exit.ts';
import { type Output, openStdout } from './output.ts';
import { count } from './paint.ts';

const timeOf = (seconds: number): string => `${isoNow(seconds * 1000).slice(0, 19)}Z`;

const standing = ({ incidents, stoppedAt }: WitnessedLog): string =>
  incidents.length > 0 ? incidents.join(', ') : stoppedAt === undefined ? 'fine' : 'stopped';

/** Prints what a witness's folder says of each log. */
export const witnessStatus = (
  { state, json }: { readonly state: string; readonly json?: boolean },
  output: Output,
): ExitCode => {
  let logs: readonly WitnessedLog[];
  try {
    logs = [...readWitnessState(state).values()].sort((one, other) => (one.origin < other.origin ? -1 : 1));
  } catch (error) {
    throw new CliError(messageOf(error), EXIT.environment);
  }
  for (const log of logs) {
    const { origin, keys, found, cosignedAt, firstSeenAt, stoppedAt, incidents, checkpoint } = log;
    if (json) {
      const times = { cosignedAt: timeOf(cosignedAt), firstSeenAt: timeOf(firstSeenAt) };
      const stopped = stoppedAt === undefined ? {} : { stoppedAt: timeOf(stoppedAt) };
      output.json({
        type: 'log',
        origin,
        size: found.size,
        standing: standing(log),
        incidents,
        ...times,
        ...stopped,
        keys,
        checkpoint,
      });
      continue;
    }
    const shown = incidents.length > 0 ? output.paint.red(standing(log)) : standing(log);
    output.line(
      `${escapeControl(origin)}: ${shown}; ${count(found.size, 'entry', 'entries')}, cosigned ${timeOf(cosignedAt)}, first seen ${timeOf(firstSeenAt)}`,
    );
  }
  if (logs.length === 0 && !json) output.line(`nothing is known of any log in ${state}`);
  return logs.some(({ incidents }) => incidents.length > 0) ? EXIT.findings : EXIT.fine;
};

export const addWitnessStatus = (witness: Command): void => {
  witness
    .command('status')
    .description('what a witness knows of each log, also while it runs')
    .helpOption('-h, --help', 'print help')
    .requiredOption('--state <folder>', "the witness's folder")
    .option('--json', 'one JSON object a line: a record for each log')
    .addHelpText(
      'after',
      '\nExit codes: 0 all logs go on from what was cosigned, 1 something is held against one, 2 wrong usage, 3 no witness keeps its state there.\n',
    )
    .action((options: { readonly state: string; readonly json?: boolean }) => {
      process.exitCode = witnessStatus(options, openStdout());
    });
};
