/** Something that goes on, on stderr: a line that is written anew on a terminal, a line now and then elsewhere. */
export interface Progress {
  say(text: string): void;
  /** Takes the line away. */
  clear(): void;
}

const ON_TERMINAL_MS = 100;
const ELSEWHERE_MS = 10_000;

export const createProgress = (stream: NodeJS.WriteStream = process.stderr): Progress => {
  const isTerminal = stream.isTTY === true;
  let last = Date.now();
  let shown = false;
  return {
    say: (text) => {
      const now = Date.now();
      if (now - last < (isTerminal ? ON_TERMINAL_MS : ELSEWHERE_MS)) return;
      last = now;
      if (!isTerminal) {
        stream.write(`${text}\n`);
        return;
      }
      stream.write(`\r\x1b[K${text.slice(0, Math.max(0, (stream.columns ?? 80) - 1))}`);
      shown = true;
    },
    clear: () => {
      if (shown) stream.write('\r\x1b[K');
      shown = false;
    },
  };
};
