import { addressText, parseAddress } from '../rules/index.ts';

/** The addresses of a domain name, as text; a name that there is not has none. Fails where it can't be asked for now. */
export type Resolve = (name: string) => readonly string[] | Promise<readonly string[]>;

/** Domain names that are looked for, with the addresses they have. */
export interface DomainNames {
  /** Which of the names an address has, in the order of the alphabet, and of which that isn't known yet. */
  of(address: string): { readonly known: readonly string[]; readonly open: readonly string[] };
  close(): void;
}

export interface DomainNamesOptions {
  readonly names: Iterable<string>;
  readonly resolve: Resolve;
  readonly warn?: ((sentence: string) => void) | undefined;
}

/** Milliseconds between two lookups of a name, as Falco's libs have it: doubled each time, up to the second. */
const FIRST_PAUSE = 10_000;
const LAST_PAUSE = 320_000;
/** Lookups at once: half of the threads that Node has for them and for files. */
const MAX_LOOKUPS = 2;
/** Names that are looked for, and addresses that one may have; what is more is unknown. */
const MAX_NAMES = 1000;
const MAX_ADDRESSES = 1000;

interface Entry {
  readonly name: string;
  /** Undefined until the first answer. */
  addresses: ReadonlySet<string> | undefined;
  pause: number;
}

/** An address in the one form that it is compared in: IPv4 also where it is mapped into IPv6. */
const canonical = (address: string): string | undefined => {
  const bytes = parseAddress(address);
  return bytes && addressText(bytes);
};

const isPromise = <Value>(value: Value | Promise<Value>): value is Promise<Value> =>
  typeof value === 'object' && value !== null && 'then' in value;

/**
 * Looks up the addresses of some names in the background, again and again; an answer that doesn't come leaves what was known before. Nothing
 * here waits for a lookup or throws.
 */
export const createDomainNames = ({ names, resolve, warn }: DomainNamesOptions): DomainNames => {
  const sorted = [...new Set(names)].sort();
  const entries = sorted.slice(0, MAX_NAMES).map((name): Entry => ({ name, addresses: undefined, pause: FIRST_PAUSE }));
  const beyond = sorted.slice(MAX_NAMES);
  if (beyond.length > 0)
    warn?.(
      `the rules name ${sorted.length.toLocaleString('en-US')} domains, and ${MAX_NAMES.toLocaleString('en-US')} are looked up: it stays unknown which addresses the others have`,
    );
  const timers = new Set<NodeJS.Timeout>();
  const due: Entry[] = [...entries];
  let running = 0;
  let closed = false;

  const answered = (entry: Entry, addresses: readonly string[]): void => {
    entry.addresses = new Set(addresses.slice(0, MAX_ADDRESSES).flatMap((address) => canonical(address) ?? []));
  };
  const askAgain = (entry: Entry): void => {
    if (closed) return;
    const timer = setTimeout(() => {
      timers.delete(timer);
      due.push(entry);
      next();
    }, entry.pause).unref();
    timers.add(timer);
    entry.pause = Math.min(entry.pause * 2, LAST_PAUSE);
  };
  const ask = (entry: Entry): void => {
    const found = resolve(entry.name);
    if (!isPromise(found)) {
      answered(entry, found);
      askAgain(entry);
      return;
    }
    running++;
    found
      .then(
        (addresses) => answered(entry, addresses),
        () => undefined,
      )
      .finally(() => {
        running--;
        askAgain(entry);
        next();
      });
  };
  const next = (): void => {
    while (!closed && running < MAX_LOOKUPS) {
      const entry = due.shift();
      if (entry === undefined) return;
      try {
        ask(entry);
      } catch {
        askAgain(entry);
      }
    }
  };
  next();
  return {
    of: (address) => {
      const wanted = canonical(address);
      const known: string[] = [];
      const open: string[] = [...beyond];
      for (const { name, addresses } of entries) {
        if (addresses === undefined) open.push(name);
        else if (wanted !== undefined && addresses.has(wanted)) known.push(name);
      }
      return { known, open };
    },
    close: () => {
      closed = true;
      for (const timer of timers) clearTimeout(timer);
      timers.clear();
    },
  };
};
