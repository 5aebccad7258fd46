import { readFileSync } from 'node:fs';
import type { Outcome } from './runner.ts';

/** What a guest is told: where its driver lies, and the modules it runs, by their paths from the built project's root. */
export interface GuestSettings {
  readonly driver: string;
  readonly modules: readonly string[];
  /** The folder of Falco's public rule files; left out where there are none. */
  readonly falco?: string;
  /** Only cases of the kernel suite whose names begin with one of these; left out: all. */
  readonly only?: readonly string[];
  /** Run in the simulated kernel of this level instead. */
  readonly simulate?: '6.1' | '6.9' | '6.12';
}

/** A module that runs in a guest. */
export interface GuestModule {
  /** Runs all it has and reports each outcome as it comes. */
  run(settings: GuestSettings, report: (outcome: Outcome) => void): Promise<void>;
}

const say = (message: object): void => void process.stdout.write(`${JSON.stringify(message)}\n`);

const main = async (file: string): Promise<void> => {
  const settings = JSON.parse(readFileSync(file, 'utf8')) as GuestSettings;
  for (const path of settings.modules) {
    say({ kind: 'module', module: path });
    try {
      const module = (await import(new URL(`../../../${path}`, import.meta.url).href)) as GuestModule;
      await module.run(settings, (outcome) => say({ kind: 'outcome', module: path, ...outcome }));
    } catch (error) {
      const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
      say({
        kind: 'outcome',
        module: path,
        name: `${path}: runs to its end`,
        result: 'failed',
        reason,
        milliseconds: 0,
      });
    }
  }
  say({ kind: 'end' });
};

await main(process.argv[2] ?? '');
process.exit(0);
