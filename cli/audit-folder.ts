import { mkdirSync, mkdtempSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { CliError, EXIT, messageOf } from './exit.ts';

const MODE = 0o700;

/** Where programs keep state: XDG_STATE_HOME, else ~/.local/state (XDG Base Directory Specification). */
const stateFolder = (): string => {
  const configured = process.env.XDG_STATE_HOME ?? '';
  return isAbsolute(configured) ? configured : join(homedir(), '.local', 'state');
};

const freshBelow = (parent: string): string => {
  mkdirSync(parent, { recursive: true, mode: MODE });
  const time = new Date().toISOString().replace(/[-:]|\..*/g, '');
  return mkdtempSync(join(parent, `audit-${time}-`));
};

/** A new folder for one run's audit log: below the user's state folder, or in the temporary one where that can't be written. */
export const freshAuditFolder = (): string => {
  try {
    return freshBelow(join(stateFolder(), 'shrike'));
  } catch {
    try {
      return freshBelow(join(tmpdir(), 'shrike'));
    } catch (error) {
      throw new CliError(
        `there is no folder for the audit log (${messageOf(error)}); give one with --audit`,
        EXIT.environment,
      );
    }
  }
};
