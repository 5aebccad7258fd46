import fs from 'node:fs';
import { vi } from 'vitest';
import { EXIT } from '../../cli/exit.ts';
import { runMain } from '../../cli/main-program.ts';
import { type Finished, programEnvironment } from './cli.ts';

const STDERR = 2;

/** Variable by variable, since what asks the C library for them doesn't see another object in their place. */
const setEnvironment = (env: NodeJS.ProcessEnv): void => {
  for (const name of Object.keys(process.env)) if (env[name] === undefined) delete process.env[name];
  Object.assign(process.env, env);
};

/** Runs the `shrike` command to its end in this process, which is faster than in one of its own; one command at a time. */
export const shrike = (...args: readonly string[]): Promise<Finished> => shrikeWith({}, ...args);

/** The same with variables of the environment. */
export const shrikeWith = async (env: NodeJS.ProcessEnv, ...args: readonly string[]): Promise<Finished> => {
  const before = { exitCode: process.exitCode, env: { ...process.env }, listeners: process.stdout.listeners('error') };
  let [stdout, stderr] = ['', ''];
  const write = fs.writeSync;
  const spies = [
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      stdout += text;
      return true;
    }),
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
      stderr += text;
      return true;
    }),
    // The log writes to the file descriptor.
    vi.spyOn(fs, 'writeSync').mockImplementation((...given: Parameters<typeof fs.writeSync>) => {
      const [fd, text] = given;
      if (fd !== STDERR || typeof text !== 'string') return write(...given);
      stderr += text;
      return Buffer.byteLength(text);
    }),
  ];
  try {
    process.exitCode = EXIT.fine;
    setEnvironment(programEnvironment(env));
    await runMain((program) => program.parseAsync([...args], { from: 'user' }), args[0]);
    return { code: Number(process.exitCode), stdout, stderr };
  } finally {
    process.exitCode = before.exitCode;
    setEnvironment(before.env);
    for (const spy of spies) spy.mockRestore();
    for (const listener of process.stdout.listeners('error'))
      if (!before.listeners.includes(listener)) process.stdout.off('error', listener as () => void);
  }
};
