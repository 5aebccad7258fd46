import { onTestFinished } from 'vitest';
import {
  type Announcer,
  type AnnouncerOptions,
  createAnnouncer,
  openAuditLog,
  openSealer,
  type Sealer,
  type StoredLog,
  type Verifier,
} from '../../../alerts/index.ts';

/** An agent's log with who seals it and who shows it to the witness. */
export interface SealedHost {
  readonly log: StoredLog;
  readonly sealer: Sealer;
  readonly announcer: Announcer;
  /** Appends entries and signs them. */
  add(entries: number): Promise<void>;
  /** As an agent that is stopped. */
  stop(): Promise<void>;
}

/** Opens a host's log; what is left open ends with the running test. */
export const openHost = async (
  folder: string,
  host: string,
  witness: Verifier,
  options: Pick<AnnouncerOptions, 'servers' | 'intervalMs' | 'report'>,
  /** Entries that are added before anything is shown. */
  entries = 0,
): Promise<SealedHost> => {
  const log = await openAuditLog({ folder, host });
  const sealer = await openSealer({ log, everyMs: 0 });
  const add = async (more: number): Promise<void> => {
    for (let index = 0; index < more; index++) log.append('policy', { note: `entry ${log.last + 1}` });
    await sealer.seal();
  };
  await add(entries);
  const announcer = createAnnouncer({ folder, host, sealer, witness, ...options });
  let isOpen = true;
  const stop = async (): Promise<void> => {
    if (!isOpen) return;
    isOpen = false;
    await announcer.close();
    await log.close();
  };
  onTestFinished(stop);
  return {
    log,
    sealer,
    announcer,
    stop,
    add,
  };
};
