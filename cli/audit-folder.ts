import { mkdirSync, mkdtempSync, readdirSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { Option } from 'commander';
import type { AuditLogOptions } from '../alerts/index.ts';
import { byteCount, duration } from './arguments.ts';
import { CliError, EXIT, messageOf } from './exit.ts';

const MODE = 0o700;
/** Begins the name of a fresh folder, in front of its time. */
const FRESH = 'audit-';
/** A log of less would be all records of what was removed. */
const LEAST_KEPT = 64 * 1024;

/** What is kept of an audit log, as options of a command. */
export interface AuditOptions {
  readonly auditKeepBytes?: number;
  /** Milliseconds. */
  readonly auditKeepAge?: number;
  readonly auditReserve?: number;
}

export const auditOptions = (): readonly Option[] => [
  new Option(
    '--audit-keep-bytes <size>',
    'the audit log may grow to this, then its oldest part goes (default: 1g)',
  ).argParser(byteCount(LEAST_KEPT)),
  new Option(
    '--audit-keep-age <time>',
    'the oldest part of the audit log goes after this time (default: 30d)',
  ).argParser(duration),
  new Option(
    '--audit-reserve <size>',
    'room kept for critical alerts on a full disk; 0: none (default: 16m)',
  ).argParser(byteCount(0)),
];

/** The same for the log. */
export const keptOf = ({
  auditKeepBytes,
  auditKeepAge,
  auditReserve,
}: AuditOptions): Pick<AuditLogOptions, 'keepBytes' | 'keepMs' | 'keepUnacknowledgedMs' | 'reserveBytes'> => ({
  ...(auditKeepBytes !== undefined && { keepBytes: auditKeepBytes }),
  ...(auditKeepAge !== undefined && { keepMs: auditKeepAge, keepUnacknowledgedMs: 4 * auditKeepAge }),
  ...(auditReserve !== undefined && { reserveBytes: auditReserve }),
});

/** Where programs keep state: XDG_STATE_HOME, else ~/.local/state (XDG Base Directory Specification). */
const stateFolder = (): string => {
  const configured = process.env.XDG_STATE_HOME ?? '';
  return isAbsolute(configured) ? configured : join(homedir(), '.local', 'state');
};

const freshBelow = (parent: string): string => {
  mkdirSync(parent, { recursive: true, mode: MODE });
  const time = new Date().toISOString().replace(/[-:]|\..*/g, '');
  return mkdtempSync(join(parent, `${FRESH}${time}-`));
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

/** The newest of the folders that runs without --audit left. @throws CliError where there is none */
const latestAuditFolder = (): string => {
  for (const parent of [join(stateFolder(), 'shrike'), join(tmpdir(), 'shrike')]) {
    try {
      const newest = readdirSync(parent, { withFileTypes: true })
        .filter((entry) => entry.isDirectory() && entry.name.startsWith(FRESH))
        .map(({ name }) => name)
        .sort()
        .at(-1);
      if (newest !== undefined) return join(parent, newest);
    } catch {
      // No run has left anything here.
    }
  }
  throw new CliError(
    `no run has left an audit log in ${join(stateFolder(), 'shrike')}: give the folder that "shrike run --audit" named`,
    EXIT.usage,
  );
};

/** The folder of the log that a command is about: the one that is given, else that of the newest run without --audit, which is said on stderr. */
export const chosenAuditFolder = (given: string | undefined): string => {
  if (given !== undefined) return given;
  const folder = latestAuditFolder();
  process.stderr.write(`the audit log in ${folder}\n`);
  return folder;
};
