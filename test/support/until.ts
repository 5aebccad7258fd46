import { setTimeout as delay } from 'node:timers/promises';

/** Waits until `holds`, at most 30 seconds, or as long as is said. */
export const until = async (holds: () => boolean | Promise<boolean>, limitMs = 30_000): Promise<void> => {
  const deadline = Date.now() + limitMs;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`did not come to hold within ${limitMs / 1000} s: ${holds}`);
    await delay(10);
  }
};
