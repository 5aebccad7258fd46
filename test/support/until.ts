import { setTimeout as delay } from 'node:timers/promises';

/** Waits until `holds`, at most 10 seconds. */
export const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
  const deadline = Date.now() + 10_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`did not come to hold within 10 s: ${holds}`);
    await delay(10);
  }
};
