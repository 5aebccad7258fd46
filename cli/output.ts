import { wantsColour } from '../alerts/index.ts';
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

/** Results on stdout. A reader that closes the pipe early ends the command quietly. */
export const openStdout = (): Output => {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit();
    throw error;
  });
  const line = (text = ''): void => {
    process.stdout.write(`${text}\n`);
  };
  return {
    paint: createPaint(wantsColour(process.stdout)),
    isTerminal: process.stdout.isTTY === true,
    columns: process.stdout.columns ?? DEFAULT_COLUMNS,
    line,
    json: (record) => line(JSON.stringify(record)),
  };
};
