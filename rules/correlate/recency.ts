interface Entry<Value> {
  readonly key: string;
  readonly value: Value;
  older: Entry<Value> | undefined;
  newer: Entry<Value> | undefined;
}

/** Values by key in the order of their last use; every operation takes constant time. */
export interface Recency<Value> {
  get(key: string): Value | undefined;
  /** Puts a value in, as the one used last. */
  use(key: string, value: Value): void;
  delete(key: string): void;
  /** The one that was not used for longest. */
  readonly oldest: { readonly key: string; readonly value: Value } | undefined;
  readonly size: number;
}

export const createRecency = <Value>(): Recency<Value> => {
  const entries = new Map<string, Entry<Value>>();
  let oldest: Entry<Value> | undefined;
  let newest: Entry<Value> | undefined;
  const unlink = (entry: Entry<Value>): void => {
    if (entry.older === undefined) oldest = entry.newer;
    else entry.older.newer = entry.newer;
    if (entry.newer === undefined) newest = entry.older;
    else entry.newer.older = entry.older;
  };
  return {
    get: (key) => entries.get(key)?.value,
    use: (key, value) => {
      const known = entries.get(key);
      if (known !== undefined && known === newest && known.value === value) return;
      if (known !== undefined) unlink(known);
      const entry: Entry<Value> =
        known?.value === value && known !== undefined ? known : { key, value, older: undefined, newer: undefined };
      entry.older = newest;
      entry.newer = undefined;
      if (newest === undefined) oldest = entry;
      else newest.newer = entry;
      newest = entry;
      if (entry !== known) entries.set(key, entry);
    },
    delete: (key) => {
      const entry = entries.get(key);
      if (entry === undefined) return;
      unlink(entry);
      entries.delete(key);
    },
    get oldest() {
      return oldest;
    },
    get size() {
      return entries.size;
    },
  };
};
