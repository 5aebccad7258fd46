import type { Memory } from '../../../engine/vm/index.ts';
import { KernelObject, writePointer } from './kernel-object.ts';
import { TTY, TTY_DRIVER } from './structs.ts';

/** Drivers of terminals by the beginning of their names: major number, first minor number, number of the first (Documentation/admin-guide/devices.txt). */
const DRIVERS: readonly (readonly [prefix: string, major: number, minorStart: number, first: number])[] = [
  ['pts/', 136, 0, 0],
  ['ttyS', 4, 64, 0],
  ['tty', 4, 1, 1],
];
const OTHER = ['', 5, 1, 0] as const;

/** A terminal (struct tty_struct, with its driver). */
class Terminal extends KernelObject {
  constructor(memory: Memory, name: string) {
    super(memory, TTY.size);
    const [prefix, major, minorStart, first] = DRIVERS.find(([beginning]) => name.startsWith(beginning)) ?? OTHER;
    const driver = memory.allocate(TTY_DRIVER.size);
    memory.view.setUint32(driver + TTY_DRIVER.major, major, true);
    memory.view.setUint32(driver + TTY_DRIVER.minorStart, minorStart, true);
    this.setU32(TTY.index, Number(/^\d+/.exec(name.slice(prefix.length))?.[0] ?? first) - first);
    writePointer(memory, this.at + TTY.driver, driver);
  }
}

const terminals = new WeakMap<Memory, Map<string, Terminal>>();

/** Where the terminal of a name lies; 0 for none. */
export const terminalAt = (memory: Memory, name: string | undefined): number => {
  if (name === undefined) return 0;
  const known = terminals.get(memory) ?? new Map<string, Terminal>();
  terminals.set(memory, known);
  const terminal = known.get(name) ?? new Terminal(memory, name);
  known.set(name, terminal);
  return terminal.at;
};
