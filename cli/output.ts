import { openSync, writeSync } from 'node:fs';
import { wantsColour } from '../alerts/index.ts';
import { CliError, EXIT, messageOf } from './exit.ts';
import { createPaint, type Paint } from './paint.ts';

/** Where results go: stdout, or what a test gives instead. */
export interface Output {
  readonly paint: Paint;
  readonly isTerminal: boolean;
  /** Characters in a line; 120 where it is no terminal. */
  readonly columns: number;
  line(text?: string): void;
  /** One JSON object on a line of its own. */
  json(record: unknown): void;
}

const DEFAULT_COLUMNS = 120;
const FILE_MODE = 0o600;

/** Results on stdout. A reader that closes the pipe early ends the command quietly. */
export const openStdout = (): Output => {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit();
    throw error;
  });
  return outputOf(process.stdout.isTTY === true, wantsColour(process.stdout), process.stdout.columns, (text) => {
    process.stdout.write(text);
  });
};

/** Results on stderr: where stdout is a command's own. A reader that closes it early changes nothing for that command. */
export const openStderr = (): Output => {
  process.stderr.on('error', () => undefined);
  return outputOf(process.stderr.isTTY === true, wantsColour(process.stderr), process.stderr.columns, (text) => {
    process.stderr.write(text);
  });
};

/** Results in a file, which is overwritten. @throws CliError where it can't be written */
export const openFile = (path: string): Output => {
  let fd: number;
  try {
    fd = openSync(path, 'w', FILE_MODE);
  } catch (error) {
    throw new CliError(`${path} can't be written: ${messageOf(error)}`, EXIT.environment);
  }
  return outputOf(false, false, undefined, (text) => void writeSync(fd, text));
};

const outputOf = (
  isTerminal: boolean,
  colour: boolean,
  columns: number | undefined,
  write: (text: string) => void,
): Output => {
  const line = (text = ''): void => write(`${text}\n`);
  return {
    paint: createPaint(colour),
    isTerminal,
    columns: columns ?? DEFAULT_COLUMNS,
    line,
    json: (record) => line(JSON.stringify(record)),
  };
};
