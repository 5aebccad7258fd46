import { CASES } from './cases/index.ts';
import type { GuestModule } from './guest.ts';
import { runSuite } from './runner.ts';

/** The kernel suite in a guest, whose kernel nobody else uses. */
export const run: GuestModule['run'] = async ({ driver, simulate, only }, report) => {
  const place =
    simulate === undefined
      ? (await import('./linux-place.ts')).linuxPlace({ driver, ownMachine: true })
      : (await import('./sim-place.ts')).simPlace(simulate);
  const wanted = CASES.filter(({ name }) => only?.some((start) => name.startsWith(start)) ?? true);
  await runSuite(place, wanted, report);
};
