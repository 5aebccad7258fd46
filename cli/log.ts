import { Option } from 'commander';
import { type DestinationStream, type Logger, pino } from 'pino';
import { escapeControl, wantsColour } from '../alerts/index.ts';
import { createPaint } from './paint.ts';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** `--log-level`, or SHRIKE_LOG. */
export const logLevelOption = (): Option =>
  new Option('--log-level <level>', "how much of the agent's log goes to stderr")
    .choices(LOG_LEVELS)
    .env('SHRIKE_LOG')
    .default('warn');

interface Entry {
  readonly level: number;
  readonly msg?: string;
}

/** On a terminal a line is `warning: sentence`; elsewhere it is pino's JSON, for machines. */
const terminalStream = (): DestinationStream => {
  const paint = createPaint(wantsColour(process.stderr));
  return {
    write: (line) => {
      const { level, msg = '' } = JSON.parse(line) as Entry;
      const name = pino.levels.labels[level] ?? String(level);
      const label = level >= 50 ? paint.red(name) : level >= 40 ? paint.yellow('warning') : paint.dim(name);
      process.stderr.write(`${label}: ${escapeControl(msg)}\n`);
    },
  };
};

/** The agent's log, on stderr. */
export const createLog = (level: LogLevel): Logger => {
  const stream = process.stderr.isTTY === true ? terminalStream() : pino.destination({ dest: 2, sync: true });
  return pino({ level, base: { name: 'shrike' }, timestamp: pino.stdTimeFunctions.isoTime }, stream);
};
