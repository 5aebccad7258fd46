import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { EnforcementSwitch } from '../sensors/index.ts';

/** In an audit log's folder: what somebody asked for last, `on` or `off`, and what the agent that runs there has done about it. */
const REQUEST = 'enforcement';
const STATE = 'enforcement.json';
/** Milliseconds between two looks at the request. */
const LOOK_MS = 200;
const MODE = 0o600;

const stateSchema = z.strictObject({
  pid: z.int().positive(),
  enforcement: z.enum(['on', 'off', 'monitor']),
  since: z.iso.datetime(),
});

/** How the enforcement of the agent that runs on a folder stands; `monitor`: it was started without --enforce. */
export type EnforcementState = z.infer<typeof stateSchema>;

/** Puts a whole file in the place of another. */
const put = (path: string, text: string): void => {
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, text, { mode: MODE });
  renameSync(temporary, path);
};

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};

/** What was asked for last; `on` where nobody asked for anything. Anything but `on` counts as off: enforcement is never on by mistake. */
export const requestIn = (folder: string): 'on' | 'off' => {
  try {
    return readFileSync(join(folder, REQUEST), 'utf8').trim() === 'on' ? 'on' : 'off';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'on' : 'off';
  }
};

/** How the agent on a folder stands; undefined where none runs. */
export const stateIn = (folder: string): EnforcementState | undefined => {
  const path = join(folder, STATE);
  if (!existsSync(path)) return undefined;
  try {
    const state = stateSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
    return isRunning(state.pid) ? state : undefined;
  } catch {
    return undefined;
  }
};

/** Asks the agent that runs on a folder, or the next that does, to enforce or not. */
export const request = (folder: string, wanted: 'on' | 'off'): void => put(join(folder, REQUEST), `${wanted}\n`);

/** The switch of an agent whose audit log is in a folder: it looks there, and says how it stands. Close it at the end. */
export const openSwitch = (folder: string, enforce: boolean): EnforcementSwitch & { close(): void } => {
  const listeners = new Set<(by: string) => void>();
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  let last = requestIn(folder);
  const tell = (): void => {
    const state: EnforcementState = {
      pid: process.pid,
      enforcement: enforce ? last : 'monitor',
      since: new Date().toISOString(),
    };
    put(join(folder, STATE), `${JSON.stringify(state)}\n`);
  };
  const look = (): void => {
    const wanted = requestIn(folder);
    if (wanted === last) return;
    last = wanted;
    for (const listener of listeners) listener('shrike enforce');
    tell();
  };
  tell();
  const timer = setInterval(look, LOOK_MS);
  timer.unref();
  return {
    get isOff() {
      return last === 'off';
    },
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: () => {
      clearInterval(timer);
      rmSync(join(folder, STATE), { force: true });
    },
  };
};
