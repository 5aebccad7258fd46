/** A signal that Ctrl-C and SIGTERM abort; the second one ends the process at once, as if nobody had listened. */
export const onInterrupt = (): { readonly signal: AbortSignal; release(): void } => {
  const controller = new AbortController();
  const names = ['SIGINT', 'SIGTERM'] as const;
  const release = (): void => {
    for (const name of names) process.off(name, stop);
  };
  const stop = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) {
      release();
      process.kill(process.pid, name);
    }
    controller.abort();
  };
  for (const name of names) process.on(name, stop);
  return { signal: controller.signal, release };
};

/** Does what a command is for until it is done or interrupted; it gives the process's exit code. */
export const untilInterrupt = async (act: (signal: AbortSignal) => Promise<number>): Promise<void> => {
  const { signal, release } = onInterrupt();
  try {
    process.exitCode = await act(signal);
  } finally {
    release();
  }
};
