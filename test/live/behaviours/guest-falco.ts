import type { GuestModule } from '../suite/guest.ts';
import type { Behaviour } from './behaviour.ts';
import { falcoPolicies } from './falco.ts';
import { guestBehaviours, runBehaviours } from './guest-behaviours.ts';

const LOADING = "falco: the public rules' programs are taken";

/** Falco's public rules in a guest: its kernel takes their programs, and behaviours raise what they ask for. */
export const run: GuestModule['run'] = async ({ falco, simulate: level }, report) => {
  if (falco === undefined) {
    const reason = 'there is no ../shared/cases/falco beside the repository';
    report({ name: LOADING, result: 'skipped', reason, milliseconds: 0 });
    return;
  }
  const policies = falcoPolicies(falco);
  const behaviours = guestBehaviours().filter((behaviour) => behaviour.falco.length > 0);
  const started = performance.now();
  const milliseconds = (): number => Math.round(performance.now() - started);
  try {
    const falcoRun = { group: 'falco behaviour', behaviours, policies, expected: (one: Behaviour) => one.falco };
    await runBehaviours(falcoRun, level, report);
    report({ name: LOADING, result: 'passed', milliseconds: milliseconds() });
  } catch (error) {
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    report({ name: LOADING, result: 'failed', reason, milliseconds: milliseconds() });
  }
};
