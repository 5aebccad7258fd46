import { CASES } from './cases/index.ts';
import type { GuestModule } from './guest.ts';
import { linuxPlace } from './linux-place.ts';
import { runSuite } from './runner.ts';
import { simPlace } from './sim-place.ts';

/** The kernel suite in a guest, whose kernel nobody else uses. */
export const run: GuestModule['run'] = async ({ driver, simulate }, report) => {
  const place = simulate === undefined ? linuxPlace({ driver, ownMachine: true }) : simPlace(simulate);
  await runSuite(place, CASES, report);
};
