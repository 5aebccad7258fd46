import type { SimHost } from '../sim-host.ts';

/** Where programs are looked for, as PATH usually has them. */
export const PATH = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];
/** The start of an executable; the simulation runs no machine code. */
const ELF = '\x7fELF';
const PROGRAM_MODE = 0o755;

/** The path of a program by its name, undefined where there is none. */
export const findProgram = (host: SimHost, name: string): string | undefined =>
  PATH.map((folder) => `${folder}/${name}`).find((path) => host.fs.exists(path));

/** Puts a program there; one without a slash into /usr/bin unless it is somewhere already. */
export const addProgram = (host: SimHost, program: string): void => {
  const path = program.includes('/') ? program : (findProgram(host, program) ?? `/usr/bin/${program}`);
  if (!host.fs.exists(path)) host.fs.write(path, ELF, PROGRAM_MODE);
};
