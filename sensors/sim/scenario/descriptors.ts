/** What a step's name for an open file stands for in a process. */
export type Slot =
  | { readonly kind: 'open'; readonly fd: number }
  /** The call that should have opened it failed. */
  | { readonly kind: 'refused'; readonly step: number; readonly denied: boolean };

const STANDARD: ReadonlyMap<string, number> = new Map([
  ['stdin', 0],
  ['stdout', 1],
  ['stderr', 2],
]);

/** The open files of a process by the names that steps give them; a forked process starts with its parent's. */
export class Descriptors {
  readonly #slots: Map<string, Slot>;
  /** Ports that sockets were bound to, by file descriptor. */
  readonly #ports: Map<number, number>;

  constructor(parent?: Descriptors) {
    this.#slots = new Map(parent?.slots);
    this.#ports = new Map(parent?.ports);
  }

  get slots(): ReadonlyMap<string, Slot> {
    return this.#slots;
  }

  get ports(): ReadonlyMap<number, number> {
    return this.#ports;
  }

  /** Undefined where the process never opened anything by that name. */
  get(name: string): Slot | undefined {
    const fd = STANDARD.get(name) ?? (/^\d+$/.test(name) ? Number(name) : undefined);
    return fd === undefined ? this.#slots.get(name) : { kind: 'open', fd };
  }

  set(names: readonly string[], slot: Slot): void {
    for (const name of names) this.#slots.set(name, slot);
  }

  bind(fd: number, port: number): void {
    this.#ports.set(fd, port);
  }

  port(fd: number): number | undefined {
    return this.#ports.get(fd);
  }
}
