/** What is read and not handed over yet; whoever fills it waits while it is full. */
export interface Queue<T> {
  push(item: T): void;
  /** The next one, undefined at the end. */
  shift(): Promise<T | undefined>;
  /** Waits until there is room. */
  room(): Promise<void>;
  /** Nothing more will come. */
  end(): void;
  /** What is there is not wanted any more. */
  clear(): void;
}

export const createQueue = <T>(most: number): Queue<T> => {
  let items: T[] = [];
  let at = 0;
  let hasEnded = false;
  let readers: (() => void)[] = [];
  let writers: (() => void)[] = [];
  const wake = (waiting: (() => void)[]): void => {
    for (const resume of waiting) resume();
  };
  const wakeReaders = (): void => {
    const waiting = readers;
    readers = [];
    wake(waiting);
  };
  const wakeWriters = (): void => {
    const waiting = writers;
    writers = [];
    wake(waiting);
  };
  return {
    push(item) {
      if (hasEnded) return;
      items.push(item);
      wakeReaders();
    },
    async shift() {
      while (at === items.length && !hasEnded) await new Promise<void>((resume) => readers.push(resume));
      if (at === items.length) return undefined;
      const item = items[at++];
      if (at > most) {
        items = items.slice(at);
        at = 0;
      }
      if (items.length - at < most) wakeWriters();
      return item;
    },
    async room() {
      while (items.length - at >= most && !hasEnded) await new Promise<void>((resume) => writers.push(resume));
    },
    end() {
      hasEnded = true;
      wakeReaders();
      wakeWriters();
    },
    clear() {
      items = [];
      at = 0;
    },
  };
};
